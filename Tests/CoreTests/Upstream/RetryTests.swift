import SamovarCore
import TestSupport
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite("A retry budget")
struct RetryBudgetTests {
    /// One request every 5 ms for a minute, all of them failing: the whole amplification.
    @Test("allows a tenth of the requests while everything fails, from the first request on")
    func storm() {
        var budget = RetryBudget()
        var retries = 0
        for number in 0..<12_000 {
            budget.requested()
            if budget.take(at: at(Int64(number) * 5)) { retries += 1 }
            #expect(Double(retries) <= Double(number + 1) * 0.1 + 1)
        }
        #expect(retries == 1_200)
    }

    @Test("lends one every ten seconds where requests are few, and no more")
    func few() {
        var budget = RetryBudget()
        var retries = 0
        for second in 0..<60 where budget.take(at: at(Int64(second) * 1_000)) { retries += 1 }
        #expect(retries == 6)
    }

    @Test("saves up no more than its limit, however long all went well")
    func saved() {
        var budget = RetryBudget()
        for _ in 0..<100_000 { budget.requested() }
        var retries = 0
        while budget.take(at: at(0)) { retries += 1 }
        // What was saved, and the one that is always lent.
        #expect(retries == 11)
    }

    @Test("is never exceeded by more than was saved and lent", arguments: 0..<30)
    func property(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var budget = RetryBudget()
        var now = at(0)
        var requests = 0.0
        var retries = 0.0
        for _ in 0..<5_000 {
            now = now.advanced(by: .milliseconds(Int64.random(in: 0...500, using: &random)))
            if Double.random(in: 0..<1, using: &random) < 0.7 {
                budget.requested()
                requests += 1
            }
            if Bool.random(using: &random), budget.take(at: now) { retries += 1 }
            #expect(retries <= requests * 0.1 + 1 + now.nanoseconds.asSeconds / 10)
        }
    }
}

extension Int64 {
    fileprivate var asSeconds: Double { Double(self) / 1e9 }
}

@Suite("A retry")
struct RetryTests {
    private let busy = AttemptResult(health: .failure, overload: .capacity, again: .anywhere)

    private func verdict(
        _ result: AttemptResult, hasPassedOn: Bool = false, hasOthers: Bool = true, deadline: Instant = .never,
        jitter: Double = 0.5
    ) -> Retry.Verdict {
        var retry = Retry()
        var budget = RetryBudget()
        return retry.failed(
            result, hasPassedOn: hasPassedOn, hasOthers: hasOthers, deadline: deadline, budget: &budget, at: at(1_000),
            jitter: jitter)
    }

    @Test("is made once for a flight, and costs the budget only when it is made")
    func once() {
        var retry = Retry()
        var budget = RetryBudget()
        for _ in 0..<20 { budget.requested() }
        func fail(_ result: AttemptResult) -> Retry.Verdict {
            retry.failed(
                result, hasPassedOn: false, hasOthers: true, deadline: .never, budget: &budget, at: at(0), jitter: 0)
        }
        let first = fail(busy)
        let second = fail(busy)
        #expect(first == .again(.init(hereNotBefore: at(0), elsewhereNotBefore: at(0))))
        #expect(second == .final(.attemptMax))
        let left = [budget.take(at: at(0)), budget.take(at: at(0)), budget.take(at: at(0))]
        // Two were saved, one was taken, one is left, one is lent.
        #expect(left == [true, true, false])
    }

    @Test("is never made after something was passed on, nor for what would end the same way")
    func never() {
        #expect(verdict(busy, hasPassedOn: true) == .final(.passedOn))
        #expect(verdict(AttemptResult(health: .neutral)) == .final(.lasting))
        let ofCredential = AttemptResult(health: .failure, again: .elsewhere, isOfCredential: true)
        #expect(verdict(ofCredential, hasOthers: false) == .final(.lasting))
        #expect(
            verdict(ofCredential, hasOthers: true)
                == .again(.init(hereNotBefore: nil, elsewhereNotBefore: at(1_025))))
    }

    @Test("honours Retry-After at the upstream that sent it, and takes a minute for anything longer")
    func retryAfter() {
        var result = busy
        result.retryAfter = .seconds(3)
        #expect(verdict(result) == .again(.init(hereNotBefore: at(4_000), elsewhereNotBefore: at(1_025))))
        result.retryAfter = .seconds(1_000_000_000)
        #expect(verdict(result) == .again(.init(hereNotBefore: at(61_000), elsewhereNotBefore: at(1_025))))
        result.retryAfter = .seconds(-5)
        #expect(verdict(result) == .again(.init(hereNotBefore: at(1_025), elsewhereNotBefore: at(1_025))))
    }

    @Test("is not made where no upstream could be asked before the deadline, and costs nothing then")
    func deadline() {
        var result = busy
        result.retryAfter = .seconds(3)
        #expect(verdict(result, hasOthers: false, deadline: at(4_000)) == .final(.deadline))
        #expect(
            verdict(result, hasOthers: true, deadline: at(4_000))
                == .again(.init(hereNotBefore: nil, elsewhereNotBefore: at(1_025))))
        #expect(verdict(result, hasOthers: true, deadline: at(1_025)) == .final(.deadline))
    }

    @Test("is not made without budget")
    func budget() {
        var budget = RetryBudget()
        var verdicts: [Retry.Verdict] = []
        for _ in 0..<2 {
            var retry = Retry()
            verdicts.append(
                retry.failed(
                    busy, hasPassedOn: false, hasOthers: false, deadline: .never, budget: &budget, at: at(0), jitter: 0)
            )
        }
        #expect(verdicts[0] == .again(.init(hereNotBefore: at(0), elsewhereNotBefore: at(0))))
        #expect(verdicts[1] == .final(.retryRatio))
    }
}
