import Foundation

/// A report as a person reads it in a terminal. No colours.
struct BenchTable {
    let text: String

    init(_ report: BenchReport) {
        let (tally, observed) = (report.tally, report.result.observed)
        var lines: [String] = []
        func line(_ name: String, _ value: String) {
            lines.append(name.padding(toLength: 12, withPad: " ", startingAt: 0) + value)
        }
        let settings = report.settings
        line("target", "\(settings.target)")
        line("load", "\(report.loopWords) loop; \(settings.connections) connections x \(settings.pipeline) in flight")
        let keys = settings.distribution == .unique ? "keys" : "\(BenchNumber.grouped(settings.keyCount)) keys"
        line("asked", "\(keys), \(settings.distribution); \(report.bodies)")
        line("fill", Self.fill(report))
        let ending = observed.isInterrupted ? " (interrupted)" : ""
        line(
            "measured",
            "\(BenchNumber.decimal(observed.seconds)) s\(ending) after \(BenchNumber.decimal(settings.warmUp)) s")
        line("requests", Self.requests(tally))
        for (failure, count) in report.failures { line("  \(failure.rawValue)", BenchNumber.grouped(count)) }
        for (detail, count) in report.details { line("  said", "\(BenchNumber.grouped(count)) x \(detail)") }
        let results = report.results.map { "\(BenchNumber.grouped($0.count)) \($0.result.rawValue)" }
        line("results", results.isEmpty ? "-" : results.joined(separator: ", "))
        if settings.asksDigestFirst { line("digests", "\(BenchNumber.grouped(tally.bodiesNeeded)) needed the body") }
        line(
            "throughput",
            "\(BenchNumber.grouped(Int(report.result.throughput.rounded()))) a second, "
                + String(format: "%.1f", Self.mebibytesPerSecond(report)) + " MiB/s of answers")
        line("latency", Self.latency(tally.latency))
        if case .open = settings.pace { line("sent late", Self.late(tally.sendLag)) }
        if let process = observed.process { line("cpu", Self.process(process, report)) }
        line("own cpu", String(format: "%.2f cores", observed.ownCores) + (report.isLoadBusy ? Self.busyWarning : ""))
        text = lines.joined(separator: "\n")
    }

    private static let busyWarning = "; the load itself was the limit: more --threads may show more"

    private static func fill(_ report: BenchReport) -> String {
        let warmUp = report.result.warmUp
        guard warmUp.asked > 0 else { return "none" }
        return "\(BenchNumber.grouped(warmUp.verified)) verified, \(BenchNumber.grouped(warmUp.failed)) failed in "
            + String(format: "%.1f s", warmUp.seconds)
    }

    private static func requests(_ tally: BenchTally) -> String {
        let all = tally.verified + tally.failed + tally.unfinished
        var words = "\(BenchNumber.grouped(all)): \(BenchNumber.grouped(tally.verified)) verified, "
        words += "\(BenchNumber.grouped(tally.failed)) failed"
        return tally.unfinished > 0 ? words + ", \(BenchNumber.grouped(tally.unfinished)) unfinished" : words
    }

    static func mebibytesPerSecond(_ report: BenchReport) -> Double {
        let seconds = report.result.observed.seconds
        return seconds > 0 ? Double(report.tally.servedBytes) / seconds / Double(1 << 20) : 0
    }

    private static func latency(_ latency: LatencyHistogram) -> String {
        guard latency.count > 0 else { return "-" }
        let values = latency.percentiles(BenchReport.shares.map(\.share))
        let named = zip(BenchReport.shares, values).map { share, value in
            "\(share.name.replacingOccurrences(of: "_", with: ".")) \(BenchNumber.time(value.map { Double($0) }))"
        }
        return (named + ["max \(BenchNumber.time(Double(latency.max)))"]).joined(separator: ", ")
    }

    private static func late(_ lag: LatencyHistogram) -> String {
        let values = lag.percentiles([0.5, 0.99]).map { BenchNumber.time($0.map { Double($0) }) }
        return "p50 \(values[0]), p99 \(values[1]) after the plan (in the latency above)"
    }

    private static func process(_ process: BenchResult.ProcessShare, _ report: BenchReport) -> String {
        let words = "\(process.name) (pid \(process.pid)): "
        guard let seconds = process.seconds, report.result.observed.seconds > 0 else {
            return words + "it ended during the run"
        }
        let cores = String(format: "%.2f cores", seconds / report.result.observed.seconds)
        guard let each = report.result.processorMicrosecondsPerRequest else { return words + cores }
        return words + String(format: "%.2f us a request, ", each) + cores
    }
}
