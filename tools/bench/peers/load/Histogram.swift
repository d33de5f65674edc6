/// How long things took, in nanoseconds, to within 1.6 %: 64 buckets for each power of two (after HdrHistogram).
struct Histogram {
    private static let bits = 6
    private var counts = [UInt64](repeating: 0, count: (65 - bits) << bits)
    private(set) var total: UInt64 = 0
    private(set) var max: UInt64 = 0

    @inline(__always)
    mutating func add(_ value: UInt64, times: UInt64) {
        counts[Self.bucket(value)] &+= times
        total &+= times
        if value > max { max = value }
    }

    /// The middle of the bucket below or in which this share of all values is; 0 without any.
    func percentile(_ share: Double) -> UInt64 {
        guard total > 0 else { return 0 }
        var left = Swift.max(1, UInt64((Double(total) * share).rounded(.up)))
        for (bucket, count) in counts.enumerated() {
            if count >= left { return Swift.min(Self.middle(bucket), max) }
            left -= count
        }
        return max
    }

    /// Values below 64 have a bucket each; of larger ones the highest seven bits say which.
    @inline(__always)
    private static func bucket(_ value: UInt64) -> Int {
        let shift = Swift.max(0, 63 - bits - value.leadingZeroBitCount)
        return shift << bits + Int(truncatingIfNeeded: value >> UInt64(shift))
    }

    private static func middle(_ bucket: Int) -> UInt64 {
        let shift = Swift.max(0, bucket >> bits - 1)
        let low = UInt64(bucket - shift << bits) << UInt64(shift)
        return low + (UInt64(1) << UInt64(shift)) / 2
    }
}
