/// How a process goes: it says so first, then stops taking, then waits, then ends.
///
///     serving ──terminate──▶ leaving ──acceptFor passed──▶ finishing ──nothing in flight, or grace passed──▶ gone
///                                └──────────── terminated again ───────────────────────────────────────────▶ gone
///
/// While `leaving` it is not ready but still accepts, because whoever routes to it learns that with a delay.
public struct Drain: Sendable {
    public struct Settings: Hashable, Sendable {
        /// How long connections are still accepted.
        public var acceptFor: Duration
        /// How long requests may take to finish after that.
        public var grace: Duration

        public init(acceptFor: Duration = .seconds(5), grace: Duration = .seconds(25)) {
            self.acceptFor = acceptFor
            self.grace = grace
        }
    }

    public enum Phase: Hashable, Sendable {
        case serving
        case leaving(until: Instant)
        case finishing(until: Instant)
        case gone
    }

    public private(set) var phase = Phase.serving
    private let settings: Settings

    public init(settings: Settings = Settings()) {
        self.settings = settings
    }

    /// Whether new callers should be sent here.
    public var isReady: Bool { phase == .serving }

    /// The process was asked to end; asked twice, it ends at once.
    public mutating func terminate(at now: Instant) {
        switch phase {
        case .serving: phase = .leaving(until: now.advanced(by: settings.acceptFor))
        case .leaving, .finishing, .gone: phase = .gone
        }
    }

    /// Time has passed, or something has finished. O(1).
    public mutating func tick(at now: Instant, inFlightCount: Int) {
        if case .leaving(let until) = phase, now >= until {
            phase = .finishing(until: now.advanced(by: settings.grace))
        }
        if case .finishing(let until) = phase, now >= until || inFlightCount == 0 { phase = .gone }
    }
}
