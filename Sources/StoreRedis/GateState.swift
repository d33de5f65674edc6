import SamovarCore

/// Whether commands go to Redis, and what of that is told to an operator: a `Breaker` with a voice.
///
/// It speaks when it opens and when it closes, however often it probes between; and where a server comes and goes, no
/// more than twice in `quietInterval`: then it says how things stand by the time it may speak again.
struct GateState: Sendable {
    enum News: Hashable, Sendable {
        case opened(reason: String)
        /// Still open, and now for another reason.
        case changed(reason: String)
        case closed
    }

    private var breaker: Breaker
    /// Tell of another reason too. Not where reasons are many and mean the same.
    private let tellsReasons: Bool
    /// What the last line said: why it is open; nil: closed.
    private var told: String?
    /// When the last line was written, and the one before it.
    private var lastTold: Instant?
    private var toldBefore: Instant?
    private var lastReason = ""
    private var hasHint = false

    /// An outage and its end are told at once; a server that flaps is told of once in five seconds on average.
    static let quietInterval = Duration.seconds(10)

    init(_ settings: Breaker.Settings, tellsReasons: Bool) {
        breaker = Breaker(settings: settings)
        self.tellsReasons = tellsReasons
    }

    func state(at now: Instant) -> Breaker.State { breaker.state(at: now) }

    /// May a command be sent now? O(1). After `.probe`, `report` must follow.
    mutating func ask(at now: Instant) -> Breaker.Verdict {
        defer { hasHint = false }
        // With a hint the wait is over, whatever is left of it.
        return breaker.ask(at: hasHint ? .never : now)
    }

    /// Something has changed for the better: the next one may try without waiting.
    mutating func hint() { hasHint = true }

    /// What came of asking.
    ///
    /// - Parameters:
    ///   - reason: why it failed.
    ///   - jitter: a random number in 0..<1.
    mutating func report(
        _ outcome: Breaker.Outcome, reason: String, wasProbe: Bool, at now: Instant, jitter: Double
    ) -> News? {
        breaker.report(outcome, wasProbe: wasProbe, at: now, jitter: jitter)
        if outcome == .failed { lastReason = reason }
        guard let news = news(after: outcome, at: now), maySpeak(at: now) else { return nil }
        told = news == .closed ? nil : lastReason
        toldBefore = lastTold
        lastTold = now
        return news
    }

    /// What differs from what the last line said.
    private func news(after outcome: Breaker.Outcome, at now: Instant) -> News? {
        guard breaker.state(at: now) != .closed else { return told == nil ? nil : .closed }
        guard let told else { return .opened(reason: lastReason) }
        guard tellsReasons, outcome == .failed, told != lastReason else { return nil }
        return .changed(reason: lastReason)
    }

    private func maySpeak(at now: Instant) -> Bool {
        toldBefore.map { $0.duration(to: now) >= Self.quietInterval } ?? true
    }
}
