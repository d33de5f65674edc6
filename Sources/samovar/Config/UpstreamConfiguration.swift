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
    var form = Form.asAsked
    var usageChunk = UsageChunk.ask
    var connectTimeout = Duration.seconds(2)
    var connectionsMax = 1_024
    /// Whom to trust in place of the system's authorities.
    var caFile: String?

    init(name: String, url: String, apiKeyEnv: String? = nil) {
        self.name = name
        self.url = url
        self.apiKeyEnv = apiKeyEnv
    }

    static let keys: [ConfigurationKey<UpstreamConfiguration>] = [
        .value("name", \.name, .name, .restart),
        .value("url", \.url, .upstreamURL, .restart),
        .optional("api_key_env", \.apiKeyEnv, .variableName, .restart),
        .value("weight", \.weight, .count(1...1_000), .restart),
        .value("upstream_form", \.form, .choice, .restart),
        .value("usage_chunk", \.usageChunk, .choice, .restart),
        .value("connect_timeout", \.connectTimeout, .duration(.milliseconds(1)...(.seconds(60))), .restart),
        .value("connections_max", \.connectionsMax, .count(1...100_000), .restart),
        .optional("ca_file", \.caFile, .filePath, .restart),
    ]
}
