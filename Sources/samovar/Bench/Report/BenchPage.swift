import Foundation

/// A report as one page of HTML that needs nothing else: drawings and style are in it, nothing is loaded. Well-formed
/// as XML too.
struct BenchPage {
    let text: String

    init(_ report: BenchReport) {
        let title = HTMLText.escaped("samovar bench: \(report.settings.target)")
        let charts = BenchCharts(report).all.map(\.html).joined(separator: "\n")
        text = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <title>\(title)</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <h1>\(title)</h1>
            <p>\(HTMLText.escaped(report.startedAt))</p>
            \(Self.highlights(report))
            <div class="charts">
            \(charts)
            </div>
            <h2>Results</h2>
            \(Self.table(Self.results(report)))
            <h2>Settings</h2>
            \(Self.table(report.settingLines))
            </body>
            </html>

            """
    }

    private static func highlights(_ report: BenchReport) -> String {
        let latency = report.tally.latency.percentiles([0.5, 0.99]).map { BenchNumber.time($0.map { Double($0) }) }
        var figures = [
            ("verified a second", BenchNumber.grouped(Int(report.result.throughput.rounded()))),
            ("p50", latency[0]), ("p99", latency[1]), ("failed", BenchNumber.grouped(report.tally.failed)),
        ]
        if let each = report.result.processorMicrosecondsPerRequest {
            figures.append(("CPU a request", String(format: "%.2f us", each)))
        }
        let items = figures.map {
            "<div class=\"figure\"><b>\(HTMLText.escaped($0.1))</b><span>\(HTMLText.escaped($0.0))</span></div>"
        }
        return "<div class=\"figures\">\(items.joined())</div>"
    }

    private static func results(_ report: BenchReport) -> [(name: String, value: String)] {
        let lines = BenchTable(report).text.split(separator: "\n")
        return lines.map { line in
            let name = line.prefix(12)
            return (name.trimmingCharacters(in: .whitespaces), String(line.dropFirst(12)))
        }
    }

    private static func table(_ rows: [(name: String, value: String)]) -> String {
        let rows = rows.map {
            "<tr><th scope=\"row\">\(HTMLText.escaped($0.name))</th><td>\(HTMLText.escaped($0.value))</td></tr>"
        }
        return "<table>\n\(rows.joined(separator: "\n"))\n</table>"
    }

    private static let style = """
        :root { color-scheme: light dark; --text: #1c1c1c; --back: #fff; --soft: #666; --rule: #d8d8d8;
          --c0: #0b62c4; --c1: #b3261e; --c2: #1b7f3b; --c3: #8a5a00; --c4: #7b2cbf; --c5: #00717d; }
        @media (prefers-color-scheme: dark) {
          :root { --text: #e8e8e8; --back: #15171a; --soft: #a0a0a0; --rule: #3a3d42;
            --c0: #6db3ff; --c1: #ff8a80; --c2: #7ad694; --c3: #e6b450; --c4: #c9a0ff; --c5: #5fd0dc; } }
        body { margin: 0 auto; padding: 1rem; max-width: 68rem; color: var(--text); background: var(--back);
          font: 16px/1.45 system-ui, sans-serif; }
        h1 { font-size: 1.3rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; }
        .figures { display: flex; flex-wrap: wrap; gap: .75rem 2rem; }
        .figure b { display: block; font-size: 1.5rem; } .figure span { color: var(--soft); }
        .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
        figure { margin: 1rem 0 0; } figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
        svg text { fill: var(--soft); font: 13px system-ui, sans-serif; } .grid { stroke: var(--rule); }
        polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
        .legend { margin: 0; font-size: .9rem; } .key { margin-right: .8rem; white-space: nowrap; }
        .dot { display: inline-block; width: .7em; height: .7em; margin-right: .35em; border-radius: 50%; }
        \(colours)
        table { border-collapse: collapse; width: 100%; } th { width: 9rem; text-align: left; font-weight: 400;
          color: var(--soft); vertical-align: top; } th, td { padding: .25rem .5rem .25rem 0;
          border-bottom: 1px solid var(--rule); } td { overflow-wrap: anywhere; }
        @media (max-width: 30rem) { th { width: 6.5rem; } }
        """

    private static let colours = (0..<6).map { index in
        "polyline.line-\(index) { stroke: var(--c\(index)); } "
            + "circle.line-\(index), .dot-\(index) { fill: var(--c\(index)); background: var(--c\(index)); }"
    }.joined(separator: "\n")
}
