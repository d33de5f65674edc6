import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Gate")
struct GateStateTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
    private let settings = Breaker.Settings(
        failureMax: 2, openForMin: .milliseconds(100), openForMax: .milliseconds(100))

    private func report(
        _ gate: inout GateState, _ outcome: Breaker.Outcome, _ reason: String = "", wasProbe: Bool = false,
        at milliseconds: Int64
    ) -> GateState.News? {
        gate.report(outcome, reason: reason, wasProbe: wasProbe, at: at(milliseconds), jitter: 0)
    }

    @Test("it speaks once when it opens, is silent over failed probes, and speaks once when it closes")
    func voice() {
        var gate = GateState(settings, tellsReasons: false)
        var news: [GateState.News?] = []
        news.append(report(&gate, .failed, "frozen", at: 0))
        news.append(report(&gate, .failed, "frozen", at: 1))
        let skipped = gate.ask(at: at(2))
        let probed = gate.ask(at: at(101))
        news.append(report(&gate, .failed, "no connection", wasProbe: true, at: 102))
        let probedAgain = gate.ask(at: at(250))
        news.append(report(&gate, .succeeded, wasProbe: true, at: 251))

        #expect(news == [nil, .opened(reason: "frozen"), nil, .closed])
        #expect(skipped == .skip)
        #expect(probed == .probe && probedAgain == .probe)
    }

    @Test(
        "where a server comes and goes every second, a line is written once in five seconds, and the last one is true")
    func flapping() {
        var gate = GateState(settings, tellsReasons: false)
        var told: [(second: Int64, news: GateState.News)] = []
        func note(_ news: GateState.News?, _ second: Int64) { news.map { told.append((second, $0)) } }
        for second in 0..<Int64(300) {
            let begin = 1_000 * second
            let isUp = second % 2 == 1
            for step in Int64(0)..<5 {
                let now = begin + 200 * step
                switch gate.ask(at: at(now)) {
                case .skip: continue
                case .ask: note(report(&gate, isUp ? .succeeded : .failed, "gone", at: now), second)
                case .probe:
                    note(report(&gate, isUp ? .succeeded : .failed, "gone", wasProbe: true, at: now), second)
                }
            }
        }
        // Up from here on.
        _ = gate.ask(at: at(311_000))
        note(report(&gate, .succeeded, wasProbe: true, at: 311_000), 311)
        note(report(&gate, .succeeded, at: 322_000), 322)

        #expect(told.count > 10)
        for (earlier, later) in zip(told, told.dropFirst(2)) { #expect(later.second - earlier.second >= 9) }
        #expect(told.prefix(2).map(\.second) == [0, 1])
        #expect(told.last?.news == .closed)
    }

    @Test("where reasons matter another one is told, the same one is not")
    func reasons() {
        var gate = GateState(settings, tellsReasons: true)
        _ = report(&gate, .failed, "OOM", at: 0)
        let news = [
            report(&gate, .failed, "OOM", at: 1), report(&gate, .failed, "OOM", wasProbe: true, at: 200),
            report(&gate, .failed, "READONLY", wasProbe: true, at: 400),
        ]
        #expect(news == [.opened(reason: "OOM"), nil, .changed(reason: "READONLY")])
    }

    @Test("a hint lets one probe through before its time, and only one")
    func hint() {
        var gate = GateState(settings, tellsReasons: false)
        _ = report(&gate, .failed, at: 0)
        _ = report(&gate, .failed, at: 0)
        let before = gate.ask(at: at(1))
        gate.hint()
        let after = gate.ask(at: at(2))
        let next = gate.ask(at: at(2))

        #expect(before == .skip)
        #expect(after == .probe)
        #expect(next == .skip)
    }
}
