import SamovarCore
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite("A breaker")
struct BreakerTests {
    private let settings = Breaker.Settings(
        failureMax: 3, openForMin: .milliseconds(100), openForMax: .milliseconds(400))

    private func opened() -> Breaker {
        var breaker = Breaker(settings: settings)
        for _ in 0..<3 { breaker.report(.failed, wasProbe: false, at: at(0), jitter: 0) }
        return breaker
    }

    @Test("opens after so many failures in a row, not before and not for failures apart")
    func opens() {
        var breaker = Breaker(settings: settings)
        breaker.report(.failed, wasProbe: false, at: at(0), jitter: 0)
        breaker.report(.failed, wasProbe: false, at: at(0), jitter: 0)
        breaker.report(.succeeded, wasProbe: false, at: at(0), jitter: 0)
        breaker.report(.failed, wasProbe: false, at: at(0), jitter: 0)
        let verdict1 = breaker.ask(at: at(1))
        #expect(verdict1 == .ask)
        #expect(opened().state(at: at(1)) == .open)
    }

    @Test("lets one probe through at a time, and closes when it succeeds")
    func probes() {
        var breaker = opened()
        let verdict2 = breaker.ask(at: at(99))
        #expect(verdict2 == .skip)
        let verdict3 = breaker.ask(at: at(100))
        #expect(verdict3 == .probe)
        let verdict4 = breaker.ask(at: at(100))
        #expect(verdict4 == .skip)
        breaker.report(.succeeded, wasProbe: true, at: at(101), jitter: 0)
        let verdict5 = breaker.ask(at: at(102))
        #expect(verdict5 == .ask)
    }

    @Test("waits longer with every failed probe, up to its limit, with jitter between")
    func backsOff() {
        var breaker = opened()
        let verdict6 = breaker.ask(at: at(100))
        #expect(verdict6 == .probe)
        breaker.report(.failed, wasProbe: true, at: at(100), jitter: 0.999_999)
        let verdict7 = breaker.ask(at: at(290))
        #expect(verdict7 == .skip)
        let verdict8 = breaker.ask(at: at(300))
        #expect(verdict8 == .probe)
        breaker.report(.failed, wasProbe: true, at: at(300), jitter: 0.999_999)
        breaker.report(.failed, wasProbe: false, at: at(300), jitter: 0.999_999)
        let verdict9 = breaker.ask(at: at(690))
        #expect(verdict9 == .skip)
        let verdict10 = breaker.ask(at: at(700))
        #expect(verdict10 == .probe)
    }

    @Test("is not closed by a straggler from before it opened")
    func straggler() {
        var breaker = opened()
        breaker.report(.succeeded, wasProbe: false, at: at(1), jitter: 0)
        let verdict11 = breaker.ask(at: at(2))
        #expect(verdict11 == .skip)
    }

    @Test("gives the probe to another when the first learned nothing")
    func abandonedProbe() {
        var breaker = opened()
        let verdict12 = breaker.ask(at: at(100))
        #expect(verdict12 == .probe)
        breaker.report(.abandoned, wasProbe: true, at: at(101), jitter: 0)
        let verdict13 = breaker.ask(at: at(101))
        #expect(verdict13 == .probe)
    }
}

@Suite("Backoff")
struct BackoffTests {
    @Test("doubles up to its limit, is jittered over the whole of it, and begins anew after a success")
    func doubles() {
        var backoff = Backoff(waitMin: .milliseconds(50), waitMax: .milliseconds(300))
        let waits = (0..<4).map { _ in backoff.failed(jitter: 0.5) }
        backoff.succeeded()
        let anew = backoff.failed(jitter: 0.5)
        let none = backoff.failed(jitter: 0)
        #expect(waits == [.milliseconds(25), .milliseconds(50), .milliseconds(100), .milliseconds(150)])
        #expect(anew == .milliseconds(25))
        #expect(none == .zero)
    }
}

@Suite("An answer's deadlines")
struct AnswerDeadlinesTests {
    private let timeouts = AnswerDeadlines.Timeouts(
        firstToken: .milliseconds(100), betweenTokens: .milliseconds(50), total: .milliseconds(300))

    @Test("are looked at again in time, though the first token may bring a nearer one")
    func nearer() {
        let deadlines = AnswerDeadlines(timeouts, startedAt: at(0))
        #expect(deadlines.lookAgain(after: at(0)) == at(50))
        #expect(deadlines.lookAgain(after: at(70)) == at(100))
    }

    @Test("count to the first token, then between tokens, then in all")
    func all() {
        var deadlines = AnswerDeadlines(timeouts, startedAt: at(0))
        #expect(deadlines.passed(at: at(99)) == nil)
        #expect(deadlines.passed(at: at(100)) == .firstToken)
        deadlines.sawToken(at: at(90))
        #expect(deadlines.next == at(140))
        #expect(deadlines.passed(at: at(139)) == nil)
        #expect(deadlines.passed(at: at(140)) == .betweenTokens)
        deadlines.sawToken(at: at(280))
        #expect(deadlines.next == at(300))
        #expect(deadlines.passed(at: at(300)) == .total)
    }
}

@Suite("The usage chunk")
struct UsageChunkTests {
    private func refusal(_ status: Int, _ words: String) -> Failure.Refusal {
        Failure.Refusal(status: status, contentType: nil, body: Array(words.utf8), retryAfter: nil)
    }

    @Test("is asked for until an upstream refuses the option by name, and is then left to the callers")
    func learns() {
        var usage = UsageChunk(.ask)
        #expect(usage.asks(callerWantsUsage: false))
        let unrelated = usage.refused(refusal(400, "unknown model"), callerWantsUsage: false)
        let busy = usage.refused(refusal(429, "stream_options"), callerWantsUsage: false)
        let named = usage.refused(refusal(400, "unknown field stream_options"), callerWantsUsage: false)
        let again = usage.refused(refusal(400, "unknown field stream_options"), callerWantsUsage: false)
        #expect([unrelated, busy, named, again] == [false, false, true, false])
        #expect(!usage.asks(callerWantsUsage: false))
        #expect(usage.asks(callerWantsUsage: true))
    }

    @Test("that the caller asked for is the caller's to lose")
    func callersOwn() {
        var usage = UsageChunk(.ask)
        let learned = usage.refused(refusal(400, "stream_options"), callerWantsUsage: true)
        #expect(!learned)
    }
}

@Suite("A drain")
struct DrainTests {
    private let settings = Drain.Settings(acceptFor: .milliseconds(50), grace: .milliseconds(200))

    @Test("is not ready at once, accepts for a while, then waits for what is in flight")
    func orderly() {
        var drain = Drain(settings: settings)
        #expect(drain.isReady)
        drain.terminate(at: at(0))
        #expect(!drain.isReady)
        drain.tick(at: at(49), inFlightCount: 0)
        #expect(drain.phase == .leaving(until: at(50)))
        drain.tick(at: at(50), inFlightCount: 3)
        #expect(drain.phase == .finishing(until: at(250)))
        drain.tick(at: at(100), inFlightCount: 1)
        #expect(drain.phase == .finishing(until: at(250)))
        drain.tick(at: at(120), inFlightCount: 0)
        #expect(drain.phase == .gone)
    }

    @Test("ends when its grace has passed, whatever is still in flight")
    func grace() {
        var drain = Drain(settings: settings)
        drain.terminate(at: at(0))
        drain.tick(at: at(50), inFlightCount: 1)
        drain.tick(at: at(250), inFlightCount: 1)
        #expect(drain.phase == .gone)
    }

    @Test("asked twice ends at once")
    func twice() {
        var drain = Drain(settings: settings)
        drain.terminate(at: at(0))
        drain.terminate(at: at(1))
        #expect(drain.phase == .gone)
    }
}

@Suite("A price table")
struct PriceTableTests {
    @Test("says what tokens would have cost, and nothing about models it does not know")
    func costs() {
        let table = PriceTable(prices: [
            "m": .init(inputMicroUSDPerMillion: 280_000, outputMicroUSDPerMillion: 420_000)
        ])
        let usage = Usage(promptTokenCount: 1_000_000, completionTokenCount: 500_000)
        #expect(table.microUSD(of: usage, model: "m") == 280_000 + 210_000)
        #expect(table.microUSD(of: usage, model: "n") == nil)
    }
}
