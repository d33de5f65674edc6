import SamovarCore

/// Whether commands go to Redis, and what of that is told to an operator: a `Breaker` with a voice.
///
/// It speaks when it opens and when it closes, however often it probes between.
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
    private var told: String?
    private var hasHint = false

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
        let isOpen = breaker.state(at: now) != .closed
        guard isOpen else {
            defer { told = nil }
            return told == nil ? nil : .closed
        }
        guard let told else {
            self.told = reason
            return .opened(reason: reason)
        }
        guard tellsReasons, outcome == .failed, told != reason else { return nil }
        self.told = reason
        return .changed(reason: reason)
    }
}
