/// Everything that `samovar serve` can be told. Plain values; every key has a default.
struct Configuration: Hashable, Sendable {
    var listen = Listen()
    var redis = Redis()
    var lease = Lease()
    var cache = Cache()
    var upstreams: [UpstreamConfiguration] = []
    var admission = Admission()
    /// In file order: the first that matches holds. The last of them is `default`, unless one has that name.
    var routes = [RouteConfiguration.default]
    /// Paths that are passed through although they are not cached, exactly as written.
    var passthrough: [String] = []
    /// Prices by the model's name, for what was saved.
    var models: [String: ModelPrice] = [:]
    var limits = Limits()
    var drain = Drain()
    var log = Log()
    /// Whether replies carry `X-Samovar-Key`.
    var debugHeaders = false

    static let keys: [ConfigurationKey<Configuration>] = [
        .section("listen", \.listen, Listen.keys),
        .section("redis", \.redis, Redis.keys),
        .section("lease", \.lease, Lease.keys),
        .section("cache", \.cache, Cache.keys),
        .items(
            "upstreams", \.upstreams, empty: UpstreamConfiguration(name: "", url: ""), UpstreamConfiguration.keys,
            required: ["name", "url"], .restart),
        .section("admission", \.admission, Admission.keys),
        .items(
            "routes", \.routes, empty: RouteConfiguration(name: ""), RouteConfiguration.keys, required: ["name"]),
        .list("passthrough", \.passthrough, of: .requestPath),
        .mapping("models", \.models, from: .modelPattern, empty: ModelPrice(), ModelPrice.keys),
        .section("limits", \.limits, Limits.keys),
        .section("drain", \.drain, Drain.keys),
        .section("log", \.log, Log.keys),
        .value("debug_headers", \.debugHeaders, .flag),
    ]
}
