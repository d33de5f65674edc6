import SamovarCore
import TestSupport
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite("Ejection")
struct EjectionTests {
    @Test("takes out who fails so often in a row, for longer each time, up to its limit")
    func inARow() {
        var ejection = Ejection()
        var now = at(0)
        var times: [Duration] = []
        for _ in 0..<70 {
            var until: Instant?
            for failure in 1...5 {
                until = ejection.report("a", failed: true, at: now)
                #expect((until != nil) == (failure == 5))
            }
            guard let until else { return }
            times.append(now.duration(to: until))
            #expect(ejection.isEjected("a", at: now))
            #expect(!ejection.isEjected("a", at: until))
            now = until
        }
        #expect(times[0] == .seconds(5) && times[1] == .seconds(10) && times[2] == .seconds(15))
        #expect(times[69] == .seconds(300))
        // Long without being out: forgiven.
        now = now.advanced(by: .seconds(301))
        var until: Instant?
        for _ in 0..<5 { until = ejection.report("a", failed: true, at: now) }
        #expect(until == now.advanced(by: .seconds(5)))
    }

    @Test("takes out who is much worse than the others, and nobody where all are alike", arguments: 0..<20)
    func outlier(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        func run(_ failing: [String: Double]) -> Set<String> {
            // Failures in a row are no matter here.
            var ejection = Ejection(.init(failureMax: .max))
            var out: Set<String> = []
            for number in 0..<600 {
                let name = ["a", "b", "c"][number % 3]
                let failed = Double.random(in: 0..<1, using: &random) < failing[name, default: 0]
                if ejection.report(name, failed: failed, at: at(Int64(number) * 10)) != nil { out.insert(name) }
            }
            return out
        }
        #expect(run(["b": 0.6]) == ["b"])
        #expect(run([:]) == [])
        #expect(run(["a": 1, "b": 1, "c": 1]) == [])
    }

    @Test("leaves at least half of a route's upstreams, or else all of them serve")
    func half() {
        for count in 1...6 {
            let names = (0..<count).map { "u\($0)" }
            for bad in 0...count {
                var ejection = Ejection()
                for name in names.prefix(bad) {
                    for _ in 0..<5 { _ = ejection.report(name, failed: true, at: at(0)) }
                }
                let out = ejection.ejected(of: names, at: at(1))
                #expect(out == (bad <= count / 2 ? Set(names.prefix(bad)) : []), "\(bad) of \(count)")
            }
        }
    }

    @Test("is not prolonged by stragglers")
    func stragglers() {
        var ejection = Ejection()
        for _ in 0..<5 { _ = ejection.report("a", failed: true, at: at(0)) }
        for _ in 0..<50 {
            let again = ejection.report("a", failed: true, at: at(1))
            #expect(again == nil)
        }
        #expect(!ejection.isEjected("a", at: at(5_000)))
    }
}
