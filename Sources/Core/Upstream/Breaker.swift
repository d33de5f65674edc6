/// Whether something that may be broken is worth asking.
///
///            it trips                         `openFor` passed
///     closed ─────────────────────▶ open ─────────────────────▶ halfOpen
///       ▲                            ▲                              │
///       │                            └───────── probe failed ───────┤
///       └─────────────────────────  `probeSuccesses` in a row ──────┘
///
/// It trips by failures in a row, or, with a `window`, by the share of failures or of slow answers among the attempts
/// of the last while, once there are enough of them. One probe at a time. Each opening in a row doubles the wait up to `openForMax`, with full jitter, so that many processes do not come
/// back in step. Names and states after Nygard, "Release It!" (2007), ch. 5.2; jitter after Brooker, "Exponential
/// backoff and jitter" (2015).
public struct Breaker: Sendable {
    public struct Settings: Hashable, Sendable {
        /// How many failures in a row open it.
        public var failureMax: Int
        public var openForMin: Duration
        public var openForMax: Duration
        /// Trips by shares instead of in a row.
        public var window: Window?
        /// How many probes must succeed, one after the other, before all may ask again. `probe_successes`.
        public var probeSuccesses: Int

        public init(
            failureMax: Int = 5, openForMin: Duration = .milliseconds(100), openForMax: Duration = .seconds(2),
            window: Window? = nil, probeSuccesses: Int = 1
        ) {
            self.failureMax = failureMax
            self.openForMin = openForMin
            self.openForMax = openForMax
            self.window = window
            self.probeSuccesses = probeSuccesses
        }

        /// For an upstream: by shares, and closed again only after three good probes.
        public static let upstream = Settings(
            openForMin: .seconds(1), openForMax: .seconds(30), window: Window(), probeSuccesses: 3)
    }

    /// Of which share of the attempts it opens.
    public struct Window: Hashable, Sendable {
        public var length: Duration
        /// Fewer attempts in the window say nothing. `volume_min`.
        public var volumeMin: Int
        /// In 0...1; above 1: never.
        public var errorRatio: Double
        /// In 0...1; above 1: never.
        public var slowRatio: Double

        public init(
            length: Duration = .seconds(10), volumeMin: Int = 20, errorRatio: Double = 0.5, slowRatio: Double = 0.8
        ) {
            self.length = length
            self.volumeMin = volumeMin
            self.errorRatio = errorRatio
            self.slowRatio = slowRatio
        }
    }

    /// The raw values are what the state's metric shows.
    public enum State: Int, Hashable, Sendable {
        case closed = 0
        case halfOpen = 1
        case open = 2
    }

    public enum Verdict: Hashable, Sendable {
        case ask
        /// Ask, alone: the outcome decides.
        case probe
        case skip
    }

    public enum Outcome: Hashable, Sendable {
        case succeeded
        /// An answer, but late: as a probe it is no success, and counts for the window's `slowRatio`.
        case slow
        case failed
        /// Nothing was learned: the asker went away first.
        case abandoned
    }

    private let settings: Settings
    private var failureCount = 0
    private var outcomes: OutcomeWindow?
    private var probeSuccessCount = 0
    private var openingCount = 0
    private var opensUntil: Instant?
    private var isProbing = false
    /// The opening is another process's finding.
    private var isHearsay = false
    private var lastFailedAt: Instant?

    public init(settings: Settings = Settings()) {
        self.settings = settings
        outcomes = settings.window.map { OutcomeWindow($0.length) }
    }

    /// From when on a probe may go; nil while it is closed.
    public var probesAt: Instant? { opensUntil }

    /// For how long it is open by what this process found itself; nil where it is not.
    public func openFor(at now: Instant) -> Duration? {
        guard !isHearsay, let opensUntil, now < opensUntil, !isProbing else { return nil }
        return now.duration(to: opensUntil)
    }

    /// How long a failure of one's own confirms what others say.
    public static let ownFailureLife = Duration.seconds(5)

    /// Another process has found it broken, and does not ask for so long.
    ///
    /// Where this one has seen a failure of late too, it opens for as long. Otherwise it may be the other's own trouble: one
    /// probe decides, and closes it by itself. Whoever is not closed goes on by his own judgement.
    public mutating func heardOpen(for length: Duration, at now: Instant) {
        guard opensUntil == nil, length > .zero else { return }
        isHearsay = true
        if let lastFailedAt, lastFailedAt.duration(to: now) <= Self.ownFailureLife {
            opensUntil = now.advanced(by: min(length, settings.openForMax))
            probeSuccessCount = 0
        } else {
            opensUntil = now
            probeSuccessCount = settings.probeSuccesses - 1
        }
    }

    public func state(at now: Instant) -> State {
        guard let opensUntil else { return .closed }
        return now < opensUntil && !isProbing ? .open : .halfOpen
    }

    /// May it be asked now? O(1). After `.probe`, `report` must follow.
    public mutating func ask(at now: Instant) -> Verdict {
        guard let opensUntil else { return .ask }
        guard now >= opensUntil, !isProbing else { return .skip }
        isProbing = true
        return .probe
    }

    /// What came of asking.
    ///
    /// - Parameter jitter: a random number in 0..<1.
    public mutating func report(_ outcome: Outcome, wasProbe: Bool, at now: Instant, jitter: Double) {
        if wasProbe { isProbing = false }
        guard outcome != .abandoned else { return }
        if outcome == .failed { lastFailedAt = max(lastFailedAt ?? now, now) }
        // A straggler from before the opening says nothing about now; only probes close it.
        guard opensUntil == nil || wasProbe else { return }
        if wasProbe {
            probed(outcome, at: now, jitter: jitter)
        } else if trips(outcome, at: now) {
            open(at: now, jitter: jitter)
        }
    }

    private mutating func probed(_ outcome: Outcome, at now: Instant, jitter: Double) {
        guard outcome == .succeeded else { return open(at: now, jitter: jitter) }
        probeSuccessCount += 1
        if probeSuccessCount >= settings.probeSuccesses { close() }
    }

    /// Notes the outcome of an attempt while closed.
    private mutating func trips(_ outcome: Outcome, at now: Instant) -> Bool {
        guard let window = settings.window else {
            failureCount = outcome == .failed ? failureCount + 1 : 0
            return failureCount >= settings.failureMax
        }
        outcomes?.note(failed: outcome == .failed, slow: outcome == .slow, at: now)
        guard let counts = outcomes?.counts(at: now), counts.total >= window.volumeMin else { return false }
        return counts.failureRatio >= window.errorRatio || counts.slowRatio >= window.slowRatio
    }

    private mutating func close() {
        failureCount = 0
        openingCount = 0
        probeSuccessCount = 0
        opensUntil = nil
        isHearsay = false
        outcomes = settings.window.map { OutcomeWindow($0.length) }
    }

    private mutating func open(at now: Instant, jitter: Double) {
        let doublings = min(openingCount, 20)
        openingCount += 1
        isHearsay = false
        probeSuccessCount = 0
        let ceiling = min(settings.openForMax, settings.openForMin * (1 << doublings))
        // Full jitter above the minimum: never at once, and never all at the same time.
        let spread = Double((ceiling - settings.openForMin).nanoseconds) * jitter
        opensUntil = now.advanced(by: settings.openForMin + .nanoseconds(Int64(spread)))
    }
}
