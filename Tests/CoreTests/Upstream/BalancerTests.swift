import SamovarCore
import TestSupport
import Testing

@Suite("A balancer")
struct BalancerTests {
    private typealias Candidate = Balancer.Candidate

    private func chosen(_ candidates: [Candidate], work: Double = 100, jitter: Double = 0) -> String? {
        var balancer = Balancer()
        return balancer.choose(among: candidates, work: work, jitter: jitter).map { candidates[$0].name }
    }

    @Test("takes the one with the least outstanding work for its weight")
    func leastWork() {
        let one = Candidate(name: "one", weight: 1, outstandingWork: 100)
        let four = Candidate(name: "four", weight: 4, outstandingWork: 390)
        #expect(chosen([one, four]) == "four")
        #expect(chosen([one, Candidate(name: "four", weight: 4, outstandingWork: 410)]) == "one")
    }

    @Test("gives idle upstreams turns by weight")
    func turns() {
        var balancer = Balancer()
        var counts = [0, 0, 0]
        let candidates = [
            Candidate(name: "a", weight: 5), Candidate(name: "b", weight: 1), Candidate(name: "c", weight: 1),
        ]
        for _ in 0..<700 { counts[balancer.choose(among: candidates, work: 10, jitter: 0) ?? 0] += 1 }
        #expect(counts == [500, 100, 100])
    }

    @Test("does not make one that was away catch up")
    func away() {
        var balancer = Balancer()
        let a = Candidate(name: "a")
        let b = Candidate(name: "b")
        for _ in 0..<1_000 { _ = balancer.choose(among: [a], work: 10, jitter: 0) }
        var counts = [0, 0]
        for _ in 0..<100 { counts[balancer.choose(among: [a, b], work: 10, jitter: 0) ?? 0] += 1 }
        #expect(abs(counts[0] - counts[1]) <= 2)
    }

    /// Every state of six upstreams, two a tier: ready or not.
    @Test("never leaves a tier of which one is ready, and never takes one that is not")
    func tiers() {
        for ready in 0..<64 {
            let candidates = (0..<6).map {
                Candidate(
                    name: "\($0)", tier: Tier.allCases[$0 / 2], outstandingWork: Double(60 - $0),
                    isReady: ready & (1 << $0) != 0)
            }
            var balancer = Balancer()
            let index = balancer.choose(among: candidates, work: 1, jitter: 0.3)
            #expect((index == nil) == (ready == 0))
            guard let index else { continue }
            #expect(candidates[index].isReady)
            #expect(!candidates.contains { $0.isReady && $0.tier < candidates[index].tier })
        }
    }

    @Test("draws two of many, every pair alike, and takes the better of them")
    func twoChoices() {
        let count = 12
        let candidates = (0..<count).map { Candidate(name: "\($0)", outstandingWork: Double($0)) }
        var counts = [Int](repeating: 0, count: count)
        let pairs = count * (count - 1)
        for pair in 0..<pairs {
            var balancer = Balancer()
            let index = balancer.choose(among: candidates, work: 1, jitter: (Double(pair) + 0.5) / Double(pairs))
            counts[index ?? 0] += 1
        }
        // The better of two distinct ones: the best wins all its pairs, the worst none.
        #expect(counts == (0..<count).map { 2 * (count - 1 - $0) })
        // The other way round: the last one is the best, and is drawn in as many pairs.
        let reversed = candidates.map { Candidate(name: $0.name, outstandingWork: 100 - $0.outstandingWork) }
        var lastCount = 0
        for pair in 0..<pairs {
            var balancer = Balancer()
            let index = balancer.choose(among: reversed, work: 1, jitter: (Double(pair) + 0.5) / Double(pairs))
            if index == count - 1 { lastCount += 1 }
        }
        #expect(lastCount == 2 * (count - 1))
    }

    @Test("spreads a herd in proportion to weights, whatever the sizes of its requests", arguments: 0..<10)
    func proportion(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let weights = [1.0, 2, 5]
        var balancer = Balancer()
        var outstanding = [0.0, 0, 0]
        for _ in 0..<3_000 {
            let work = Double.random(in: 1...1_000, using: &random)
            let candidates = weights.indices.map {
                Candidate(name: "\($0)", weight: weights[$0], outstandingWork: outstanding[$0])
            }
            let index = balancer.choose(among: candidates, work: work, jitter: 0) ?? 0
            outstanding[index] += work
        }
        let all = outstanding.reduce(0, +)
        for index in weights.indices {
            #expect(abs(outstanding[index] / all - weights[index] / 8) < 0.01)
        }
    }

    @Test("is not led astray by weights and loads that make no sense")
    func nonsense() {
        let odd = [
            Candidate(name: "zero", weight: 0), Candidate(name: "nan", weight: .nan, outstandingWork: .nan),
            Candidate(name: "minus", weight: -3, outstandingWork: -7), Candidate(name: "sane"),
        ]
        var balancer = Balancer()
        var seen: Set<String> = []
        for _ in 0..<100 {
            guard let index = balancer.choose(among: odd, work: .nan, jitter: 7) else { continue }
            seen.insert(odd[index].name)
        }
        #expect(seen.contains("sane"))
        #expect(chosen([], jitter: .nan) == nil)
        let many = (0..<20).map { Candidate(name: "\($0)") }
        #expect(chosen(many, jitter: .nan) != nil)
        #expect(chosen(many, jitter: -1) != nil)
    }
}

@Suite("Slow start")
struct SlowStartTests {
    @Test("rises in a straight line from a tenth to the whole")
    func rises() {
        var start = SlowStart(duration: .seconds(10))
        let t0 = Instant(nanoseconds: 5_000_000_000)
        #expect(start.factor(at: t0) == 1)
        start.cameBack(at: t0)
        #expect(start.factor(at: .zero) == 0.1)
        #expect(start.factor(at: t0) == 0.1)
        #expect(start.factor(at: t0.advanced(by: .seconds(5))) == 0.5)
        #expect(start.factor(at: t0.advanced(by: .seconds(10))) == 1)
        #expect(start.factor(at: t0.advanced(by: .seconds(1_000))) == 1)
        var none = SlowStart(duration: .zero)
        none.cameBack(at: t0)
        #expect(none.factor(at: t0) == 1)
    }
}
