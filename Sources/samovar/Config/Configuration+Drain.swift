extension Configuration {
    /// How the process stops.
    struct Drain: Hashable, Sendable {
        /// How long it goes on accepting connections after it has been told to stop.
        var acceptFor = Duration.seconds(5)
        /// How long what is under way may take after that.
        var grace = Duration.seconds(25)

        static let keys: [ConfigurationKey<Drain>] = [
            .value("accept_for", \.acceptFor, .duration(.zero...(.seconds(86_400)))),
            .value("grace", \.grace, .duration(.zero...(.seconds(86_400)))),
        ]
    }
}
