import Testing

@testable import samovar

@Suite("What is counted of a run")
struct BenchTallyTests {
    private let second: UInt64 = 1_000_000_000

    /// From 10 s to 20 s.
    private func tally() -> BenchTally {
        BenchTally(window: 10 * second..<20 * second, secondsMax: 15)
    }

    private func ended(planned: Double, sent: Double?, ended: Double, bytes: Int = 0) -> BenchTally.Ended {
        BenchTally.Ended(
            plannedAt: UInt64(planned * 1e9), sentAt: sent.map { UInt64($0 * 1e9) }, endedAt: UInt64(ended * 1e9),
            byteCount: bytes)
    }

    @Test("latency begins with the planned arrival, not with the send")
    func planned() {
        var tally = tally()
        tally.add(.verified(.hit), ended(planned: 11, sent: 13, ended: 14))
        #expect(tally.latency.max == 3 * second)
        #expect(tally.sendLag.max == 2 * second)
    }

    @Test("who was to be served in the window counts, whenever that ended; and no one else")
    func window() {
        var tally = tally()
        tally.add(.verified(.hit), ended(planned: 9.9, sent: 9.9, ended: 10.5))
        tally.add(.verified(.miss), ended(planned: 19.9, sent: 19.9, ended: 23))
        tally.add(.verified(.hit), ended(planned: 20, sent: 20, ended: 21))
        #expect(tally.verified == 1)
        #expect(tally.count(of: .miss) == 1 && tally.count(of: .hit) == 0)
        #expect(tally.latency.count == 1)
    }

    @Test("throughput is of the replies that came within the window, whenever they were asked for")
    func served() {
        var tally = tally()
        tally.add(.verified(.hit), ended(planned: 9, sent: 9, ended: 10, bytes: 100))
        tally.add(.failed(.status, detail: "429"), ended(planned: 12, sent: 12, ended: 12.1, bytes: 7))
        tally.add(.failed(.timeout), ended(planned: 12, sent: 12, ended: 15))
        tally.add(.verified(.hit), ended(planned: 19, sent: 19, ended: 20, bytes: 100))
        #expect(tally.served == 2)
        #expect(tally.servedVerified == 1)
        #expect(tally.servedBytes == 100)
    }

    @Test("failures count by kind and by what was said, and not as latency")
    func failures() {
        var tally = tally()
        tally.add(.failed(.status, detail: "429"), ended(planned: 11, sent: 11, ended: 12))
        tally.add(.failed(.status, detail: "429"), ended(planned: 11, sent: 11, ended: 12))
        tally.add(.failed(.dropped), ended(planned: 13, sent: nil, ended: 13))
        #expect(tally.failures[RequestFailure.status.index] == 2)
        #expect(tally.failures[RequestFailure.dropped.index] == 1)
        #expect(tally.failed == 3)
        #expect(tally.details == ["429": 2])
        #expect(tally.latency.count == 0)
        #expect(tally.sendLag.count == 2)
    }

    @Test("a server that says something new each time cannot fill the memory")
    func details() {
        var tally = tally()
        for number in 0..<1_000 {
            tally.add(.failed(.status, detail: "\(number)"), ended(planned: 11, sent: 11, ended: 12))
        }
        #expect(tally.details.count == BenchTally.detailsMax)
        #expect(tally.failed == 1_000)
    }

    @Test("seconds hold what ended in them, and the last one all that came later")
    func series() {
        var tally = tally()
        tally.add(.verified(.hit), ended(planned: 10.2, sent: 10.2, ended: 10.3))
        tally.add(.verified(.miss), ended(planned: 10.9, sent: 10.9, ended: 12.1))
        tally.add(.failed(.closed), ended(planned: 12, sent: 12, ended: 12.9))
        tally.add(.verified(.hit), ended(planned: 19, sent: 19, ended: 100))
        let seconds = tally.series.seconds
        #expect(seconds.map(\.verified) == [1, 0, 1] + [Int](repeating: 0, count: 11) + [1])
        #expect(seconds.map(\.hits).reduce(0, +) == 2)
        #expect(seconds[2].misses == 1)
        #expect(seconds[2].failures[RequestFailure.closed.index] == 1)
        #expect(seconds[2].latency.max == 1_200_000_000)
    }

    @Test("merged from threads is what one would have counted")
    func merge() {
        var (left, right, whole) = (tally(), tally(), tally())
        let ends = (0..<40).map { number -> (ReplyOutcome, BenchTally.Ended) in
            let at = 10 + Double(number) / 4
            let outcome: ReplyOutcome = number % 5 == 0 ? .failed(.status, detail: "503") : .verified(.hit)
            return (outcome, ended(planned: at, sent: at + 0.01, ended: at + 0.5, bytes: number))
        }
        for (number, end) in ends.enumerated() {
            whole.add(end.0, end.1)
            if number < 10 { left.add(end.0, end.1) } else { right.add(end.0, end.1) }
        }
        left.merge(right)
        #expect(left.verified == whole.verified && left.failures == whole.failures)
        #expect(left.count(of: .hit) == whole.count(of: .hit) && left.details == whole.details)
        #expect(left.served == whole.served && left.servedBytes == whole.servedBytes)
        #expect(left.series.seconds.map(\.verified) == whole.series.seconds.map(\.verified))
        #expect(left.latency == whole.latency)
    }

    @Test("every kind of failure and every result has a place of its own")
    func places() {
        #expect(RequestFailure.allCases.map(\.index) == Array(RequestFailure.allCases.indices))
        #expect(ReplyResult.allCases.map(\.index) == Array(ReplyResult.allCases.indices))
    }
}
