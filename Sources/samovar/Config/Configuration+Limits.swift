extension Configuration {
    /// How much and how long, of everything that others decide. A limit, its key and its metric share a name.
    struct Limits: Hashable, Sendable {
        var bodySizeMax = 8 << 20
        var headerSizeMax = 16 << 10
        var headerCountMax = 100
        var connectionsMax = 1_024
        /// The size of one upstream's answer as a body.
        var answerSizeMax = 32 << 20
        /// The size of one upstream's answer as a stream.
        var streamSizeMax = 4 << 20
        var flightsMax = 1_024
        var flightFollowersMax = 10_000
        /// How far a follower may fall behind before it is cut.
        var followerLagMax = 256 << 10
        var headerTimeout = Duration.seconds(5)
        /// Bytes a second that a caller's body must bring at least.
        var bodyRateMin = 1 << 10
        var idleTimeout = Duration.seconds(60)
        var writeTimeout = Duration.seconds(30)
        /// How often a streaming caller who waits is sent a comment.
        var keepAliveInterval = Duration.seconds(10)

        static let timeouts = Duration.milliseconds(1)...Duration.seconds(86_400)
        private static let sizes = 1 << 10...1 << 30
        private static let counts = 1...1_000_000

        static let keys: [ConfigurationKey<Limits>] = [
            .value("body_size_max", \.bodySizeMax, .size(sizes)),
            .value("header_size_max", \.headerSizeMax, .size(1 << 10...1 << 20)),
            .value("header_count_max", \.headerCountMax, .count(1...10_000)),
            .value("connections_max", \.connectionsMax, .count(counts), .restart),
            .value("answer_size_max", \.answerSizeMax, .size(sizes)),
            .value("stream_size_max", \.streamSizeMax, .size(sizes)),
            .value("flights_max", \.flightsMax, .count(counts)),
            .value("flight_followers_max", \.flightFollowersMax, .count(counts)),
            .value("follower_lag_max", \.followerLagMax, .size(sizes)),
            .value("header_timeout", \.headerTimeout, .duration(timeouts)),
            .value("body_rate_min", \.bodyRateMin, .size(0...1 << 30)),
            .value("idle_timeout", \.idleTimeout, .duration(timeouts)),
            .value("write_timeout", \.writeTimeout, .duration(timeouts)),
            .value("keep_alive_interval", \.keepAliveInterval, .duration(timeouts)),
        ]
    }
}
