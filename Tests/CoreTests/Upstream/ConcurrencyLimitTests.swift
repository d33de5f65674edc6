import SamovarCore
import TestSupport
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite("A concurrency limit")
struct ConcurrencyLimitTests {
    /// A provider that works on so many at once and makes the others wait: the more there are, the longer it takes.
    private struct Shared {
        var limit = ConcurrencyLimit()
        var capacity = 64.0
        var serviceTime = 300.0
        /// How many would like to go at once; the limit lets fewer.
        var wanted = 100_000
        var now = 0.0
        var served = 0.0

        /// One after the other is answered, at the rate that the provider has.
        mutating func run(seconds: Double) {
            let end = now + seconds * 1_000
            served = 0
            while now < end {
                let inflight = min(limit.limit, wanted)
                let time = serviceTime * max(1, Double(inflight) / capacity)
                now += time / Double(inflight)
                served += 1
                let moment = Instant(nanoseconds: Int64(now * 1e6))
                let duration = Duration.nanoseconds(Int64(time * 1e6))
                limit.sample(
                    .answered(duration), sentAt: moment.advanced(by: .zero - duration), inflight: inflight, at: moment)
            }
        }
    }

    @Test("finds the provider's capacity, and does not queue many times that, for an hour neither")
    func finds() {
        var shared = Shared()
        shared.run(seconds: 60)
        for _ in 0..<60 {
            shared.run(seconds: 60)
            #expect(shared.served / 60 >= 0.95 * 64 / 0.3)
            #expect((64...200).contains(shared.limit.limit) || shared.limit.limit == 35)
        }
    }

    @Test("shrinks when everything takes ten times as long without starving it, and comes back")
    func slow() {
        var shared = Shared()
        shared.run(seconds: 120)
        let before = shared.limit.limit
        shared.serviceTime = 3_000
        shared.run(seconds: 60)
        #expect(Double(shared.limit.limit) <= 0.8 * Double(before))
        shared.run(seconds: 120)
        #expect(shared.served / 120 >= 0.7 * 64 / 3)
        shared.serviceTime = 300
        shared.run(seconds: 10)
        #expect(shared.served / 10 >= 0.95 * 64 / 0.3)
        shared.run(seconds: 600)
        #expect(shared.limit.limit <= 200)
    }

    @Test("does not move while it is not in use")
    func appLimited() {
        var shared = Shared()
        shared.wanted = 9
        shared.run(seconds: 600)
        #expect(shared.limit.limit == 20)
        shared.serviceTime = 3_000
        shared.run(seconds: 600)
        #expect(shared.limit.limit == 20)
    }

    @Test("is cut once for what was sent before the cut, however many come back")
    func cut() {
        var limit = ConcurrencyLimit(.init(start: 100))
        for _ in 0..<50 { limit.sample(.overloaded, sentAt: at(0), inflight: 100, at: at(10)) }
        #expect(limit.limit == 90)
        limit.sample(.overloaded, sentAt: at(11), inflight: 90, at: at(20))
        #expect(limit.limit == 81)
        // Far above what is under way it would mean nothing: it is cut to where it does.
        limit.sample(.overloaded, sentAt: at(21), inflight: 10, at: at(30))
        #expect(limit.limit == 18)
    }

    @Test("is cut by a refusal only where it was in use: otherwise that was a matter of pace")
    func refused() {
        var limit = ConcurrencyLimit(.init(start: 100))
        limit.sample(.refused, sentAt: at(1), inflight: 49, at: at(2))
        #expect(limit.limit == 100)
        limit.sample(.refused, sentAt: at(1), inflight: 50, at: at(2))
        #expect(limit.limit == 90)
    }

    @Test("stays within its bounds whatever it is told", arguments: 0..<20)
    func bounds(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var limit = ConcurrencyLimit(.init(start: 20, min: 4, max: 50))
        var now = at(0)
        for _ in 0..<5_000 {
            now = now.advanced(by: .milliseconds(Int64.random(in: -10...400, using: &random)))
            let time = Duration.milliseconds(Int64.random(in: -100...5_000, using: &random))
            let outcome: ConcurrencyLimit.Outcome
            switch Int.random(in: 0..<40, using: &random) {
            case 0: outcome = .overloaded
            case 1: outcome = .refused
            case 2: outcome = .answered(.nanoseconds(Int64.max))
            case 3: outcome = .answered(.zero)
            default: outcome = .answered(time)
            }
            let inflight = Int.random(in: 0...60, using: &random)
            limit.sample(outcome, sentAt: now.advanced(by: .zero - time), inflight: inflight, at: now)
            #expect((4...50).contains(limit.limit))
        }
        limit.configure(.init(start: 20, min: 0, max: 0))
        #expect(limit.limit == 1)
    }

    @Test("is the configured maximum where the provider is never slow")
    func maximum() {
        var shared = Shared()
        shared.limit = ConcurrencyLimit(.init(max: 40))
        shared.run(seconds: 59)
        #expect(shared.limit.limit == 40)
    }
}
