import Foundation
import Testing

@testable import samovar

/// The example that stands in the repository.
enum ConfigurationExample {
    static var text: String {
        get throws {
            var file = URL(fileURLWithPath: #filePath)
            for _ in 0..<4 { file.deleteLastPathComponent() }
            return try String(contentsOf: file.appendingPathComponent("Config/samovar.yaml"), encoding: .utf8)
        }
    }
}

struct ConfigurationExampleTests {
    @Test("the example is read without an error and without a warning")
    func isRead() throws {
        let reading = try ConfigurationText(ConfigurationExample.text).reading()
        #expect(reading.warnings == [])
        try reading.configuration.checkServable()
    }

    @Test("the example has the defaults where it says so")
    func defaults() throws {
        let example = try ConfigurationText(ConfigurationExample.text).read()
        var expected = Configuration()
        expected.upstreams = [
            UpstreamConfiguration(
                name: "deepseek", url: "https://api.deepseek.com/v1", apiKeyEnv: "DEEPSEEK_API_KEY")
        ]
        var reasoning = RouteConfiguration(name: "reasoning")
        reasoning.match = .init(call: .chat, model: "deepseek-reasoner*")
        reasoning.upstreams = ["deepseek"]
        reasoning.ttl = .seconds(6 * 3_600)
        reasoning.key.ignore = ["user"]
        expected.routes = [reasoning, .default]
        expected.models = [
            "deepseek-chat": ModelPrice(inputMicroUSDPerMillion: 280_000, outputMicroUSDPerMillion: 420_000)
        ]
        #expect(example == expected)
    }

    @Test("the example shows every key")
    func everyKey() throws {
        let example = try ConfigurationDocument.parse(Array(ConfigurationExample.text.utf8))
        let shown = Set(paths(of: example))
        let known = paths(
            of: ConfigurationNode(
                rendering: try ConfigurationText(ConfigurationExample.text).read(), Configuration.keys))
        #expect(known.filter { !shown.contains($0) } == [])
    }

    /// The paths of all keys, where a list's first item stands for all.
    private func paths(of node: ConfigurationNode, at path: String = "") -> [String] {
        switch node.content {
        case .null, .scalar: []
        case .list(let items): items.first.map { paths(of: $0, at: path + "[]") } ?? []
        case .mapping(let members):
            members.flatMap { [keyPath(path, $0.key)] + paths(of: $0.value, at: keyPath(path, $0.key)) }
        }
    }
}
