extension Configuration {
    /// What is logged.
    struct Log: Hashable, Sendable {
        /// The least that is worth a line. The words are those of swift-log.
        enum Level: String, CaseIterable, Hashable, Sendable {
            case trace, debug, info, notice, warning, error
        }

        var level = Level.info

        static let keys: [ConfigurationKey<Log>] = [
            .value("level", \.level, .choice)
        ]
    }
}
