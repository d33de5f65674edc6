/// How old an answer is and what that makes it good for.
///
///     born ── quiet ──▶ near its end ──▶ ttl ────────── stale ──────────▶ ttl + staleTTL ── dead
///     ╰───────────── fresh ────────────╯
///
/// A stale answer is for callers who say that it will do (`max-stale`), for the while that the route allows in which a
/// new one is made, and for when the upstream is busy or down.
public struct Freshness: Hashable, Sendable {
    public let bornAt: Instant
    /// When it must not be served any more, whatever anybody says.
    public let diesAt: Instant
    /// Until when it is fresh and nothing is to be done about it; from then on each hit may be the one that has it made
    /// anew (`EarlyRefresh`). At the latest when it expires.
    public private(set) var quietUntil: Instant
    /// Durations are 128 bits and slow to divide, and this is read and kept for each entry.
    private let ttlNanoseconds: Int64

    public init(bornAt: Instant, ttl: Duration, staleTTL: Duration) {
        self.bornAt = bornAt
        diesAt = bornAt.advanced(by: ttl).advanced(by: staleTTL)
        quietUntil = bornAt.advanced(by: ttl)
        ttlNanoseconds = ttl.nanoseconds
    }

    /// The same, near its end for this long before it expires.
    public func quiet(until window: Duration) -> Freshness {
        var freshness = self
        freshness.quietUntil = bornAt.advanced(by: ttl - min(max(.zero, window), ttl))
        return freshness
    }

    public var ttl: Duration { .nanoseconds(ttlNanoseconds) }

    public func age(at now: Instant) -> Duration {
        max(.zero, bornAt.duration(to: now))
    }

    /// What is left of its fresh time; negative once it is stale.
    public func remaining(at now: Instant) -> Duration { ttl - age(at: now) }

    public enum Verdict: Hashable, Sendable {
        case fresh
        /// Expired, and this caller takes it.
        case stale
        /// Expired for this caller, and still there for when the upstream fails.
        case expired
        /// Nothing for anyone any more.
        case dead
    }

    /// What this answer is to a caller with these controls. O(1).
    public func verdict(for controls: Controls, at now: Instant) -> Verdict {
        guard now < diesAt else { return .dead }
        let age = age(at: now)
        if let maxAge = controls.maxAge, age > maxAge { return .expired }
        if controls.noCache { return .expired }
        if age < ttl { return .fresh }
        guard let maxStale = controls.maxStale, age - ttl <= maxStale else { return .expired }
        return .stale
    }

    /// Whether it is expired, and so recently that it may be served while a new one is made. Never where the caller
    /// forbids it.
    public func revalidates(within window: Duration, for controls: Controls, at now: Instant) -> Bool {
        guard window > .zero, age(at: now) - ttl < window else { return false }
        return standsIn(for: controls, at: now)
    }

    /// Whether it may stand in when the upstream is busy or down. Never where the caller forbids it.
    public func standsIn(for controls: Controls, at now: Instant) -> Bool {
        guard now < diesAt, !controls.noCache else { return false }
        let age = age(at: now)
        if let maxAge = controls.maxAge, age > maxAge { return false }
        // A caller that names its own bound for staleness means it.
        if let maxStale = controls.maxStale, age - ttl > maxStale { return false }
        return true
    }
}
