import SamovarCore

/// One provider that answers what is not cached.
struct UpstreamConfiguration: Hashable, Sendable {
    /// The form in which it is asked.
    enum Form: String, CaseIterable, Hashable, Sendable {
        /// As the leader asked us.
        case asAsked = "as_asked"
        /// Always for a stream.
        case stream
    }

    /// Whether a stream is asked to carry its usage.
    enum UsageChunk: String, CaseIterable, Hashable, Sendable {
        case ask
        /// As the leader asked us.
        case leave
    }

    var name: String
    var url: String
    /// The variable with the key it is asked with; nil: with the caller's own.
    var apiKeyEnv: String?
    var weight = 1
    /// The next tier is asked when every one of this is saturated or out.
    var tier = Tier.local
    /// Nil: as fast as it takes them, until it says otherwise.
    var requestsPerSecond: Double?
    /// How many at once, before the rate counts. Nil: a second's worth.
    var burst: Int?
    /// Nil: as for requests.
    var tokensPerMinute: Int?
    /// Attempts at once. 0: only what is learned.
    var concurrencyMax = 0
    /// Flights that wait for it. 0: none does.
    var queueMax = 2_048
    /// How long it takes until it has its whole weight again after it was out.
    var slowStart = Duration.seconds(10)
    var breaker = Breaker()
    var form = Form.asAsked
    var usageChunk = UsageChunk.ask
    var connectTimeout = Duration.seconds(2)
    var connectionsMax = 1_024
    /// Whom to trust in place of the system's authorities.
    var caFile: String?

    /// When it is not asked for a while.
    struct Breaker: Hashable, Sendable {
        /// Attempts of so long ago are no matter.
        var window = Duration.seconds(10)
        /// Fewer attempts say nothing.
        var volumeMin = 20
        /// The share of failures that opens it.
        var errorRatio = 0.5
        /// The share of late first tokens that opens it.
        var slowRatio = 0.8
        /// From when on a first token is late. Nil: never.
        var slowAfter: Duration?
        /// How long it is not asked, and how long at most after opening again and again.
        var sleep = Duration.seconds(1)
        var sleepMax = Duration.seconds(5)
        /// So many in a row let it be asked by all again.
        var probeSuccesses = 3

        static let keys: [ConfigurationKey<Breaker>] = [
            .value("window", \.window, .duration(.seconds(1)...(.seconds(3_600)))),
            .value("volume_min", \.volumeMin, .count(1...1_000_000)),
            .value("error_ratio", \.errorRatio, .decimal(0.01...1)),
            .value("slow_ratio", \.slowRatio, .decimal(0.01...1)),
            .optional("slow_after", \.slowAfter, .duration(Configuration.Limits.timeouts)),
            .value("sleep", \.sleep, .duration(.milliseconds(10)...(.seconds(3_600)))),
            .value("sleep_max", \.sleepMax, .duration(.milliseconds(10)...(.seconds(3_600)))),
            .value("probe_successes", \.probeSuccesses, .count(1...100)),
        ]
    }

    init(name: String, url: String, apiKeyEnv: String? = nil) {
        self.name = name
        self.url = url
        self.apiKeyEnv = apiKeyEnv
    }

    static let keys: [ConfigurationKey<UpstreamConfiguration>] = [
        .value("name", \.name, .name, .restart),
        .value("url", \.url, .upstreamURL, .restart),
        .optional("api_key_env", \.apiKeyEnv, .variableName, .restart),
        .value("weight", \.weight, .count(1...1_000)),
        .value("tier", \.tier, .choice),
        .optional("requests_per_second", \.requestsPerSecond, .decimal(0.001...1_000_000)),
        .optional("burst", \.burst, .count(1...1_000_000)),
        .optional("tokens_per_minute", \.tokensPerMinute, .count(1...1_000_000_000)),
        .value("concurrency_max", \.concurrencyMax, .count(0...100_000)),
        .value("queue_max", \.queueMax, .count(0...100_000)),
        .value("slow_start", \.slowStart, .duration(.zero...(.seconds(3_600)))),
        .section("breaker", \.breaker, Breaker.keys),
        .value("upstream_form", \.form, .choice, .restart),
        .value("usage_chunk", \.usageChunk, .choice, .restart),
        .value("connect_timeout", \.connectTimeout, .duration(.milliseconds(1)...(.seconds(60))), .restart),
        .value("connections_max", \.connectionsMax, .count(1...100_000), .restart),
        .optional("ca_file", \.caFile, .filePath, .restart),
    ]

    /// Takes over from another one what can change while the process runs.
    mutating func takeLimits(of other: UpstreamConfiguration) {
        weight = other.weight
        tier = other.tier
        requestsPerSecond = other.requestsPerSecond
        burst = other.burst
        tokensPerMinute = other.tokensPerMinute
        concurrencyMax = other.concurrencyMax
        queueMax = other.queueMax
        slowStart = other.slowStart
        breaker = other.breaker
    }
}
