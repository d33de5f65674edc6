/// Whether the leading pod that is followed is dead.
///
/// Judged by the looker's own monotonic clock alone: a lease that has not changed for `deadAfter`, and no new chunk in
/// that time. What Redis says of the lease's remaining life is worth nothing: with the server's clock set back by ten
/// minutes, a lease of 30 s was said to have 630 s left. A pod that takes a living one for dead, because it was itself
/// paused, does no harm: it takes the lease only if nothing has changed since its last sight of it.
public struct LeaseWatch: Hashable, Sendable {
    private let deadAfter: Duration
    /// The last sight of the lease: what a `steal` is compared with.
    public private(set) var sight: LeaseSight
    private var changedAt: Instant

    public init(_ sight: LeaseSight, deadAfter: Duration, at now: Instant) {
        self.deadAfter = deadAfter
        self.sight = sight
        changedAt = now
    }

    /// Another look at the lease of the same attempt.
    public mutating func saw(_ sight: LeaseSight, at now: Instant) {
        // A count that has gone back is a server's that has forgotten, not a pod's that lives.
        if sight.heartbeat > self.sight.heartbeat { changedAt = now }
        self.sight = sight
    }

    /// Something came of the attempt itself.
    public mutating func stirred(at now: Instant) { changedAt = now }

    /// When it is dead, if nothing is seen until then.
    public var deadAt: Instant { changedAt.advanced(by: deadAfter) }
}
