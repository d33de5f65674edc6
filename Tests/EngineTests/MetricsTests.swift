import Glibc
import SamovarCore
import Testing

@testable import SamovarEngine

@Suite("Counters")
struct MetricsTests {
    /// Runs `body` on threads of their own and waits for them. Nobody begins, and so ends, before all have a lane.
    private static func onThreads(_ count: Int, _ body: @escaping @Sendable () -> Void) {
        final class Work: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        final class Waiting: Sendable {
            let count: Lock<Int>
            init(_ count: Int) { self.count = Lock(count) }
        }
        let waiting = Waiting(count)
        let work: @Sendable () -> Void = {
            _ = Lane.current
            waiting.count.withLock { $0 -= 1 }
            while waiting.count.withLock({ $0 }) > 0 { sched_yield() }
            body()
        }
        let threads = (0..<count).map { _ in
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, nil,
                { work in
                    if let work { Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body() }
                    return nil
                }, Unmanaged.passRetained(Work(work)).toOpaque())
            precondition(failure == 0, "no thread to be had")
            return thread
        }
        for thread in threads { pthread_join(thread, nil) }
    }

    @Test("lose nothing under more threads than there are lanes, nor when lanes are used again")
    func exact() {
        let metrics = Metrics()
        let threadCount = Lane.count * 2
        for _ in 0..<3 {
            Self.onThreads(threadCount) {
                for _ in 0..<50_000 {
                    metrics.requests[.binary][.l1Hit].add(1)
                    metrics.durations[.l1Hit].observe(.microseconds(50))
                    metrics.savedPromptTokens.add(12)
                }
            }
        }
        let total = threadCount * 3 * 50_000
        #expect(metrics.requests[.binary][.l1Hit].current == total)
        #expect(metrics.durations[.l1Hit].snapshot.count == total)
        #expect(metrics.savedPromptTokens.current == 12 * total)
    }

    @Test("give each thread a lane of its own while there are any")
    func lanes() {
        let seen = Lock<[Int]>([])
        Self.onThreads(Lane.count * 2) {
            let lane = Lane.current
            seen.withLock { $0.append(lane) }
        }
        let own = seen.withLock { $0 }.filter { $0 != Lane.shared }
        #expect(Set(own).count == own.count)
    }

    @Test("of a label stand each at its own case, in the order of the cases")
    func labels() {
        let counters = Counters<ServeResult>()
        for (place, label) in ServeResult.allCases.enumerated() { counters[label].add(place + 1) }
        #expect(counters.all.map(\.label) == ServeResult.allCases)
        #expect(counters.all.map(\.value) == Array(1...ServeResult.allCases.count))
    }

    @Test("of a histogram fall into the first bucket that holds them, and into none beyond the last")
    func histogram() {
        let histogram = Histogram()
        histogram.observe(.microseconds(10))
        histogram.observe(.microseconds(11))
        histogram.observe(.seconds(120))
        histogram.observe(.seconds(121))
        let snapshot = histogram.snapshot
        #expect(snapshot.buckets.first == 1)
        #expect(snapshot.buckets[1] == 2)
        #expect(snapshot.buckets.last == 3)
        #expect(snapshot.count == 4)
        #expect(abs(snapshot.sumSeconds - 241.000_021) < 1e-9)
    }
}
