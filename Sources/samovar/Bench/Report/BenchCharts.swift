import Foundation

/// What a report shows as drawings.
struct BenchCharts {
    private let report: BenchReport

    init(_ report: BenchReport) { self.report = report }

    var all: [LineChart] { [percentiles, throughput, latency, errors] }

    /// Latency over percentiles, on a scale where each nine is as far from the next.
    private var percentiles: LineChart {
        let histogram = report.tally.latency
        let nines = Self.nines(of: histogram.count)
        let stepCount = 24 * nines
        let shares = (0...stepCount).map { 1 - pow(10, -Double($0) / Double(stepCount) * Double(nines)) }
        let points = zip(shares, histogram.percentiles(shares)).enumerated().compactMap { index, pair in
            pair.1.map { (x: Double(index) / Double(stepCount), y: Double($0)) }
        }
        // Among many nines it would touch the first.
        let half = nines > 3 ? [] : [(x: log10(2) / Double(nines), label: "50 %")]
        let ticks =
            [(x: 0.0, label: "0 %")] + half
            + (1...nines).map { (x: Double($0) / Double(nines), label: BenchNumber.percentWithNines($0)) }
        return LineChart(
            title: "Latency by percentile", lines: [.init(name: "latency", points: points)], xTicks: ticks,
            xLabel: "share of verified requests that took no longer", spell: { BenchNumber.roundTime($0) })
    }

    /// As many as there are values for: with 10,000 the last is 99.99 %.
    static func nines(of count: UInt64) -> Int { count < 100 ? 1 : min(6, Int(log10(Double(count)))) }

    /// Of the measured time only: what came later are the last few. Hits or misses that are all or none have no line.
    private var throughput: LineChart {
        let verified = report.tally.verified
        var lines: [(String, (TimeSeries.Second) -> Double)] = [("verified", { Double($0.verified) })]
        if (1..<max(1, verified)).contains(report.tally.count(of: .hit)) { lines.append(("hits", { Double($0.hits) })) }
        if (1..<max(1, verified)).contains(report.tally.count(of: .miss)) {
            lines.append(("misses", { Double($0.misses) }))
        }
        let measured = Int(report.result.observed.seconds.rounded(.up))
        return over("Replies a second", lines, of: report.tally.series.seconds.prefix(measured), spell: Self.count)
    }

    private var latency: LineChart {
        let lines: [(String, (TimeSeries.Second) -> Double)] = [
            ("p50", { Double($0.latency.percentile(0.5) ?? 0) }), ("p99", { Double($0.latency.percentile(0.99) ?? 0) }),
        ]
        return over(
            "Latency over time", lines, of: report.tally.series.seconds[...], isPerSecond: false,
            spell: { BenchNumber.roundTime($0) })
    }

    /// A line for each kind of failure that happened; without any, one of zeros.
    private var errors: LineChart {
        let kinds = report.failures.map(\.failure)
        let lines: [(String, (TimeSeries.Second) -> Double)] = kinds.map { kind in
            (kind.rawValue, { Double($0.failures[kind.index]) })
        }
        return over(
            "Failures a second", lines.isEmpty ? [("none", { _ in 0 })] : lines, of: report.tally.series.seconds[...],
            spell: Self.count)
    }

    private func over(
        _ title: String, _ lines: [(String, (TimeSeries.Second) -> Double)], of seconds: ArraySlice<TimeSeries.Second>,
        isPerSecond: Bool = true, spell: @escaping (Double) -> String
    ) -> LineChart {
        let count = max(1, seconds.count)
        func place(_ index: Int) -> Double { (Double(index) + 0.5) / Double(count) }
        let drawn = lines.map { name, value in
            LineChart.Line(
                name: name,
                points: seconds.enumerated().map { index, second in
                    (x: place(index), y: value(second) / (isPerSecond ? width(of: index) : 1))
                })
        }
        let step = max(1, (count + 7) / 8)
        let ticks = stride(from: 0, to: count, by: step).map { (x: place($0), label: "\($0)") }
        return LineChart(title: title, lines: drawn, xTicks: ticks, xLabel: "second of the run", spell: spell)
    }

    /// The measured part of a second: the last one may have been cut short.
    private func width(of second: Int) -> Double {
        let rest = report.result.observed.seconds - Double(second)
        return rest > 0 && rest < 1 ? max(rest, 0.1) : 1
    }

    private static func count(_ value: Double) -> String {
        switch value {
        case 1_000_000...: "\(BenchNumber.decimal(value / 1e6)) M"
        case 10_000...: "\(BenchNumber.decimal(value / 1e3)) k"
        default: BenchNumber.decimal(value)
        }
    }
}

extension BenchNumber {
    /// A round time, for an axis: `200 us`, `1.5 ms`, `1 s`, from nanoseconds.
    static func roundTime(_ nanoseconds: Double) -> String {
        switch nanoseconds {
        case ..<1: "0"
        case ..<1e6: "\(decimal(nanoseconds / 1e3)) us"
        case ..<1e9: "\(decimal(nanoseconds / 1e6)) ms"
        default: "\(decimal(nanoseconds / 1e9)) s"
        }
    }

    /// `90 %`, `99 %`, `99.9 %`.
    static func percentWithNines(_ count: Int) -> String {
        switch count {
        case 1: "90 %"
        case 2: "99 %"
        default: "99.\(String(repeating: "9", count: count - 2)) %"
        }
    }
}
