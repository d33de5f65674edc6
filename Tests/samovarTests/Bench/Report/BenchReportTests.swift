import Foundation
import FoundationXML
import Testing

@testable import samovar

@Suite("The report of a run")
struct BenchReportTests {
    private let second: UInt64 = 1_000_000_000

    /// Two seconds: 200 hits of 1 ms and a few failures.
    private func report(
        _ pace: BenchSettings.Pace = .closed, bodies: String = "prompts",
        change: (inout BenchResult.Observed) -> Void = { _ in },
        failing: Int = 2
    ) throws -> BenchReport {
        var settings = BenchSettings(target: try BenchTarget(.http, "unix:/run/<s>&'\".sock"))
        settings.pace = pace
        var tally = BenchTally(window: 0..<2 * second, secondsMax: 10)
        for number in 0..<UInt64(200) {
            let at = number * 10_000_000
            tally.add(
                .verified(.hit), .init(plannedAt: at, sentAt: at + 1_000, endedAt: at + 1_000_000, byteCount: 10))
        }
        for number in 0..<failing {
            tally.add(.failed(.status, detail: "429 <b>"), .init(plannedAt: UInt64(number), sentAt: 0, endedAt: 5_000))
        }
        var observed = BenchResult.Observed(seconds: 2, isInterrupted: false, ownCores: 0.25)
        change(&observed)
        let result = BenchResult(
            tally: tally, warmUp: .init(verified: 100, failed: 0, seconds: 0.5), observed: observed)
        return BenchReport(settings: settings, result: result, bodies: bodies, startedAt: "2026-01-02T03:04:05Z")
    }

    private func members(_ report: BenchReport) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(BenchJSON(report).text.utf8)) as? [String: Any])
    }

    @Test("as JSON has the figures, failures that did not happen included")
    func json() throws {
        let all = try members(try report())
        #expect(all["verified"] as? Int == 200)
        #expect(all["failed"] as? Int == 2)
        #expect(all["requests"] as? Int == 202)
        #expect(all["requests_per_second"] as? Double == 100)
        #expect((all["errors"] as? [String: Int])?["status"] == 2)
        #expect((all["errors"] as? [String: Int])?["timeout"] == 0)
        #expect((all["error_details"] as? [String: Int])?["429 <b>"] == 2)
        #expect((all["results"] as? [String: Int])?["hit"] == 200)
        #expect((all["warm_up"] as? [String: Any])?["asked"] as? Int == 100)
        #expect(all["cpu"] is NSNull)
        let p99 = try #require((all["latency_us"] as? [String: Double])?["p99"])
        #expect(abs(p99 - 1_000) <= 1_000 / 256)
        let series = try #require(all["series"] as? [[String: Any]])
        #expect(series.map { $0["verified"] as? Int } == [100, 100])
    }

    @Test("says what a request cost the process that was watched, or that it ended")
    func process() throws {
        let alive = try report { $0.process = .init(pid: 7, name: "samovar", seconds: 0.101) }
        let ended = try report { $0.process = .init(pid: 7, name: "samovar", seconds: nil) }
        let cpu = try #require(try members(alive)["cpu"] as? [String: Any])
        #expect(abs((cpu["us_per_request"] as? Double ?? 0) - 500) < 0.001)
        #expect(BenchTable(alive).text.contains("samovar (pid 7): 500.00 us a request, 0.05 cores"))
        #expect(BenchTable(ended).text.contains("samovar (pid 7): it ended during the run"))
        #expect((try members(ended)["cpu"] as? [String: Any])?["us_per_request"] is NSNull)
    }

    @Test("as a table tells a closed loop from an open one, and failures by kind")
    func table() throws {
        let closed = BenchTable(try report()).text
        let open = BenchTable(try report(.open(rate: 100, spacing: .poisson))).text
        #expect(closed.contains("closed loop; 16 connections x 1 in flight"))
        #expect(!closed.contains("sent late"))
        #expect(open.contains("open, 100 a second, poisson loop"))
        #expect(open.contains("sent late"))
        #expect(closed.contains("202: 200 verified, 2 failed"))
        #expect(closed.contains("2 x 429 <b>"))
        #expect(!closed.contains("the load itself was the limit"))
        #expect(BenchTable(try report { $0.ownCores = 0.95 }).text.contains("the load itself was the limit"))
        #expect(try !report(.open(rate: 9, spacing: .constant), change: { $0.ownCores = 0.95 }).isLoadBusy)
    }

    @Test("as a page is well-formed, loads nothing, and holds no text that could be a tag")
    func page() throws {
        for failing in [0, 2] {
            let page = BenchPage(try report(bodies: "<script>alert(1)</script>", failing: failing)).text
            let parser = XMLParser(data: Data(page.utf8))
            let outline = Outline()
            parser.delegate = outline
            #expect(parser.parse(), "\(String(describing: parser.parserError))")
            #expect(outline.counts["svg"] == 4)
            #expect(outline.counts["table"] == 2)
            #expect(outline.counts["script"] == nil && outline.counts["link"] == nil && outline.counts["img"] == nil)
            #expect(outline.attributes.isDisjoint(with: ["src", "href", "onload", "onclick"]))
            #expect(!page.contains("url(") && !page.contains("@import"))
            #expect(page.contains("prefers-color-scheme: dark"))
            #expect(page.contains("width=device-width"))
            #expect(page.contains("&lt;script&gt;"))
        }
    }

    @Test("draws misses beside all replies where there are both, and not what is all or none")
    func lines() throws {
        var mixed = try report()
        var tally = mixed.tally
        tally.add(.verified(.miss), .init(plannedAt: 5, sentAt: 6, endedAt: 7))
        mixed = BenchReport(
            settings: mixed.settings,
            result: BenchResult(tally: tally, warmUp: mixed.result.warmUp, observed: mixed.result.observed),
            bodies: "", startedAt: "")
        func names(_ report: BenchReport) -> [String] { BenchCharts(report).all[1].lines.map(\.name) }
        #expect(names(try report()) == ["verified"])
        #expect(names(mixed) == ["verified", "hits", "misses"])
        #expect(BenchCharts(mixed).all[3].lines.map(\.name) == ["status"])
        #expect(BenchCharts(try report(failing: 0)).all[3].lines.map(\.name) == ["none"])
    }

    @Test("of a run in which nothing was measured is still a report")
    func nothing() throws {
        let settings = BenchSettings(target: try BenchTarget(.binary, "127.0.0.1:7601"))
        let result = BenchResult(
            tally: BenchTally(window: 0..<1, secondsMax: 1), warmUp: .init(),
            observed: .init(seconds: 0, isInterrupted: true))
        let report = BenchReport(settings: settings, result: result, bodies: "", startedAt: "")
        #expect(try members(report)["verified"] as? Int == 0)
        #expect(BenchTable(report).text.contains("0 s (interrupted)"))
        #expect(XMLParser(data: Data(BenchPage(report).text.utf8)).parse())
    }

    /// What a page is made of.
    private final class Outline: NSObject, XMLParserDelegate {
        var counts: [String: Int] = [:]
        var attributes: Set<String> = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            counts[name, default: 0] += 1
            self.attributes.formUnion(attributes.keys)
        }
    }
}

@Suite("A chart")
struct LineChartTests {
    @Test("has an axis to a round number above all values", arguments: [0.003, 0.9, 1, 7, 9.99, 10, 123, 45_678, 1e9])
    func axis(largest: Double) {
        let axis = LineChart.axis(max: largest)
        #expect(axis.max >= largest && axis.max <= 2 * largest)
        #expect((3...8).contains(axis.ticks.count))
        #expect(axis.ticks.first == 0)
    }

    @Test("without values has an axis all the same")
    func empty() {
        #expect(LineChart.axis(max: 0).ticks == [0, 1])
        #expect(LineChart.axis(max: .infinity).ticks == [0, 1])
    }

    @Test("draws one value as a dot, several as a line")
    func points() {
        func drawn(_ count: Int) -> String {
            let points = (0..<count).map { (x: Double($0) / 10, y: 1.0) }
            return LineChart(
                title: "t", lines: [.init(name: "a", points: points)], xTicks: [], xLabel: "x", spell: { "\($0)" }
            )
            .html
        }
        #expect(drawn(1).contains("<circle") && !drawn(1).contains("<polyline"))
        #expect(drawn(3).contains("<polyline") && !drawn(3).contains("<circle"))
    }

    @Test("shows as many nines as there are values for")
    func nines() {
        #expect([0, 99, 100, 9_999, 10_000, 1_000_000_000].map { BenchCharts.nines(of: $0) } == [1, 1, 2, 3, 4, 6])
        #expect((1...4).map { BenchNumber.percentWithNines($0) } == ["90 %", "99 %", "99.9 %", "99.99 %"])
    }
}

@Suite("Numbers for people")
struct BenchNumberTests {
    @Test("are grouped, and times have three digits and a unit")
    func spelling() {
        #expect(
            [0, 999, 1_000, 1_234_567, -1_000].map { BenchNumber.grouped($0) } == [
                "0", "999", "1,000", "1,234,567", "-1,000",
            ])
        #expect(
            [nil, 870, 62_000, 999_400, 1_234_000, 4_560_000_000].map { BenchNumber.time($0) }
                == ["-", "0.9 us", "62 us", "999 us", "1.23 ms", "4.56 s"])
        #expect([0, 200_000, 1_500_000, 2e9].map { BenchNumber.roundTime($0) } == ["0", "200 us", "1.5 ms", "2 s"])
        #expect([0.5, 10, 0.3333].map { BenchNumber.decimal($0) } == ["0.5", "10", "0.333"])
    }
}
