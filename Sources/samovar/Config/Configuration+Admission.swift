extension Configuration {
    /// Who goes upstream when more want to than can.
    struct Admission: Hashable, Sendable {
        /// How fast each tenant may ask.
        struct Tenant: Hashable, Sendable {
            /// Nil: its share of what there is.
            var requestsPerSecond: Double?
            /// Nil: a second's worth.
            var burst: Int?
            /// Nil: as for requests.
            var tokensPerMinute: Int?

            static let keys: [ConfigurationKey<Tenant>] = [
                .optional("requests_per_second", \.requestsPerSecond, .decimal(0.001...1_000_000)),
                .optional("burst", \.burst, .count(1...1_000_000)),
                .optional("tokens_per_minute", \.tokensPerMinute, .count(1...1_000_000_000)),
            ]
        }

        /// Off: every miss goes upstream at once, without limits, breakers and second attempts.
        var enabled = true
        var tenant = Tenant()
        /// How much of an upstream one model may have while another waits.
        var modelShare = 0.75
        /// Second attempts, for each request. 0: none.
        var retryRatio = 0.1
        /// Pods that use the same Redis share the upstreams' limits. Nothing without Redis.
        var fleet = true
        /// How often pods tell each other what they want.
        var shareInterval = Duration.milliseconds(250)
        /// How long a pod keeps its part when Redis is gone.
        var shareKeep = Duration.seconds(10)

        static let keys: [ConfigurationKey<Admission>] = [
            .value("enabled", \.enabled, .flag),
            .section("tenant", \.tenant, Tenant.keys),
            .value("model_share", \.modelShare, .decimal(0.01...1)),
            .value("retry_ratio", \.retryRatio, .decimal(0...1)),
            .value("fleet", \.fleet, .flag),
            .value("share_interval", \.shareInterval, .duration(.milliseconds(50)...(.seconds(5)))),
            .value("share_keep", \.shareKeep, .duration(.seconds(1)...(.seconds(600)))),
        ]
    }
}
