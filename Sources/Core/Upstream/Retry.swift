/// Whether a flight makes another attempt, when, and where. One for each flight, not for each caller.
///
/// Never after a byte was passed on, never for what would fail again, never past the deadline, never without budget.
/// With full jitter (see `Backoff`); `Retry-After` is honoured at the upstream that sent it.
public struct Retry: Hashable, Sendable {
    public struct Settings: Hashable, Sendable {
        /// Attempts of one flight, the first included.
        public var attemptMax: Int
        public var waitMin: Duration
        public var waitMax: Duration

        public init(attemptMax: Int = 2, waitMin: Duration = .milliseconds(50), waitMax: Duration = .seconds(5)) {
            self.attemptMax = attemptMax
            self.waitMin = waitMin
            self.waitMax = waitMax
        }
    }

    /// `retryAfter` of a provider beyond this is taken for this.
    public static let retryAfterMax = Duration.seconds(60)

    public struct Plan: Hashable, Sendable {
        /// The upstream that failed is not asked before; nil: not at all.
        public var hereNotBefore: Instant?
        /// Others are preferred, and are not asked before.
        public var elsewhereNotBefore: Instant

        public init(hereNotBefore: Instant?, elsewhereNotBefore: Instant) {
            self.hereNotBefore = hereNotBefore
            self.elsewhereNotBefore = elsewhereNotBefore
        }
    }

    /// Why there is no other attempt. The raw values are the metric's label.
    public enum Reason: String, Hashable, Sendable {
        /// Something was passed on.
        case passedOn = "passed_on"
        /// It would end the same way.
        case lasting
        case attemptMax = "attempt_max"
        case deadline
        case retryRatio = "retry_ratio"
    }

    public enum Verdict: Hashable, Sendable {
        case again(Plan)
        case final(Reason)
    }

    private let settings: Settings
    private var backoff: Backoff
    public private(set) var attemptCount = 0

    public init(_ settings: Settings = Settings()) {
        self.settings = settings
        backoff = Backoff(waitMin: settings.waitMin, waitMax: settings.waitMax)
    }

    /// An attempt has failed. Takes from the budget only for `.again`.
    ///
    /// - Parameters:
    ///   - hasPassedOn: whether a caller has seen any of it.
    ///   - hasOthers: whether there is another upstream to ask.
    ///   - deadline: of the flight.
    ///   - jitter: a random number in 0..<1.
    public mutating func failed(
        _ result: AttemptResult, hasPassedOn: Bool, hasOthers: Bool, deadline: Instant, budget: inout RetryBudget,
        at now: Instant, jitter: Double
    ) -> Verdict {
        attemptCount += 1
        if hasPassedOn { return .final(.passedOn) }
        if result.again == .never || (result.again == .elsewhere && !hasOthers) { return .final(.lasting) }
        if attemptCount >= settings.attemptMax { return .final(.attemptMax) }
        let soon = now.advanced(by: backoff.failed(jitter: jitter))
        let asked = max(.zero, min(result.retryAfter ?? result.rate?.retryAfter ?? .zero, Self.retryAfterMax))
        let here = result.again == .elsewhere ? nil : max(soon, now.advanced(by: asked))
        let plan = Plan(
            hereNotBefore: here.flatMap { $0 < deadline ? $0 : nil }, elsewhereNotBefore: soon)
        let hasTime = plan.hereNotBefore != nil || (hasOthers && soon < deadline)
        guard hasTime else { return .final(.deadline) }
        guard budget.take(at: now) else { return .final(.retryRatio) }
        return .again(plan)
    }
}
