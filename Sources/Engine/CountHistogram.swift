/// How many of something there were at once: Prometheus' cumulative buckets.
public struct CountHistogram: Sendable {
    /// Upper bounds.
    public static let bounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048]
    /// A bucket for each of `bounds`, then the sum, then how many observations.
    private let tally = Tally(count: bounds.count + 2)

    public init() {}

    public func observe(_ count: Int) {
        let bounds = Self.bounds
        if let bucket = bounds.firstIndex(where: { count <= $0 }) { tally.add(1, at: bucket) }
        tally.add(count, at: bounds.count)
        tally.add(1, at: bounds.count + 1)
    }

    public struct Snapshot: Sendable {
        /// Cumulative, one for each of `bounds`.
        public let buckets: [Int]
        public let sum: Int
        public let count: Int
    }

    public var snapshot: Snapshot {
        var sum = 0
        let buckets = Self.bounds.indices.map { bucket in
            sum += tally.sum(at: bucket)
            return sum
        }
        return Snapshot(
            buckets: buckets, sum: tally.sum(at: Self.bounds.count), count: tally.sum(at: Self.bounds.count + 1))
    }
}
