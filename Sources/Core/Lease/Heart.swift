/// When a leading pod says that its attempt goes on.
///
///     beats ──── the upstream is silent beyond its budget ────▶ holds ──── it speaks again ────▶ beats
///       └──────────────────────────── lost ◀──────────────────────┘
///
/// A beat says that the answer is coming along, not that the process is alive: a pod that hangs on a dead upstream
/// must not keep all others waiting. Every call is O(1).
public struct Heart: Sendable {
    private let interval: Duration
    private let beatsWithoutProgress: Bool
    private var nextBeat: Instant
    /// Until when the upstream may stay silent.
    private var progressUntil: Instant
    /// When the renewal was sent that has not been answered.
    private var sentAt: Instant?
    /// It was time for a beat, and the upstream was silent for too long.
    private var isHolding = false
    /// The lease is another's, or nobody's.
    public private(set) var isLost = false

    /// - Parameters:
    ///   - acquiredAt: when the question was sent whose reply gave the lease.
    ///   - progressUntil: until when the upstream may be silent.
    public init(every interval: Duration, acquiredAt: Instant, progressUntil: Instant) {
        self.init(every: interval, acquiredAt: acquiredAt, progressUntil: progressUntil, beatsWithoutProgress: false)
    }

    init(every interval: Duration, acquiredAt: Instant, progressUntil: Instant, beatsWithoutProgress: Bool) {
        self.interval = interval
        self.beatsWithoutProgress = beatsWithoutProgress
        nextBeat = acquiredAt.advanced(by: interval)
        self.progressUntil = progressUntil
    }

    /// The upstream has said something, and may now be silent until `deadline`.
    public mutating func progressed(until deadline: Instant) {
        progressUntil = deadline
        isHolding = false
    }

    /// Whether the upstream is within its budget.
    public func hasProgress(at now: Instant) -> Bool { now < progressUntil }

    /// Whether to renew the lease now.
    public mutating func beat(at now: Instant) -> Bool {
        guard now >= next else { return false }
        isHolding = now >= progressUntil && !beatsWithoutProgress
        guard !isHolding else { return false }
        sentAt = now
        nextBeat = now.advanced(by: interval)
        return true
    }

    /// What became of the renewal. Returns when it was sent.
    public mutating func replied(_ reply: RenewReply) -> Instant? {
        if case .lost = reply { isLost = true }
        return sentAt.take()
    }

    /// The lease was given back.
    public mutating func released() { isLost = true }

    /// When to ask again whether to beat; `never` while a renewal is under way, and once there is nothing to renew.
    public var next: Instant {
        isLost || isHolding || sentAt != nil ? .never : nextBeat
    }
}
