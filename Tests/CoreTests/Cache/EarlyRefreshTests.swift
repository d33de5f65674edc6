import TestSupport
import Testing

@testable import SamovarCore

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Early refresh")
struct EarlyRefreshTests {
    @Test("has a window of eight times factor and generation time, and of half a life at most")
    func window() {
        func window(_ generationTime: Duration, _ factor: Double) -> Duration {
            EarlyRefresh.window(of: generationTime, ttl: .seconds(100), factor: factor)
        }
        #expect(window(.seconds(1), 1) == .seconds(8))
        #expect(window(.seconds(1), 2) == .seconds(16))
        #expect(window(.seconds(60), 1) == .seconds(50))
        #expect(window(.seconds(1), 0) == .zero)
        #expect(window(.zero, 1) == .zero)
    }

    @Test("comes so often before the end as XFetch has it: e^(-remaining / (factor x generation time))")
    func probability() {
        var random = SeededGenerator(seed: 42)
        for (remaining, factor) in [(0.5, 1.0), (1.0, 1.0), (3.0, 1.0), (3.0, 2.0)] {
            let count = (0..<100_000).count { _ in
                EarlyRefresh.isDue(
                    remaining: .milliseconds(Int64(remaining * 1_000)), generationTime: .seconds(1), factor: factor,
                    draw: -log(Double.random(in: 0.0.nextUp...1, using: &random)))
            }
            let expected = exp(-remaining / factor)
            #expect(abs(Double(count) / 100_000 - expected) < 0.01)
        }
    }

    @Test("comes once before the end for a key with many hits, and nobody meets an expired answer")
    func once() {
        var random = SeededGenerator(seed: 7)
        // A hit every 10 ms; the answer takes 200 ms and lives for 10 s.
        var early = 0
        for _ in 0..<500 {
            let hit = (0..<1_000).first { index in
                EarlyRefresh.isDue(
                    remaining: .milliseconds(10_000 - 10 * index), generationTime: .milliseconds(200), factor: 1,
                    draw: -log(Double.random(in: 0.0.nextUp...1, using: &random)))
            }
            if let hit, 10 * hit + 200 <= 10_000 { early += 1 }
        }
        #expect(early > 490)
    }
}
