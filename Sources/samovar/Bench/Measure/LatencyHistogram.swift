/// How long things took, in nanoseconds: each power of two in equal buckets (after HdrHistogram; Tene, 2012).
///
/// A value is told as its bucket's middle, which is off by `errorBound` of it at most; minimum, maximum and mean are
/// exact. Memory is bounded whatever is added: `(43 - bits) << bits` counters.
struct LatencyHistogram: Hashable, Sendable {
    /// A bucket is at most 2⁻ᵇⁱᵗˢ of its values wide.
    let bits: Int
    private var counts: [UInt64]
    private(set) var count: UInt64 = 0
    private(set) var min = UInt64.max
    private(set) var max: UInt64 = 0
    private var sum = 0.0

    /// 73 minutes: what took longer is counted in the last bucket.
    static let valueMax: UInt64 = 1 << 42 - 1

    /// For a run as a whole: 0.4 %, 36 KiB.
    static let fineBits = 7
    /// For one second of a run: 3.2 %, 5 KiB.
    static let coarseBits = 4

    init(bits: Int = fineBits) {
        precondition((1...20).contains(bits), "a power of two has 2 to 2^20 buckets")
        self.bits = bits
        counts = [UInt64](repeating: 0, count: (43 - bits) << bits)
    }

    /// How far a percentile may be off, as a share of it.
    var errorBound: Double { 1 / Double(2 << bits) }

    /// O(1).
    mutating func add(_ value: UInt64) {
        counts[bucket(of: Swift.min(value, Self.valueMax))] &+= 1
        count &+= 1
        if value < min { min = value }
        if value > max { max = value }
        sum += Double(value)
    }

    /// - Precondition: equally fine.
    mutating func merge(_ other: LatencyHistogram) {
        precondition(bits == other.bits, "histograms of different fineness")
        for index in counts.indices { counts[index] &+= other.counts[index] }
        count &+= other.count
        min = Swift.min(min, other.min)
        max = Swift.max(max, other.max)
        sum += other.sum
    }

    /// Nil without any value.
    var mean: Double? { count == 0 ? nil : sum / Double(count) }

    /// A value that this share of all values does not exceed; nil without any. O(buckets).
    func percentile(_ share: Double) -> UInt64? { percentiles([share])[0] }

    /// For ascending shares, in one pass.
    func percentiles(_ shares: [Double]) -> [UInt64?] {
        guard count > 0 else { return shares.map { _ in nil } }
        var (bucket, below) = (0, UInt64(0))
        return shares.map { share in
            let rank = Swift.min(count, Swift.max(1, UInt64((Double(count) * share).rounded(.up))))
            while below + counts[bucket] < rank {
                below += counts[bucket]
                bucket += 1
            }
            return Swift.min(max, Swift.max(min, middle(of: bucket)))
        }
    }

    /// The values below 2ᵇⁱᵗˢ have a bucket each; of larger ones the highest bits + 1 binary digits say which.
    private func bucket(of value: UInt64) -> Int {
        let shift = Swift.max(0, 63 - bits - value.leadingZeroBitCount)
        return shift << bits + Int(truncatingIfNeeded: value >> UInt64(shift))
    }

    private func middle(of bucket: Int) -> UInt64 {
        let shift = Swift.max(0, bucket >> bits - 1)
        let low = UInt64(bucket - shift << bits) << UInt64(shift)
        return low + (UInt64(1) << UInt64(shift)) / 2
    }
}
