import ArgumentParser
import Foundation
import SamovarServer

/// `samovar stats`: what the sidecar has done, and what it was worth.
struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show hit rates and savings of a running sidecar.",
        discussion: """
            Example:
              samovar stats
              samovar stats --watch
              samovar stats --json | jq .hit_rate
            """)

    @Option(help: "The sidecar's admin port: host:port or unix:/path.")
    var admin = "127.0.0.1:7602"

    @Flag(help: "Print the figures as JSON.")
    var json = false

    @Flag(help: "Print them again every --interval seconds, until interrupted.")
    var watch = false

    @Option(help: "Seconds between two prints with --watch, 1 to 3600.")
    var interval = 2

    func validate() throws {
        guard (1...3_600).contains(interval) else { throw ValidationError("--interval takes 1 to 3600 seconds") }
    }

    func run() async throws {
        let client = SidecarClient(server: admin)
        repeat {
            let (status, body) = try await client.get("/stats.json")
            guard status == 200 else { throw CommandFailure("\(admin) answered \(status); is it the admin port?") }
            if json {
                emit(String(decoding: body, as: UTF8.self) + "\n")
            } else {
                emit(try StatsTable(body).text + "\n")
            }
            if watch { try await Task.sleep(for: .seconds(interval)) }
        } while watch
    }
}

/// The figures as a person reads them.
struct StatsTable {
    let text: String

    init(_ body: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let stats = try decoder.decode(Stats.self, from: Data(body))
        var lines: [String] = []
        func line(_ name: String, _ value: String) {
            lines.append(name.padding(toLength: 22, withPad: " ", startingAt: 0) + value)
        }
        func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
        line("requests", "\(stats.requests.values.reduce(0, +))")
        for result in ["l1_hit", "l2_hit", "coalesced", "miss", "stale", "fallback", "bypass", "error"] {
            if let count = stats.requests[result], count > 0 { line("  \(result)", "\(count)") }
        }
        line("hit rate", "\(percent(stats.hitRate.l1)) L1, \(percent(stats.hitRate.l2)) L2")
        line("without a call", percent(stats.hitRate.withoutCall))
        line("upstream calls saved", "\(stats.upstream.callsSaved)")
        let estimated = stats.savedTokens.estimated.map { ", \($0) estimated" } ?? ""
        line(
            "tokens saved",
            "\(stats.savedTokens.prompt) prompt, \(stats.savedTokens.completion) completion\(estimated)")
        if let embeddings = stats.embeddings {
            let batches = embeddings.batches.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            line("embedding batches", "\(batches.joined(separator: ", ")); \(embeddings.inputs) inputs")
        }
        if let saved = stats.savedMicroUsd {
            line("money saved", String(format: "%.4f USD", Double(saved) / 1e6))
            if let unpriced = stats.unpricedRequests, unpriced > 0 { line("  unpriced", "\(unpriced) requests") }
        }
        for (upstream, outcomes) in stats.upstream.attempts.sorted(by: { $0.key < $1.key }) {
            let counts = outcomes.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            line("upstream \(upstream)", counts.joined(separator: ", "))
        }
        let notStored = stats.notStored.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        line("not stored", notStored.isEmpty ? "0" : notStored.joined(separator: ", "))
        if let leases = stats.leases {
            let counts = leases.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            line("shared with pods", counts.joined(separator: ", "))
        }
        for (route, steps) in (stats.ladder ?? [:]).sorted(by: { $0.key < $1.key }) {
            let counts = steps.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            line("ladder \(route)", counts.joined(separator: ", "))
        }
        for (route, arms) in (stats.split ?? [:]).sorted(by: { $0.key < $1.key }) {
            for (name, arm) in arms.sorted(by: { $0.key < $1.key }) { line("split \(route)/\(name)", Self.words(arm)) }
        }
        line("L1", "\(stats.l1.entries) entries, \(stats.l1.sizeBytes) bytes")
        if let redis = stats.redis {
            line("L2", "breaker \(redis.breaker), \(redis.hits) hits, \(redis.misses) misses, \(redis.sets) written")
        } else {
            line("L2", "none")
        }
        if let tracking = stats.tracking {
            let counts = tracking.rechecks.sorted { $0.key < $1.key }.map { ", \($0.value) \($0.key)" }.joined()
            line("L1 follows L2", "\(tracking.state)\(counts)")
        }
        if let invalidations = stats.invalidations {
            let counts = invalidations.sorted { $0.key < $1.key }.map { "\($0.value) by \($0.key)" }
            line("invalidated", counts.joined(separator: ", "))
        }
        text = lines.joined(separator: "\n")
    }

    private static func words(_ arm: Stats.ArmStats) -> String {
        var words = ["\(arm.requests) requests", "\(arm.hits) hits", "\(arm.errors) errors"]
        if let seconds = arm.firstTokenSeconds { words.append(String(format: "first token %.3f s", seconds)) }
        if let seconds = arm.latencySeconds { words.append(String(format: "whole %.3f s", seconds)) }
        words.append("\(arm.spentTokens.prompt + arm.spentTokens.completion) tokens spent")
        words.append("\(arm.savedTokens.prompt + arm.savedTokens.completion) saved")
        if let spent = arm.spentMicroUsd { words.append(String(format: "%.4f USD spent", Double(spent) / 1e6)) }
        return words.joined(separator: ", ")
    }
}
