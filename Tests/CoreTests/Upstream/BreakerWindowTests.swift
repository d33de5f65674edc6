import SamovarCore
import TestSupport
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite("A breaker with a window")
struct BreakerWindowTests {
    private func fed(_ outcomes: [(Breaker.Outcome, Int)], every milliseconds: Int64 = 10) -> Breaker {
        var breaker = Breaker(settings: .upstream)
        var now: Int64 = 0
        for (outcome, count) in outcomes {
            for _ in 0..<count {
                breaker.report(outcome, wasProbe: false, at: at(now), jitter: 0)
                now += milliseconds
            }
        }
        return breaker
    }

    @Test("says nothing below its volume, and opens by the share of failures above it")
    func errorRatio() {
        #expect(fed([(.failed, 19)]).state(at: at(190)) == .closed)
        #expect(fed([(.failed, 20)]).state(at: at(200)) == .open)
        #expect(fed([(.succeeded, 11), (.failed, 10)]).state(at: at(210)) == .closed)
        #expect(fed([(.succeeded, 11), (.failed, 11)]).state(at: at(220)) == .open)
        // Failures in a row mean nothing to it.
        #expect(fed([(.succeeded, 100), (.failed, 60)]).state(at: at(1_600)) == .closed)
    }

    @Test("opens by the share of slow answers")
    func slowRatio() {
        #expect(fed([(.succeeded, 5), (.slow, 19)]).state(at: at(240)) == .closed)
        #expect(fed([(.succeeded, 5), (.slow, 20)]).state(at: at(250)) == .open)
    }

    @Test("forgets what is older than its window")
    func slides() {
        var breaker = fed([(.failed, 19)])
        breaker.report(.failed, wasProbe: false, at: at(11_000), jitter: 0)
        #expect(breaker.state(at: at(11_000)) == .closed)
    }

    @Test("counts no attempt that taught nothing")
    func abandoned() {
        #expect(fed([(.abandoned, 100), (.failed, 19)]).state(at: at(1_200)) == .closed)
    }

    @Test("closes after three good probes, one at a time, and is patient anew after a bad one")
    func probes() {
        var breaker = fed([(.failed, 20)])
        #expect(breaker.probesAt == at(1_190))
        var verdicts: [Breaker.Verdict] = []
        for success in 0..<3 {
            verdicts.append(breaker.ask(at: at(1_200)))
            verdicts.append(breaker.ask(at: at(1_200)))
            #expect(breaker.state(at: at(1_200)) == .halfOpen, "\(success)")
            breaker.report(.succeeded, wasProbe: true, at: at(1_200), jitter: 0)
        }
        #expect(verdicts == [.probe, .skip, .probe, .skip, .probe, .skip])
        #expect(breaker.state(at: at(1_200)) == .closed)
        #expect(breaker.probesAt == nil)
        // Its window begins anew too.
        for _ in 0..<19 { breaker.report(.failed, wasProbe: false, at: at(1_201), jitter: 0) }
        #expect(breaker.state(at: at(1_201)) == .closed)
    }

    @Test("is opened again, and for longer, by a probe that fails or is late, however many succeeded before")
    func badProbe() {
        for bad in [Breaker.Outcome.failed, .slow] {
            var breaker = fed([(.failed, 20)])
            for outcome in [Breaker.Outcome.succeeded, .succeeded, bad] {
                _ = breaker.ask(at: at(2_000))
                breaker.report(outcome, wasProbe: true, at: at(2_000), jitter: 0.999_999_9)
            }
            #expect(breaker.state(at: at(3_990)) == .open)
            let verdict = breaker.ask(at: at(4_000))
            #expect(verdict == .probe)
            // Two more are needed after this one: the earlier ones do not count.
            breaker.report(.succeeded, wasProbe: true, at: at(4_000), jitter: 0)
            #expect(breaker.state(at: at(4_000)) == .halfOpen)
        }
    }

    @Test("is neither closed nor kept open by what was asked before it opened")
    func stragglers() {
        for straggler in [Breaker.Outcome.succeeded, .slow, .failed] {
            var breaker = fed([(.failed, 20)])
            for _ in 0..<50 { breaker.report(straggler, wasProbe: false, at: at(1_000), jitter: 0) }
            #expect(breaker.probesAt == at(1_190))
        }
    }

    @Test("never sleeps longer than its maximum, however often probes fail")
    func sleepMax() {
        var breaker = fed([(.failed, 20)])
        var now = at(2_000)
        for _ in 0..<40 {
            _ = breaker.ask(at: now)
            breaker.report(.failed, wasProbe: true, at: now, jitter: 0.999_999)
            let until = breaker.probesAt ?? .never
            #expect(now.duration(to: until) <= .seconds(30) && now.duration(to: until) >= .seconds(1))
            now = until
        }
    }

    /// A model with a plain list of what happened, asked the same questions.
    @Test("agrees with counting a list", arguments: 0..<40)
    func oracle(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let window = Breaker.Window(length: .seconds(10), volumeMin: 5, errorRatio: 0.5, slowRatio: 0.8)
        var breaker = Breaker(settings: .init(openForMin: .seconds(1), openForMax: .seconds(1), window: window))
        var seen: [(part: Int64, outcome: Breaker.Outcome)] = []
        var now = Int64(0)
        for _ in 0..<500 {
            now += Int64.random(in: 0...1_500, using: &random)
            let outcome = [Breaker.Outcome.succeeded, .succeeded, .slow, .slow, .failed].randomElement(using: &random)
            guard let outcome, breaker.state(at: at(now)) == .closed else {
                let verdict = breaker.ask(at: at(now))
                if verdict == .probe { breaker.report(.succeeded, wasProbe: true, at: at(now), jitter: 0) }
                seen = []
                continue
            }
            breaker.report(outcome, wasProbe: false, at: at(now), jitter: 0)
            seen.append((now / 1_000, outcome))
            let counted = seen.filter { $0.part > now / 1_000 - 10 }
            let failed = Double(counted.count { $0.outcome == .failed }) / Double(counted.count)
            let slow = Double(counted.count { $0.outcome == .slow }) / Double(counted.count)
            let opens = counted.count >= 5 && (failed >= 0.5 || slow >= 0.8)
            #expect((breaker.state(at: at(now)) != .closed) == opens)
        }
    }
}
