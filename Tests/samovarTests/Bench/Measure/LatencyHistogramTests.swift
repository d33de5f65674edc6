import Testing

@testable import samovar

@Suite("A histogram of latencies")
struct LatencyHistogramTests {
    /// From nanoseconds to minutes.
    private func values(_ count: Int) -> [UInt64] {
        var random = SeededGenerator(seed: 11)
        return (0..<count).map { _ in random.next() >> UInt64.random(in: 23...62, using: &random) }
    }

    @Test("tells every percentile to within its error bound", arguments: [4, 7])
    func percentiles(bits: Int) throws {
        let sorted = values(20_000).sorted()
        var histogram = LatencyHistogram(bits: bits)
        for value in sorted { histogram.add(value) }
        for share in [0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1] {
            let rank = max(1, Int((Double(sorted.count) * share).rounded(.up)))
            let (exact, told) = (Double(sorted[rank - 1]), Double(try #require(histogram.percentile(share))))
            #expect(abs(told - exact) <= exact * histogram.errorBound + 0.5, "\(share): \(told), not \(exact)")
        }
        #expect(histogram.errorBound == (bits == 7 ? 1.0 / 256 : 1.0 / 32))
    }

    @Test("knows minimum, maximum and mean exactly")
    func exact() {
        var histogram = LatencyHistogram()
        for value: UInt64 in [1_000_003, 3, 500_000] { histogram.add(value) }
        #expect(histogram.min == 3)
        #expect(histogram.max == 1_000_003)
        #expect(histogram.mean == 500_002)
        #expect(histogram.percentile(1) == 1_000_003)
        #expect(histogram.percentile(0) == 3)
    }

    @Test("merged from parts is what it would be from all")
    func merge() {
        let all = values(3_000)
        var (whole, left, right) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
        for (index, value) in all.enumerated() {
            whole.add(value)
            if index % 3 == 0 { left.add(value) } else { right.add(value) }
        }
        left.merge(right)
        #expect(left.count == whole.count)
        #expect(left.percentiles([0.01, 0.5, 0.99]) == whole.percentiles([0.01, 0.5, 0.99]))
        #expect(left.max == whole.max && left.min == whole.min)
    }

    @Test("has no percentile without values")
    func empty() {
        #expect(LatencyHistogram().percentiles([0, 0.5, 1]) == [nil, nil, nil])
        #expect(LatencyHistogram().mean == nil)
    }

    @Test("takes any value, and the largest is still told")
    func extremes() {
        var histogram = LatencyHistogram()
        for value: UInt64 in [0, 1, .max] { histogram.add(value) }
        #expect(histogram.count == 3)
        #expect(histogram.percentile(0.5) == 1)
        #expect(histogram.max == .max)
    }
}
