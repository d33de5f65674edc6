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
        var flightsMax = 4_096
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

        /// Requests that one binary connection may have open.
        var inflightMax = 256
        /// How much of an answer a client of the binary port is sent before it must ask for more.
        var windowSize = 256 << 10
        /// The largest piece of an answer in one frame.
        var chunkSize = 16 << 10
        /// How much may wait to be sent on one binary connection.
        var outputSizeMax = 1 << 20
        /// Of the fields in one frame.
        var metadataSizeMax = 16 << 10

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
            .value("inflight_max", \.inflightMax, .count(16...1_000_000)),
            .value("window_size", \.windowSize, .size(1 << 10...1 << 30)),
            .value("chunk_size", \.chunkSize, .size(1 << 10...1 << 20)),
            .value("output_size_max", \.outputSizeMax, .size(64 << 10...1 << 30)),
            .value("metadata_size_max", \.metadataSizeMax, .size(1 << 10...65_535)),
        ]
    }
}
