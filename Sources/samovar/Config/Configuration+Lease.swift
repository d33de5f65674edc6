extension Configuration {
    /// How pods that use the same Redis share their calls. All pods of a fleet are to have the same.
    struct Lease: Hashable, Sendable {
        /// Off: pods share answers, not calls.
        var enabled = true
        /// How long a pod may be silent before it is in danger of being taken for dead.
        var duration = Duration.seconds(3)
        /// For how long chunks are collected for pods that follow.
        var publishInterval = Duration.milliseconds(20)
        /// How much of a live answer may wait for Redis before pods that follow are told to go elsewhere.
        var publishQueueSizeMax = 256 << 10

        static let keys: [ConfigurationKey<Lease>] = [
            .value("enabled", \.enabled, .flag),
            .value("duration", \.duration, .duration(.milliseconds(300)...(.seconds(60)))),
            .value("publish_interval", \.publishInterval, .duration(.milliseconds(1)...(.seconds(1)))),
            .value("publish_queue_size_max", \.publishQueueSizeMax, .size(4 << 10...64 << 20)),
        ]
    }
}
