import Foundation
import SamovarCore
import SamovarWire
import Testing

@testable import samovar

@Suite("samovar simulate")
struct SimulationTests {
    /// Runs the command's own parts over this text.
    private static func outcome(
        _ text: String, _ words: [String], name: String = "trace"
    ) throws -> (format: TraceFormat, outcome: Simulation.Outcome) {
        let path = NSTemporaryDirectory() + "samovar-\(UUID().uuidString)-\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try Simulate.parse(["--trace", path] + words).simulate { _ in }
    }

    private static func failure(_ text: String, _ words: [String]) -> String {
        do {
            _ = try outcome(text, words)
            return "no failure"
        } catch {
            return Simulate.message(for: error)
        }
    }

    @Test("plays one trace against every size, life and policy, in that order")
    func every() throws {
        let words = ["--sizes", "1,2", "--ttls", "1s,none", "--rate", "10"]
        let (format, outcome) = try Self.outcome("1\n2\n1\n2\n", words)
        #expect(format == .lines)
        #expect(outcome.results.map(\.settings.sizeMax) == [1, 2, 1, 2, 1, 2, 1, 2])
        #expect(outcome.results.map(\.settings.policy).prefix(4) == [.lru, .lru, .lru, .lru])
        #expect(outcome.results.map(\.settings.ttl).prefix(4) == [.seconds(1), .seconds(1), nil, nil])
        #expect(outcome.results.map(\.figures.hitCount).prefix(4) == [0, 2, 0, 2])
    }

    @Test("an access log is weighed as serve weighs it, and priced by its models")
    func log() throws {
        let line = #"{"key":"a","time":1,"size":1000,"model":"m","prompt_tokens":1000000,"completion_tokens":0}"#
        let config = NSTemporaryDirectory() + "samovar-\(UUID().uuidString).yaml"
        try Data("models: {m: {input_per_million_usd: 2}}".utf8).write(to: URL(fileURLWithPath: config))
        defer { try? FileManager.default.removeItem(atPath: config) }
        let words = ["--sizes", "64KiB", "--policies", "lru", "--config", config]
        let result = try #require(
            Self.outcome("\(line)\n\(line)\n{\"key\":\"b\"}\n", words).outcome.results.first)
        #expect(result.settings.overhead > 400 && result.settings.itemSizeMax == 8_192)
        #expect(result.figures.hitCount == 1 && result.figures.callCount == 2 && result.figures.unpricedCount == 1)
        #expect(result.figures.savedMicroUSD == 2_000_000 && result.figures.spentMicroUSD == 2_000_000)
    }

    @Test("calls that take time are shared")
    func shared() throws {
        let words = ["--sizes", "10", "--policies", "lru", "--rate", "10", "--generation", "250ms"]
        let figures = try #require(Self.outcome("1\n1\n1\n1\n", words).outcome.results.first).figures
        #expect(figures.callCount == 1 && figures.coalescedCount == 2 && figures.hitCount == 1)
    }

    @Test(
        "says what is wrong, and where",
        arguments: [
            ("1\nx\n", [], ":2: has something that is no whole number"),
            ("hello\n", [], "its first line does not tell its format; say --format"),
            ("", [], "is empty"),
            ("1\n", ["--ttls", "1h"], "has no times, which --ttls needs; say --rate"),
            ("1\n", ["--generation", "1s"], "has no times, which --generation needs; say --rate"),
            ("1\n", ["--sizes", "1MiB"], "--sizes takes a whole number"),
            ("1\n2\n3\n", ["--sizes", "9", "--entries-max", "2"], ":3: a cache has more than 2 entries"),
            ("1\n", ["--policies", "fifo"], "--policies takes lru or s3fifo; found 'fifo'"),
            ("1\n", ["--format", "csv"], "--format takes keys32"),
        ] as [(String, [String], String)])
    func wrong(text: String, words: [String], message: String) {
        let said = Self.failure(text, words)
        #expect(said.contains(message), "\(said)")
    }
}
