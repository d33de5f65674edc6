/// Whether something that may be broken is worth asking.
///
///            `failureMax` in a row            `openFor` passed
///     closed ─────────────────────▶ open ─────────────────────▶ halfOpen
///       ▲                            ▲                              │
///       │                            └───────── probe failed ───────┤
///       └─────────────────────────────────────  probe succeeded ────┘
///
/// Each opening in a row doubles the wait up to `openForMax`, with full jitter, so that many processes do not come
/// back in step. Names and states after Nygard, "Release It!" (2007), ch. 5.2; jitter after Brooker, "Exponential
/// backoff and jitter" (2015).
public struct Breaker: Sendable {
    public struct Settings: Hashable, Sendable {
        /// How many failures in a row open it.
        public var failureMax: Int
        public var openForMin: Duration
        public var openForMax: Duration

        public init(failureMax: Int = 5, openForMin: Duration = .milliseconds(100), openForMax: Duration = .seconds(2))
        {
            self.failureMax = failureMax
            self.openForMin = openForMin
            self.openForMax = openForMax
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
        case failed
        /// Nothing was learned: the asker went away first.
        case abandoned
    }

    private let settings: Settings
    private var failureCount = 0
    private var openingCount = 0
    private var opensUntil: Instant?
    private var isProbing = false

    public init(settings: Settings = Settings()) {
        self.settings = settings
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
        switch outcome {
        case .abandoned: return
        case .succeeded:
            // A straggler from before the opening says nothing about now; only the probe closes it.
            guard opensUntil == nil || wasProbe else { return }
            failureCount = 0
            openingCount = 0
            opensUntil = nil
        case .failed:
            failureCount += 1
            guard wasProbe || (opensUntil == nil && failureCount >= settings.failureMax) else { return }
            open(at: now, jitter: jitter)
        }
    }

    private mutating func open(at now: Instant, jitter: Double) {
        let doublings = min(openingCount, 20)
        openingCount += 1
        let ceiling = min(settings.openForMax, settings.openForMin * (1 << doublings))
        // Full jitter above the minimum: never at once, and never all at the same time.
        let spread = Double((ceiling - settings.openForMin).nanoseconds) * jitter
        opensUntil = now.advanced(by: settings.openForMin + .nanoseconds(Int64(spread)))
    }
}
