import Testing

@testable import samovar

@Suite("A plan of arrivals")
struct ArrivalPlanTests {
    private func instants(_ plan: ArrivalPlan, _ count: Int) -> [UInt64] {
        var plan = plan
        return (0..<count).map { _ in plan.next() }
    }

    @Test("has the n-th arrival at n / rate, however many came before")
    func constant() {
        let all = instants(ArrivalPlan(rate: 3_000, spacing: .constant, seed: 1), 300_001)
        #expect(all[0] == 0)
        #expect(all[3] == 1_000_000)
        #expect(all[300_000] == 100_000_000_000)
    }

    @Test("falls into parts that together are the plan", arguments: [2, 3, 7])
    func parts(count: Int) {
        let whole = instants(ArrivalPlan(rate: 1_000, spacing: .constant, seed: 1), 700)
        let parts = (0..<count).flatMap { part in
            instants(
                ArrivalPlan(rate: 1_000, spacing: .constant, seed: 1, part: part, of: count),
                (700 - part + count - 1) / count)
        }
        #expect(parts.sorted() == whole)
    }

    @Test(
        "of independent callers has the mean gap of its rate, gaps as varied as they are long, and none that is negative"
    )
    func poisson() {
        let count = 200_000
        let all = instants(ArrivalPlan(rate: 1_000, spacing: .poisson, seed: 7), count)
        let gaps = zip(all, all.dropFirst()).map { Double($1) - Double($0) }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let deviation = (gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)).squareRoot()

        #expect(abs(mean / 1e6 - 1) < 0.02)
        #expect(abs(deviation / mean - 1) < 0.02)
        #expect(gaps.allSatisfy { $0 >= 0 })
    }

    @Test("is the same for the same seed, and another for another seed or part")
    func seeds() {
        func plan(_ seed: UInt64, _ part: Int) -> [UInt64] {
            instants(ArrivalPlan(rate: 10, spacing: .poisson, seed: seed, part: part, of: 2), 50)
        }
        #expect(plan(1, 0) == plan(1, 0))
        #expect(plan(1, 0) != plan(2, 0))
        #expect(plan(1, 0) != plan(1, 1))
    }
}
