/// How fast something may be used: `burst` units at once, then `rate` units a second.
///
/// The generic cell rate algorithm in its leaky-bucket form (ITU-T I.371, annex A): what was taken fills the bucket,
/// which drains at `rate`; what would make it overflow is denied. Units are requests or model tokens, in fractions
/// too, as costs are estimates. Nothing to refill, so no timer runs. All operations are O(1).
///
/// A `now` before the latest one seen counts as the latest: whatever a clock does, no more than `burst` goes at once.
public struct TokenBucket: Hashable, Sendable {
    public enum Verdict: Hashable, Sendable {
        case granted
        /// Not before that time has passed; then it is granted unless others took something meanwhile.
        case denied(retryAfter: Duration)
    }

    /// Rates and bursts beyond these are taken for these.
    public static let rateMin = 0.001
    public static let unitsMax = 1e12

    /// Units a second.
    public private(set) var rate: Double
    /// Units at once.
    public private(set) var burst: Double
    /// What is in the bucket at `leveledAt`; more than `burst` where a cost was settled above its estimate.
    private var level = 0.0
    private var leveledAt: Instant

    /// An empty bucket: all of the burst may go.
    ///
    /// - Parameters:
    ///   - rate: units a second. What is no positive number is taken for `rateMin`.
    ///   - burst: units at once, at least 1.
    public init(rate: Double, burst: Double, at now: Instant = .zero) {
        self.rate = Self.usableRate(rate)
        self.burst = Self.usableBurst(burst)
        leveledAt = now
    }

    /// Whether that much could be taken now. Takes nothing.
    ///
    /// - Parameter cost: in units. One above the whole burst is granted to an empty bucket, and paid for afterwards.
    public func canTake(_ cost: Double = 1, at now: Instant) -> Verdict {
        let missing = level(at: now) + min(Self.usableCost(cost), burst) - burst
        guard missing > Self.tolerance * burst else { return .granted }
        return .denied(retryAfter: Self.duration(missing / rate))
    }

    /// Takes it, if it can be taken now.
    public mutating func take(_ cost: Double = 1, at now: Instant) -> Verdict {
        let verdict = canTake(cost, at: now)
        if verdict == .granted { charge(cost, at: now) }
        return verdict
    }

    /// Takes it without asking: it has been spent. More than two bursts are never owed.
    public mutating func charge(_ cost: Double, at now: Instant) {
        drain(to: now)
        level = min(level + Self.usableCost(cost), 2 * burst)
    }

    /// What was taken as an estimate has turned out to cost this much.
    public mutating func settle(estimate: Double, actual: Double, at now: Instant) {
        drain(to: now)
        let correction = Self.usableCost(actual) - Self.usableCost(estimate)
        level = max(0, min(level + correction, max(level, 2 * burst)))
    }

    /// The other side says that nothing is left: no burst until it has drained.
    public mutating func fill(at now: Instant) {
        drain(to: now)
        level = max(level, burst)
    }

    /// Another rate and burst from now on. What has been taken stays taken.
    public mutating func configure(rate: Double, burst: Double, at now: Instant) {
        drain(to: now)
        self.rate = Self.usableRate(rate)
        self.burst = Self.usableBurst(burst)
        level = min(level, 2 * self.burst)
    }

    /// Another rate and burst from now on, of a budget of which others have the rest: what there is now does not become
    /// more by it, as it may have been spent by them.
    public mutating func resize(rate: Double, burst: Double, at now: Instant) {
        drain(to: now)
        let left = self.burst - level
        configure(rate: rate, burst: burst, at: now)
        level = min(self.burst - min(left, self.burst), 2 * self.burst)
    }

    /// How many units could be taken now; never negative.
    public func room(at now: Instant) -> Double { max(0, burst - level(at: now)) }

    private mutating func drain(to now: Instant) {
        level = level(at: now)
        leveledAt = max(leveledAt, now)
    }

    private func level(at now: Instant) -> Double {
        guard now > leveledAt else { return level }
        return max(0, level - leveledAt.duration(to: now).seconds * rate)
    }

    /// So that a wait of exactly `retryAfter` is enough, whatever rounding did.
    private static let tolerance = 1e-9

    private static func usableRate(_ rate: Double) -> Double { rate > rateMin ? min(rate, unitsMax) : rateMin }
    private static func usableBurst(_ burst: Double) -> Double { burst > 1 ? min(burst, unitsMax) : 1 }
    private static func usableCost(_ cost: Double) -> Double { cost > 0 ? min(cost, unitsMax) : 0 }

    private static func duration(_ seconds: Double) -> Duration {
        .nanoseconds(Int64(min(max(1, (seconds * 1e9).rounded(.up)), 9e18)))
    }
}
