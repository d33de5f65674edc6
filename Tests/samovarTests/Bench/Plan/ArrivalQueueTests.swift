import Testing

@testable import samovar

@Suite("Arrivals that wait for a free connection")
struct ArrivalQueueTests {
    /// One each millisecond, from the instant 1,000.
    private func queue(until end: UInt64 = .max, waitingMax: Int = 10) -> ArrivalQueue {
        ArrivalQueue(
            ArrivalPlan(rate: 1_000, spacing: .constant, seed: 1), from: 1_000, until: end, waitingMax: waitingMax)
    }

    @Test("keep the time at which they were planned, however late they are taken")
    func planned() {
        var queue = queue()
        queue.advance(to: 2_500_000) { _ in Issue.record("nothing is dropped while there is room") }
        #expect(queue.waitingCount == 3)
        #expect(queue.nextAt == 3_001_000)
        #expect([queue.take(), queue.take(), queue.take(), queue.take()] == [1_000, 1_001_000, 2_001_000, nil])
    }

    @Test("are dropped, the newest first, when as many wait as may")
    func dropped() {
        var queue = queue(waitingMax: 2)
        var dropped: [UInt64] = []
        queue.advance(to: 3_001_000) { dropped.append($0) }
        let oldest = queue.take()
        queue.advance(to: 4_001_000) { dropped.append($0) }
        #expect(dropped == [2_001_000, 3_001_000])
        #expect(oldest == 1_000)
        #expect([queue.take(), queue.take()] == [1_001_000, 4_001_000])
    }

    @Test("end with the plan's end, and what was due before can still be taken")
    func ends() {
        var queue = queue(until: 2_001_000)
        queue.advance(to: .max) { _ in }
        #expect(queue.nextAt == nil)
        #expect(queue.waitingCount == 2)
    }
}
