import ArgumentParser
import Foundation
import SamovarCore
import UnixSignals

/// `samovar bench`: puts load on a running sidecar, and says how it bore it.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put load on a running sidecar and measure it.",
        discussion: """
            Asks prompts made here, or the bodies of a file, and checks every reply: its status, its form, and that it \
            came to its end (a stream to its [DONE]). Without --rate the next request is sent when one is answered; with \
            it requests are sent by a plan that does not wait for answers, and latency counts from the planned time. \
            First each key is asked once, so the upstream is called at most --keys times for a load of hits. Ctrl-C ends \
            the run and prints what was measured. Exits 1 when no reply was right.

            Example:
              samovar bench --binary 127.0.0.1:7601 --pid $(pgrep -nx samovar)
              samovar bench --rate 500 --arrivals poisson --html report.html
              samovar bench --distribution unique --streams 0.5 --json
            """)

    @Option(help: "The sidecar's HTTP port: host:port or unix:/path. (default: 127.0.0.1:7600 without --binary)")
    var http: String?

    @Option(help: "The sidecar's binary port instead, host:port or unix:/path.")
    var binary: String?

    @Flag(help: "Let the port be on another machine.")
    var allowRemote = false

    @Option(help: "Connections, 1 to 4096.")
    var connections = 16

    @Option(help: "Requests in flight on each, 1 to 256; on HTTP they are pipelined.")
    var pipeline = 1

    @Option(help: "Threads that the connections are shared among, 1 to 64.")
    var threads = 1

    @Option(help: "Seconds that are measured, 0.1 to 3600.")
    var duration = 10.0

    @Option(help: "Seconds of load before that which are not, 0 to 600.")
    var warmup = 1.0

    @Flag(inversion: .prefixedNo, help: "Ask each key once first.")
    var fill = true

    @Option(help: "Requests a second, 0.01 to 1000000, sent by a plan. (default: as fast as they are answered)")
    var rate: Double?

    @Option(help: "How the plan spaces them: constant or poisson. (default: constant)")
    var arrivals: String?

    @Option(help: "With --rate, how many may wait for a free connection; what is due beyond is dropped, and counted.")
    var backlog = 10_000

    @Option(help: "Different prompts, 1 to 1000000. (default: 100)")
    var keys: Int?

    @Option(help: "How often which is asked: uniform, zipf:EXPONENT, sequential or unique (each once, so all miss).")
    var distribution = "zipf:0.99"

    @Option(help: "Bytes of a prompt, 34 to 1048576.")
    var size = 1_024

    @Option(help: "The share of requests that ask for a stream, 0 to 1. (default: 0)")
    var streams: Double?

    @Option(help: "The model to ask. (default: deepseek-chat)")
    var model: String?

    @Option(help: "The bodies' max_tokens; answers that it cuts are as a rule not stored. (default: none)")
    var maxTokens: Int?

    @Option(help: "A file of bodies (JSONL) to ask instead of prompts made here.")
    var body: String?

    @Flag(help: "On the binary port, ask by the body's digest, and with the body where that is not enough.")
    var digest = false

    @Option(help: "Seconds that a reply may take, 0.1 to 600; looked at every 0.1 s.")
    var timeout = 30.0

    @Option(help: "The environment variable that holds the API key to send along.")
    var apiKeyEnv: String?

    @Option(help: "Of the sidecar's process, to say what processor time a request costs it.")
    var pid: Int32?

    @Option(help: "Of keys, streams and arrivals: the same seed, the same requests.")
    var seed: UInt64 = 1

    @Flag(help: "Print one JSON object.")
    var json = false

    @Option(help: "Also write a page with plots to this file.")
    var html: String?

    func validate() throws {
        guard http == nil || binary == nil else { throw ValidationError("--http and --binary exclude each other") }
        try check(BenchSettings.connectionCounts, connections, "--connections")
        try check(BenchSettings.pipelines, pipeline, "--pipeline")
        try check(BenchSettings.threadCounts, threads, "--threads")
        try check(BenchSettings.durations, duration, "--duration")
        try check(BenchSettings.warmUps, warmup, "--warmup")
        try check(BenchSettings.timeouts, timeout, "--timeout")
        try check(BenchSettings.backlogs, backlog, "--backlog")
        try check(GeneratedBody.promptSizes, size, "--size")
        try check(BenchSettings.keyCounts, keys ?? 1, "--keys")
        try check(0.0...1.0, streams ?? 0, "--streams")
        try check(1...1_000_000, maxTokens ?? 1, "--max-tokens")
        try check(1...Int32.max, pid ?? 1, "--pid")
        if let rate { try check(BenchSettings.rates, rate, "--rate") }
        guard arrivals == nil || ArrivalPlan.Spacing(rawValue: arrivals ?? "") != nil else {
            throw ValidationError("--arrivals takes constant or poisson")
        }
        guard arrivals == nil || rate != nil else { throw ValidationError("--arrivals needs --rate") }
        guard let keyDistribution = KeyDistribution(distribution) else {
            throw ValidationError("--distribution takes uniform, zipf:0.01 to zipf:10, sequential or unique")
        }
        guard !digest || binary != nil else { throw ValidationError("--digest needs --binary") }
        guard keyDistribution != .unique || (!digest && body == nil && keys == nil) else {
            throw ValidationError("--distribution unique excludes --digest, --body and --keys")
        }
        guard body == nil || (streams == nil && keys == nil && model == nil && maxTokens == nil) else {
            throw ValidationError("--body excludes --keys, --streams, --model and --max-tokens: they are the file's")
        }
    }

    private func check<Value: Comparable>(_ range: ClosedRange<Value>, _ value: Value, _ name: String) throws {
        guard range.contains(value) else {
            throw ValidationError("\(name) takes \(range.lowerBound) to \(range.upperBound)")
        }
    }

    func run() async throws {
        let bodies = try makeBodies()
        let settings = try makeSettings(bodies)
        let authorization = try SidecarClient.authorization(env: apiKeyEnv)
        let startedAt = Date().formatted(.iso8601)
        try checkWritable(html)
        let flags = LoadFlags()
        let run = BenchRun(
            settings: settings, bodies: bodies, authorization: authorization, flags: flags, showsProgress: !json)
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let ending = Task {
            for await _ in signals {
                // Whoever asks twice does not want to wait for figures.
                if flags.isStopped { Foundation.exit(130) }
                flags.stopNow()
            }
        }
        defer { ending.cancel() }
        let report = BenchReport(
            settings: settings, result: try await run.run(), bodies: describe(bodies), startedAt: startedAt)
        emit((json ? BenchJSON(report).text : BenchTable(report).text) + "\n")
        if let html { try write(BenchPage(report).text, to: html) }
        if report.tally.verified == 0, !report.result.observed.isInterrupted {
            throw CommandFailure("no reply was right\(report.details.first.map { ": \($0.detail)" } ?? "")")
        }
    }

    private func makeBodies() throws -> BenchBodies {
        if let body { return .own(try OwnBody.all(in: body)) }
        // Prompts that nobody has asked before, whatever the seed.
        let mark = distribution == "unique" ? UInt64.random(in: .min ... .max) : seed
        return .generated(
            GeneratedBody(model: model ?? "deepseek-chat", promptSize: size, tokenMax: maxTokens, mark: mark))
    }

    private func makeSettings(_ bodies: BenchBodies) throws -> BenchSettings {
        let target =
            if let binary { try BenchTarget(.binary, binary) } else { try BenchTarget(.http, http ?? "127.0.0.1:7600") }
        guard allowRemote || target.isOnThisMachine else {
            throw CommandFailure("\(target.address) is another machine; --allow-remote puts load on it all the same")
        }
        var settings = BenchSettings(target: target)
        settings.connections = connections
        settings.pipeline = pipeline
        settings.threads = threads
        settings.distribution = KeyDistribution(distribution) ?? .uniform
        settings.keyCount = keys ?? settings.keyCount
        settings.forms = .share(streams ?? 0)
        if case .own(let own) = bodies {
            settings.keyCount = own.count
            settings.forms = .ofKeys(own.map(\.isStream))
        }
        settings.asksDigestFirst = digest
        settings.duration = duration
        settings.warmUp = warmup
        settings.timeout = timeout
        settings.fills = fill && settings.distribution != .unique
        settings.backlogMax = backlog
        settings.seed = seed
        settings.pid = pid
        if let rate {
            settings.pace = .open(rate: rate, spacing: arrivals.flatMap(ArrivalPlan.Spacing.init) ?? .constant)
        }
        return settings
    }

    private func describe(_ bodies: BenchBodies) -> String {
        switch bodies {
        case .generated(let body): "prompts of \(body.promptSize) bytes for \(body.model)"
        case .own(let own): "\(own.count) bodies of \(body ?? "a file")"
        }
    }

    /// Before the load, not after it. What is there stays until there is something better.
    private func checkWritable(_ path: String?) throws {
        guard let path else { return }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw CommandFailure("\(path): cannot be written")
        }
    }

    private func write(_ text: String, to path: String) throws {
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw CommandFailure("\(path): cannot be written")
        }
    }
}
