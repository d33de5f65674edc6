/// What one caller is served when the best cannot be had, or cannot be had yet: from step to step.
///
///     look ─ fresh ─────────────────────────────────▶ served
///       │    near its end, and the dice say so ─────▶ served, and made anew
///       │    expired, within stale_while_revalidate ▶ served, and made anew
///       ▼
///     the upstream is asked ── answers in time ─────▶ served
///       │ busy, down, or answer_within has passed
///       ▼
///     next: stale ▸ fallback 0 ▸ fallback 1 … ▸ fixed answer ▸ refuse; or wait on, while the upstream may still answer
///
/// One a caller, not one a flight: callers of one flight may forbid different steps, and are in different hurries. Every
/// step is taken once at most, but for a stale answer, which is looked for each time: one may have come meanwhile. O(1) a
/// step.
public struct Ladder: Sendable {
    /// What a stored answer is to this caller, before any upstream is asked.
    public enum Look: Hashable, Sendable {
        case fresh
        /// Serve it, and have it made anew.
        case refreshEarly
        /// The same, though it has expired.
        case staleWhileRevalidate
        /// Expired, and this caller has said that it will do.
        case stale
        case nothing
    }

    /// Why another step is wanted.
    public enum Reason: Hashable, Sendable {
        case failed(Failure)
        /// `answer_within` has passed; the upstream may still answer.
        case late
    }

    public enum Step: Hashable, Sendable {
        case stale
        /// Ask the one of this place among the route's.
        case fallback(Int)
        case fixedAnswer(String)
        /// There is nothing to serve meanwhile.
        case wait
        /// Tell the caller what has failed.
        case refuse
    }

    private let steps: LadderSteps
    private let controls: Controls
    /// Whether this request's answers are stored at all.
    private let mayBeStored: Bool
    /// Whether the route's own words can be an answer.
    private let mayBeFixed: Bool
    private let askedAt: Instant
    private var nextFallback = 0
    private var isFixedSpent = false
    private var isLateSpent = false

    public init(_ request: Request, at now: Instant) {
        self.init(
            request.route.ladder, request.controls, mayBeStored: request.sharing == .stored,
            mayBeFixed: request.kind == .chat || request.kind == .completions, at: now)
    }

    init(
        _ steps: LadderSteps, _ controls: Controls = Controls(), mayBeStored: Bool = true, mayBeFixed: Bool = true,
        at now: Instant
    ) {
        self.steps = steps
        self.controls = controls
        self.mayBeStored = mayBeStored
        self.mayBeFixed = mayBeFixed
        askedAt = now
    }

    // MARK: Before

    /// What the stored answer is to a caller with these controls.
    ///
    /// - Parameters:
    ///   - draw: for `EarlyRefresh.isDue`.
    public static func look(
        _ stored: StoredAnswer, _ controls: Controls, _ steps: LadderSteps, draw: Double, at now: Instant
    ) -> Look {
        let freshness = stored.freshness
        switch freshness.verdict(for: controls, at: now) {
        case .fresh:
            guard now >= freshness.quietUntil else { return .fresh }
            let isDue = EarlyRefresh.isDue(
                remaining: freshness.remaining(at: now), generationTime: stored.answer.generationTime,
                factor: steps.earlyRefresh, draw: draw)
            return isDue ? .refreshEarly : .fresh
        case .stale:
            return freshness.revalidates(within: steps.staleWhileRevalidate, for: controls, at: now)
                ? .staleWhileRevalidate : .stale
        case .expired:
            return freshness.revalidates(within: steps.staleWhileRevalidate, for: controls, at: now)
                ? .staleWhileRevalidate : .nothing
        case .dead: return .nothing
        }
    }

    // MARK: When it goes wrong

    /// When this caller takes the next step though nothing has failed; nil: never, or not any more.
    public var lateAt: Instant? {
        isLateSpent ? nil : steps.answerWithin.map { askedAt.advanced(by: $0) }
    }

    /// Which step comes next.
    ///
    /// - Parameter stored: what there is of an answer, be it expired.
    public mutating func next(after reason: Reason, stored: Freshness?, at now: Instant) -> Step {
        switch reason {
        case .failed(let failure):
            guard failure.permitsStale else { return .refuse }
            return below(stored, at: now) ?? .refuse
        case .late:
            isLateSpent = true
            return below(stored, at: now) ?? .wait
        }
    }

    private mutating func below(_ stored: Freshness?, at now: Instant) -> Step? {
        if mayBeStored, let stored, stored.standsIn(for: controls, at: now) { return .stale }
        if nextFallback < steps.fallbacks.count {
            defer { nextFallback += 1 }
            return .fallback(nextFallback)
        }
        guard mayBeFixed, !isFixedSpent, let text = steps.fixedAnswer else { return nil }
        isFixedSpent = true
        return .fixedAnswer(text)
    }
}
