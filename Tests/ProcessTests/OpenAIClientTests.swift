import Foundation
import Testing

extension RealProcesses {
    /// The package that applications use, through the sidecar.
    @Suite("the openai package", .enabled(if: OpenAIPackage.python != nil, "the openai package cannot be had here"))
    struct OpenAIClient {
        @Test(
            "is answered as by the provider itself, the first time and from memory",
            arguments: [
                "plain", "stream", "tools", "streamed_tools", "embeddings",
            ])
        func answers(name: String) throws {
            let scene = try Scene()

            #expect(try OpenAIPackage.run(name, scene.sidecar) == "ok\n")
        }

        @Test("has half of its calls answered from memory", arguments: ["plain", "stream", "tools"])
        func remembered(name: String) throws {
            let scene = try Scene()

            _ = try OpenAIPackage.run(name, scene.sidecar)

            #expect(try scene.calls == 1)
        }

        @Test("sees a refusal as the error that it is", arguments: [400, 401, 404, 429, 500])
        func refused(status: Int) throws {
            let scene = try Scene("--status", "\(status)", "--retry-after", "7")

            #expect(try OpenAIPackage.run("refused-\(status)", scene.sidecar) == "ok\n")
        }

        @Test("sees a stream that breaks off as an error")
        func cut() throws {
            let scene = try Scene("--cut-after-tokens", "5")

            #expect(try OpenAIPackage.run("cut", scene.sidecar) == "ok\n")
        }

        @Test("fifty who ask at once are one call")
        func fifty() throws {
            let scene = try Scene("--first-token-ms", "1500")

            #expect(try OpenAIPackage.run("fifty", scene.sidecar) == "ok\n")
            #expect(try scene.calls == 1)
        }

        @Test("embeddings that are asked for together are each as the provider itself would have answered")
        func embeddingsTogether() throws {
            let scene = try Scene("--json-ms", "1000") { $0.batchesEmbeddings() }

            #expect(try OpenAIPackage.run("gather_embeddings", scene.sidecar) == "ok\n")
            // Forty texts, and the two ways to spell vectors are two kinds.
            #expect(try scene.calls < 20)
        }

        @Test("an embedding that is refused by its place is refused alone")
        func embeddingRefused() throws {
            let scene = try Scene("--json-ms", "300", "--refuse-input-text", "bad") { $0.batchesEmbeddings() }

            #expect(try OpenAIPackage.run("refused_embedding", scene.sidecar) == "ok\n")
        }
    }
}

/// The `openai` package in a virtual environment of these tests.
enum OpenAIPackage {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

    /// Under the package's `.build`, where it outlives the run; in a folder of its own where there is none.
    private static let home: String? = {
        let build = folder.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(".build").path
        if FileManager.default.fileExists(atPath: build) { return "\(build)/openai-client" }
        return temporary.map { $0.file("openai-client") }
    }()
    private static let temporary = try? TemporaryFolder()

    /// A Python that can import it; nil where that cannot be had.
    static let python: String? = {
        guard let home, let system = Program.installed("python3") else { return nil }
        let python = "\(home)/bin/python"
        if succeeds(python, ["-c", "import openai"]) { return python }
        guard succeeds(system, ["-m", "venv", "--clear", home]),
            succeeds(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "openai"]),
            succeeds(python, ["-c", "import openai"])
        else { return nil }
        return python
    }()

    /// Plays one scene; what it printed, with its complaint if it has one.
    static func run(_ scene: String, _ sidecar: Sidecar) throws -> String {
        let script = folder.appendingPathComponent("openai_client.py").path
        let process = try ChildProcess(python ?? "", [script, scene, "http://\(sidecar.http)/v1"])
        _ = process.ends(within: .seconds(60))
        return process.output + process.errors
    }

    private static func succeeds(_ program: String, _ arguments: [String]) -> Bool {
        guard access(program, X_OK) == 0, let process = try? ChildProcess(program, arguments) else { return false }
        return process.ends(within: .seconds(180)) == .exited(0)
    }
}
