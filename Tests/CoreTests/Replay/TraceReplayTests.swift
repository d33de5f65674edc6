import TestSupport
import Testing

@testable import SamovarCore

@Suite("A trace against a cache")
struct TraceReplayTests {
    private static func request(_ key: UInt64, size: Int = 1) -> TraceRequest {
        TraceRequest(object: .init(key), size: size)
    }

    private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    /// Asks for key 0 at each of these milliseconds.
    private static func figures(
        _ settings: Replay.Settings, at times: [Int64], generationTime: Duration
    ) -> Replay.Figures {
        var replay = Replay(settings)
        for time in times {
            replay.ask(request(0), at: at(time), generationTime: generationTime, microUSD: 10)
        }
        return replay.figures
    }

    @Test("who asks while the answer is being made shares the call; who asks after it landed has a hit")
    func coalesced() {
        let figures = Self.figures(
            .init(policy: .lru, sizeMax: 10), at: [0, 50, 99, 100, 200], generationTime: .milliseconds(100))
        #expect(figures.callCount == 1 && figures.coalescedCount == 2 && figures.hitCount == 2)
        #expect(figures.savedMicroUSD == 40 && figures.spentMicroUSD == 10)
    }

    @Test("an answer lives its ttl from when it landed, and is called for again after that")
    func expired() {
        let figures = Self.figures(
            .init(policy: .lru, sizeMax: 10, ttl: .seconds(1)), at: [0, 1_099, 1_100, 1_150, 1_200],
            generationTime: .milliseconds(100))
        #expect(figures.callCount == 2 && figures.expiredCount == 1)
        #expect(figures.coalescedCount == 1 && figures.hitCount == 2)
    }

    @Test("an answer that is too large for the cache is called for each time")
    func tooLarge() {
        var replay = Replay(.init(policy: .lru, sizeMax: 10, itemSizeMax: 5, overhead: 2))
        for _ in 0..<2 {
            for size in [3, 4] {
                replay.ask(Self.request(UInt64(size), size: size), at: .zero, generationTime: .zero, microUSD: nil)
            }
        }
        let figures = replay.figures
        #expect(figures.hitCount == 1 && figures.callCount == 3 && figures.unpricedCount == 4)
        #expect(figures.hitByteCount == 3 && figures.askedByteCount == 14)
    }

    @Test("does what a list of intervals says, without a bound", arguments: 0..<20)
    func matchesIntervals(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var replay = Replay(.init(policy: .s3fifo, sizeMax: 1_000_000, ttl: .milliseconds(300)))
        var landsAt: [UInt64: Int64] = [:]
        var expected = Replay.Figures()
        var now: Int64 = 0
        for _ in 0..<5_000 {
            now += Int64.random(in: 0...5, using: &random)
            let key = UInt64.random(in: 0..<40, using: &random)
            let took = Int64.random(in: 0...60, using: &random)
            replay.ask(
                Self.request(key), at: Self.at(now), generationTime: .milliseconds(took), microUSD: 1)
            expected.requestCount += 1
            expected.askedByteCount += 1
            if let landing = landsAt[key], now < landing {
                expected.coalescedCount += 1
                expected.savedMicroUSD += 1
            } else if let landing = landsAt[key], now < landing + 300 {
                expected.hitCount += 1
                expected.hitByteCount += 1
                expected.savedMicroUSD += 1
            } else {
                expected.callCount += 1
                if landsAt[key] != nil { expected.expiredCount += 1 }
                expected.spentMicroUSD += 1
                landsAt[key] = now + took
            }
        }
        let figures = replay.figures
        #expect(figures == expected)
    }

    @Test("times come from the trace or from a rate, and never go back")
    func clock() {
        func asked(_ seconds: Int?) -> TraceRequest {
            TraceRequest(object: .init(1), time: seconds.map { .seconds($0) })
        }
        var clock = TraceClock()
        let arrivals = [100, 103, 101, 104].map { clock.arrival(of: asked($0)) }
        #expect(arrivals == [Self.at(0), Self.at(3_000), Self.at(3_000), Self.at(4_000)])
        #expect(clock.lateCount == 1)
        #expect(clock.arrival(of: asked(nil)) == nil)
        var even = TraceClock(interval: .milliseconds(20))
        #expect((0..<3).map { _ in even.arrival(of: asked(7)) } == [Self.at(0), Self.at(20), Self.at(40)])
    }

    @Test("a heap hands out everything in order", arguments: 0..<10)
    func heap(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var heap = Heap<Int> { $0 < $1 }
        var sorted: [Int] = []
        for _ in 0..<300 {
            if Bool.random(using: &random), let first = heap.first {
                #expect(first == sorted.min())
                sorted.remove(at: sorted.firstIndex(of: first) ?? 0)
                heap.removeFirst()
            } else {
                let number = Int.random(in: 0..<50, using: &random)
                sorted.append(number)
                heap.insert(number)
            }
            #expect(heap.count == sorted.count)
        }
    }
}
