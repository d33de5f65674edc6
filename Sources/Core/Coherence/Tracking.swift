/// Whether this process hears of changes in the shared cache, and what that makes of its memory.
///
///     lost ──connected──▶ connected ──lost──▶ lost          refused: lost for good
///
/// While it hears nothing, memory serves by its own lifetimes (`serve`), or only what has come since (`expire`). What is
/// older than the last connection may have been changed unheard, and is looked at before it is used.
public struct Tracking: Sendable {
    /// The raw values are those of `redis.on_tracking_loss`.
    public enum OnLoss: String, CaseIterable, Hashable, Sendable {
        case serve
        case expire
    }

    public enum Phase: Hashable, Sendable {
        case connected
        case lost(since: Instant)
        /// The server does not let us hear of changes.
        case refused
    }

    public let onLoss: OnLoss
    public private(set) var phase: Phase
    /// What was checked before is not used without another look. Read for every hit.
    public private(set) var trustedSince: Instant

    public init(_ onLoss: OnLoss, at now: Instant) {
        self.onLoss = onLoss
        phase = .lost(since: now)
        trustedSince = .zero
    }

    public var isConnected: Bool { phase == .connected }

    /// From now on all changes are heard of. What was being read meanwhile began before.
    public mutating func connected(at now: Instant) {
        phase = .connected
        trustedSince = now
    }

    /// Nothing is heard any more.
    public mutating func lost(at now: Instant) {
        guard phase == .connected else { return }
        phase = .lost(since: now)
        unheard(since: now)
    }

    /// It connects, and is told nothing of changes.
    public mutating func refused(at now: Instant) {
        guard phase != .refused else { return }
        if phase == .connected { unheard(since: now) }
        phase = .refused
    }

    private mutating func unheard(since now: Instant) {
        switch onLoss {
        case .serve: trustedSince = .zero
        case .expire: trustedSince = now
        }
    }

    /// More has changed than can be looked at one by one, or what was known to check against is lost.
    public mutating func forget(at now: Instant) { trustedSince = max(trustedSince, now) }
}
