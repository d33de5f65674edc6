import SamovarCore
import TestSupport
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite("A token bucket")
struct TokenBucketTests {
    @Test("lets its burst go at once, then one after the other at its rate")
    func burstThenRate() {
        var bucket = TokenBucket(rate: 50, burst: 5)
        let atOnce = (0..<6).map { _ in bucket.take(at: at(0)) }
        let early = bucket.take(at: at(19))
        let intime = bucket.take(at: at(20))
        #expect(atOnce.prefix(5).allSatisfy { $0 == .granted })
        #expect(atOnce[5] == .denied(retryAfter: .milliseconds(20)))
        #expect(early == .denied(retryAfter: .milliseconds(1)))
        #expect(intime == .granted)
    }

    /// Whatever is asked for and when: in no stretch of time goes more than the burst and what the rate gives.
    @Test("never gives more than burst + rate × time in any stretch, and always what it promised", arguments: 0..<50)
    func bound(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let rate = Double.random(in: 0.5...2_000, using: &random)
        let burst = Double.random(in: 1...500, using: &random)
        var bucket = TokenBucket(rate: rate, burst: burst)
        var now = Instant.zero
        var taken: [(at: Instant, cost: Double)] = []
        for _ in 0..<400 {
            now = now.advanced(by: .nanoseconds(Int64.random(in: 0...Int64(2e9 / rate), using: &random)))
            let cost = Bool.random(using: &random) ? 1 : Double.random(in: 0...burst, using: &random)
            switch bucket.take(cost, at: now) {
            case .granted: taken.append((now, cost))
            case .denied(let wait):
                #expect(wait > .zero)
                var copy = bucket
                let promised = copy.take(cost, at: now.advanced(by: wait))
                let tooEarly = copy.canTake(cost, at: now.advanced(by: wait - .microseconds(2)))
                #expect(promised == .granted, "rate \(rate) burst \(burst) cost \(cost)")
                if wait > .microseconds(2) { #expect(tooEarly != .granted) }
            }
        }
        for first in taken.indices {
            var sum = 0.0
            for last in first..<taken.count {
                sum += taken[last].cost
                let time = taken[first].at.duration(to: taken[last].at).seconds
                guard sum <= burst + rate * time + 1e-3 else {
                    Issue.record("\(sum) in \(time) s at rate \(rate), burst \(burst)")
                    return
                }
            }
        }
    }

    @Test("gives no more than its burst whatever the clock does", arguments: 0..<50)
    func clockJumps(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var bucket = TokenBucket(rate: 50, burst: 100)
        var now = at(0)
        for _ in 0..<100 {
            // Forward and back by up to an hour, then everything that goes at that moment.
            let jump = Int64.random(in: -3_600_000_000_000...3_600_000_000_000, using: &random)
            now = now.advanced(by: .nanoseconds(jump))
            var count = 0
            while bucket.take(at: now) == .granted { count += 1 }
            #expect(count <= 100)
        }
        var steady = TokenBucket(rate: 10, burst: 10)
        _ = steady.take(at: at(1_000))
        #expect(steady.room(at: at(0)) == 9)
        var count = 0
        while bucket.take(at: .never) == .granted { count += 1 }
        #expect(count <= 100)
    }

    @Test("charges a cost above its burst to an empty bucket, and has it paid back before the next")
    func largerThanBurst() {
        var bucket = TokenBucket(rate: 10, burst: 10)
        let large = bucket.take(15, at: at(0))
        let next = bucket.take(1, at: at(0))
        let paid = bucket.take(1, at: at(600))
        #expect(large == .granted)
        #expect(next == .denied(retryAfter: .milliseconds(600)))
        #expect(paid == .granted)
        var never = TokenBucket(rate: 10, burst: 10)
        _ = never.take(1e9, at: at(0))
        #expect(never.canTake(1, at: at(0)) == .denied(retryAfter: .milliseconds(1_100)))
    }

    @Test("settles an estimate: what was not used comes back, what was used beyond is owed")
    func settles() {
        var bucket = TokenBucket(rate: 100, burst: 1_000)
        _ = bucket.take(800, at: at(0))
        bucket.settle(estimate: 800, actual: 100, at: at(0))
        #expect(bucket.room(at: at(0)) == 900)
        bucket.settle(estimate: 100, actual: 1_100, at: at(0))
        #expect(bucket.canTake(1, at: at(0)) == .denied(retryAfter: .milliseconds(1_010)))
        bucket.settle(estimate: 5_000, actual: 0, at: at(0))
        #expect(bucket.room(at: at(0)) == 1_000)
    }

    @Test("keeps what was taken when its rate or burst changes")
    func configures() {
        var bucket = TokenBucket(rate: 50, burst: 500)
        while bucket.take(at: at(0)) == .granted {}
        bucket.configure(rate: 10, burst: 500, at: at(0))
        #expect(bucket.canTake(at: at(0)) == .denied(retryAfter: .milliseconds(100)))
        bucket.configure(rate: 10, burst: 600, at: at(0))
        #expect(bucket.room(at: at(0)) == 100)
        bucket.fill(at: at(0))
        #expect(bucket.room(at: at(0)) == 0)
    }

    @Test("takes nonsense for the nearest sense", arguments: [0, -1, .nan, -.infinity, .infinity, 1e300] as [Double])
    func nonsense(value: Double) {
        var bucket = TokenBucket(rate: value, burst: value)
        #expect(bucket.rate >= TokenBucket.rateMin && bucket.rate <= TokenBucket.unitsMax)
        #expect(bucket.burst >= 1 && bucket.burst <= TokenBucket.unitsMax)
        let first = bucket.take(at: at(0))
        #expect(first == .granted)
        bucket.charge(value, at: at(0))
        bucket.settle(estimate: value, actual: value, at: at(0))
        #expect(bucket.room(at: at(0)).isFinite)
        if case .denied(let wait) = bucket.canTake(at: at(0)) { #expect(wait > .zero) }
        var sane = TokenBucket(rate: 1, burst: 1)
        let free = sane.take(value, at: at(0))
        #expect(free == .granted)
    }
}
