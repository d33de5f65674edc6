import Foundation

/// All that is told of a run, as names and values: what the table, the JSON and the page are made of.
struct BenchReport: Sendable {
    let settings: BenchSettings
    let result: BenchResult
    /// In what it was asked: `model m, prompts of 1024 bytes`, or `12 bodies of prompts.jsonl`.
    let bodies: String
    /// When it began, in UTC.
    let startedAt: String

    var tally: BenchTally { result.tally }

    /// The shares that are told, with their names in JSON.
    static let shares: [(name: String, share: Double)] = [
        ("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999), ("p99_99", 0.9999),
    ]

    /// What was to be done, in the words of the options.
    var settingLines: [(name: String, value: String)] {
        var lines = [
            ("target", "\(settings.target)"), ("loop", loopWords),
            ("connections", "\(settings.connections)"), ("pipeline", "\(settings.pipeline)"),
            ("threads", "\(min(settings.threads, settings.connections))"),
            ("bodies", bodies), ("keys", settings.distribution == .unique ? "unlimited" : "\(settings.keyCount)"),
            ("distribution", "\(settings.distribution)"),
            ("streams", BenchNumber.percent(settings.forms.streamShare)),
            ("digest first", settings.asksDigestFirst ? "yes" : "no"),
            ("duration", "\(BenchNumber.decimal(settings.duration)) s"),
            ("warm-up", "\(BenchNumber.decimal(settings.warmUp)) s"),
            ("timeout", "\(BenchNumber.decimal(settings.timeout)) s"), ("seed", "\(settings.seed)"),
        ]
        if case .open = settings.pace { lines.append(("backlog", "\(settings.backlogMax)")) }
        return lines
    }

    var loopWords: String {
        switch settings.pace {
        case .closed: "closed"
        case .open(let rate, let spacing): "open, \(BenchNumber.decimal(rate)) a second, \(spacing.rawValue)"
        }
    }

    /// The load itself was about as busy as it can be: then it may be what was measured. A plan is waited for awake, so
    /// there only how late requests were sent says so.
    var isLoadBusy: Bool {
        settings.pace == .closed
            && result.observed.ownCores > 0.9 * Double(min(settings.threads, settings.connections))
    }

    /// Failures that happened, in the order of their cases.
    var failures: [(failure: RequestFailure, count: Int)] {
        RequestFailure.allCases.map { ($0, tally.failures[$0.index]) }.filter { $0.1 > 0 }
    }

    var results: [(result: ReplyResult, count: Int)] {
        ReplyResult.allCases.map { ($0, tally.count(of: $0)) }.filter { $0.1 > 0 }
    }

    /// Most frequent first.
    var details: [(detail: String, count: Int)] {
        tally.details.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }
}

/// Numbers as people read them.
enum BenchNumber {
    /// `1,234,567`.
    static func grouped(_ number: Int) -> String {
        var digits = String(number.magnitude)
        var groups: [Substring] = []
        while digits.count > 3 {
            groups.insert(digits.suffix(3), at: 0)
            digits.removeLast(3)
        }
        return (number < 0 ? "-" : "") + ([digits[...]] + groups).joined(separator: ",")
    }

    /// `87 us`, `1.23 ms`, `4.56 s`, from nanoseconds.
    static func time(_ nanoseconds: Double?) -> String {
        guard let nanoseconds else { return "-" }
        switch nanoseconds {
        case ..<9_950: return String(format: "%.1f us", nanoseconds / 1e3)
        case ..<999_500: return String(format: "%.0f us", nanoseconds / 1e3)
        case ..<999_500_000: return String(format: "%.2f ms", nanoseconds / 1e6)
        default: return String(format: "%.2f s", nanoseconds / 1e9)
        }
    }

    /// `99.5 %`.
    static func percent(_ share: Double) -> String { "\(decimal(share * 100)) %" }

    /// With as many digits as it needs, three at most.
    static func decimal(_ number: Double) -> String {
        var text = String(format: "%.3f", number)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }
}
