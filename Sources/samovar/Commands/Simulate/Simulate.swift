import ArgumentParser
import SamovarCore
import SamovarEngine
import SamovarWire

/// `samovar simulate`: what a cache of some size would have done for recorded requests.
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Replay recorded requests against cache sizes, lives and policies.",
        discussion: """
            Reads an access log (one JSON object a line: time, key or request, size, generation_ms, model, \
            prompt_tokens, completion_tokens; only key or request is needed) or a cache trace, .xz, .gz and .zst too, \
            and prints for each policy, size and ttl what would have been a hit, what would have shared a call, and \
            what that is worth by the prices of --config. Traces without sizes count entries. An access log is weighed \
            as serve weighs it, with what an entry needs beside its answer. One cache stands for all shards of L1.

            Example:
              samovar simulate --trace access.jsonl --sizes 64MiB,256MiB,1GiB --ttls 1h,24h --config samovar.yaml
              samovar simulate --trace web.trace.xz --format keys32 --sizes 1024,2048 --rate 50 --generation 2s
            """)

    @Option(help: "The file; - is standard input.")
    var trace: String

    @Option(help: "How it is written: keys32, keys64, lines, sized, sized-objects, ranges or log. (default: guessed)")
    var format: String?

    @Option(help: "Sizes of the cache, such as 64MiB,1GiB; numbers of entries where the trace has no sizes.")
    var sizes: String?

    @Option(help: "How long answers are fresh, such as 1h,24h,none. (default: none)")
    var ttls: String?

    @Option(help: "Policies: lru, s3fifo. (default: both)")
    var policies: String?

    @Option(help: "Requests a second, whatever times the trace has, 0.001 to 1000000.")
    var rate: Double?

    @Option(help: "How long a call takes where the trace does not say, such as 2s. (default: none, so none is shared)")
    var generation: String?

    @Option(help: "The unit of the times in 'time key size': s, ms or us.")
    var timeUnit = "s"

    @Option(help: "The largest answer kept, such as 1MiB. (default: an eighth of the cache for a log, else all of it)")
    var itemSizeMax: String?

    @Option(help: "Bytes of an entry beside its answer. (default: what serve counts for a log, else 0)")
    var overhead: Int?

    @Option(name: .shortAndLong, help: "The configuration file with the models' prices; without it no money is shown.")
    var config: String?

    @Option(help: "The model of requests that name none.")
    var model: String?

    @Option(help: "The prompt's tokens of requests that do not say.")
    var promptTokens: Int?

    @Option(help: "The answer's tokens of requests that do not say.")
    var completionTokens: Int?

    @Option(help: "How many entries one simulated cache may have; each takes some 80 bytes.")
    var entriesMax = 8_000_000

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if let format, TraceFormat(rawValue: format) == nil {
            let names = TraceFormat.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--format takes \(names)")
        }
        if let rate, !(0.001...1_000_000).contains(rate) { throw ValidationError("--rate takes 0.001 to 1000000") }
        guard Self.timeUnits[timeUnit] != nil else { throw ValidationError("--time-unit takes s, ms or us") }
        guard (0...1 << 20).contains(overhead ?? 0) else { throw ValidationError("--overhead takes 0 to 1048576") }
        guard (1...1 << 29).contains(entriesMax) else { throw ValidationError("--entries-max takes 1 to 536870912") }
        for (name, count) in [("prompt", promptTokens), ("completion", completionTokens)] {
            guard (0...1 << 40).contains(count ?? 0) else {
                throw ValidationError("--\(name)-tokens takes 0 to 1099511627776")
            }
        }
        _ = (try chosenPolicies(), try chosenTTLs(), try generationTime())
    }

    func run() throws {
        let line = ProgressLine(isShown: !json)
        defer { line.clear() }
        let (format, outcome) = try simulate { line.show("\($0) requests") }
        line.clear()
        if outcome.lateCount > 0 {
            note(
                "\(trace): \(outcome.lateCount) requests are older than those before them, and count as coming with them"
            )
        }
        let report = SimulationReport(
            trace: trace, format: format, outcome: outcome, isPriced: config != nil)
        emit(json ? report.json + "\n" : report.text + "\n")
    }

    /// - Parameter progress: is told now and then how many requests have been read.
    func simulate(progress: (Int) -> Void) throws -> (format: TraceFormat, outcome: Simulation.Outcome) {
        var assumptions = Simulation.Assumptions()
        assumptions.interval = rate.map { .nanoseconds(Int64(1e9 / $0)) }
        assumptions.generationTime = try generationTime()
        assumptions.model = model
        if promptTokens != nil || completionTokens != nil {
            assumptions.usage = Usage(
                promptTokenCount: promptTokens ?? 0, completionTokenCount: completionTokens ?? 0)
        }
        if let config {
            assumptions.prices = try ConfigurationFile(path: config).read(Environment.all).configuration.priceTable
        }
        return try Simulation(
            file: TraceFile(trace), format: format.flatMap(TraceFormat.init(rawValue:)),
            timeUnit: Self.timeUnits[timeUnit] ?? .seconds(1), assumptions: assumptions, settings: settings,
            entryCountMax: entriesMax
        ).run(progress: progress)
    }

    private static let timeUnits: [String: Duration] = [
        "s": .seconds(1), "ms": .milliseconds(1), "us": .microseconds(1),
    ]
    private static let durations = ValueFormat<Duration>.duration(.milliseconds(1)...Configuration.Cache.lifeMax)
    private static let byteSizes = ValueFormat<Int>.size(1...1 << 50)

    /// Every cache that is asked for, in the order of policy, ttl and size.
    private func settings(_ format: TraceFormat) throws -> [Replay.Settings] {
        let ttls = try chosenTTLs()
        let hasTimes = format.hasTimes || rate != nil
        guard hasTimes || ttls == [nil] else {
            throw CommandFailure("\(trace): has no times, which --ttls needs; say --rate")
        }
        let takesTime = try generationTime() > .zero
        guard hasTimes || !takesTime else {
            throw CommandFailure("\(trace): has no times, which --generation needs; say --rate")
        }
        let sizes = try chosenSizes(hasSizes: format.hasSizes)
        let itemSize = try itemSizeMax.map { try Self.read($0, Self.byteSizes, "--item-size-max") }
        let isLog = format == .log
        return try chosenPolicies().flatMap { policy in
            ttls.flatMap { ttl in
                sizes.map { size in
                    let entryOverhead =
                        MemoryCache.overheadPerEntry + RequestKey.byteCount
                        + (policy == .s3fifo ? MemoryCache.overheadPerGhost : 0)
                    return Replay.Settings(
                        policy: policy, sizeMax: size, itemSizeMax: itemSize ?? (isLog ? size / 8 : size),
                        overhead: overhead ?? (isLog ? entryOverhead : 0), ttl: ttl)
                }
            }
        }
    }

    private func chosenPolicies() throws -> [PolicyName] {
        try policies.map { try Self.list($0).map { try Self.read($0, .choice, "--policies") } } ?? PolicyName.allCases
    }

    private func chosenTTLs() throws -> [Duration?] {
        try ttls.map { text in
            try Self.list(text).map { $0 == "none" ? nil : try Self.read($0, Self.durations, "--ttls") }
        } ?? [nil]
    }

    private func chosenSizes(hasSizes: Bool) throws -> [Int] {
        guard let sizes else {
            return hasSizes ? [1, 4, 16, 64, 256, 1_024].map { $0 << 20 } : [100, 1_000, 10_000, 100_000]
        }
        let format = hasSizes ? Self.byteSizes : .count(1...1 << 29)
        return try Self.list(sizes).map { try Self.read($0, format, "--sizes") }
    }

    private func generationTime() throws -> Duration {
        guard let generation, generation != "none" else { return .zero }
        return try Self.read(generation, Self.durations, "--generation")
    }

    private static func list(_ text: String) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private static func read<Value>(_ text: String, _ format: ValueFormat<Value>, _ option: String) throws -> Value {
        guard case .value(let value) = format.read(text) else {
            throw ValidationError("\(option) takes \(format.allowed); found '\(text)'")
        }
        return value
    }
}
