/// How much of its weight an upstream has that came back a moment ago: it rises in a straight line over `duration`.
///
/// Caches are cold and connections closed after an outage; the whole load at once would bring the next one. After
/// Envoy's slow start, aggression 1.
public struct SlowStart: Hashable, Sendable {
    /// The least that it has: with nothing it would never be asked.
    public static let factorMin = 0.1

    /// How long it takes; zero: the whole weight at once. `slow_start`.
    public var duration: Duration
    private var cameBackAt: Instant?

    public init(duration: Duration = .seconds(10)) { self.duration = duration }

    /// It serves again from this point in time on, which may lie ahead. O(1).
    public mutating func cameBack(at now: Instant) { cameBackAt = now }

    /// In `factorMin`...1. O(1).
    public func factor(at now: Instant) -> Double {
        guard let cameBackAt, duration > .zero else { return 1 }
        let share = cameBackAt.duration(to: now).seconds / duration.seconds
        return min(1, max(Self.factorMin, share))
    }
}
