import Foundation
import Testing

extension RealProcesses {
    /// The command line beside a running sidecar.
    @Suite("commands")
    struct Commands {
        /// Runs `samovar` with these words to its end.
        private func run(_ words: [String], environment: [String: String] = [:]) throws -> (
            status: Int32, output: String, errors: String
        ) {
            let process = try ChildProcess(Program.built("samovar"), words, environment: environment)
            guard case .exited(let status)? = process.ends() else {
                throw HarnessError.notReady("the end of \(words)", output: process.errors)
            }
            return (status, process.output, process.errors)
        }

        private func file(_ name: String, _ text: String, in folder: TemporaryFolder) throws -> String {
            try folder.write(name, text)
        }

        @Test("ask prints the answer as it streams, then how it was answered, and for whom")
        func ask() throws {
            let scene = try Scene()
            let server = "\(scene.sidecar.http)"

            let first = try run(["ask", "hello", "--server", server])
            let second = try run(["ask", "hello", "--server", server, "--json"])

            #expect(first.status == 0)
            #expect(first.output.contains(".end"))
            #expect(first.errors.hasPrefix("miss in "))
            #expect(first.errors.contains("tenant anonymous"))
            #expect(JSON(second.output)["result"].string == "hit")
            #expect(JSON(second.output)["tenant"].string == "anonymous")
            #expect(first.output.hasPrefix(JSON(second.output)["text"].string ?? "?"))
        }

        @Test("ask says in one line what is wrong, and fails")
        func askFails() throws {
            let scene = try Scene("--status", "429")
            let refused = try run(["ask", "hello", "--server", "\(scene.sidecar.http)"])
            let absent = try run(["ask", "hello", "--server", "127.0.0.1:1"])
            let keyless = try run(["ask", "hello", "--server", "127.0.0.1:1", "--api-key-env", "NOT_SET_ANYWHERE"])

            #expect(refused.status != 0 && refused.errors.contains("429"))
            #expect(absent.status != 0 && absent.errors.split(separator: "\n").count == 1)
            #expect(keyless.status != 0 && keyless.errors.contains("NOT_SET_ANYWHERE"))
        }

        @Test("warm asks each line, goes on where it stopped, and asks failed lines again")
        func warm() throws {
            let scene = try Scene()
            let folder = try TemporaryFolder()
            let lines = (0..<20).map { Chat("warm \($0)").body } + ["", "{broken"]
            let path = try file("prompts.jsonl", lines.joined(separator: "\n"), in: folder)
            let server = "\(scene.sidecar.http)"

            let preview = try run(["warm", path, "--server", server, "--dry-run"])
            let callsBefore = try scene.calls
            let first = try run(["warm", path, "--server", server, "--json"])
            let again = try run(["warm", path, "--server", server, "--json"])
            let anew = try run(["warm", path, "--server", server, "--json", "--restart"])

            #expect(preview.output.contains("would ask 20 of 21 lines"))
            #expect(preview.errors.contains(":22: "))
            #expect(callsBefore == 0)
            #expect(first.status == 1)
            #expect(JSON(first.output)["results"]["miss"].int == 20)
            #expect(first.errors.contains("prompts.jsonl:22: the body is not valid JSON"))
            #expect(JSON(again.output)["asked"].int == 1)
            #expect(JSON(anew.output)["results"]["hit"].int == 20)
            #expect(try scene.calls == 20)
        }

        @Test("stats shows the figures of the admin port, with money only where there are prices")
        func stats() throws {
            let plain = try Scene()
            let priced = try Scene {
                $0.more = ["models: {m: {input_per_million_usd: 1, output_per_million_usd: 1}}"]
            }
            for scene in [plain, priced] {
                for _ in 0..<3 { _ = try scene.ask(Chat("again")) }
            }

            let figures = JSON(try run(["stats", "--admin", "\(plain.sidecar.admin)", "--json"]).output)
            let table = try run(["stats", "--admin", "\(plain.sidecar.admin)"]).output
            let money = JSON(try run(["stats", "--admin", "\(priced.sidecar.admin)", "--json"]).output)

            #expect(figures["requests"]["l1_hit"].int == 2)
            #expect(figures["requests"]["miss"].int == 1)
            #expect(figures["upstream"]["calls_saved"].int == 2)
            #expect(figures["saved_micro_usd"].int == nil)
            #expect(!table.contains("money"))
            #expect(table.contains("66.7 % L1"))
            #expect(money["saved_micro_usd"].int != nil)
        }

        @Test("explain says why two requests differ, and whether they do by its exit status")
        func explain() throws {
            let folder = try TemporaryFolder()
            let one = try file(
                "a.json", #"{"model":"m","messages":[{"role":"user","content":"a"}],"n":1.0}"#, in: folder)
            let same = try file(
                "b.json", #"{ "n":1,"messages":[{"content":"\u0061","role":"user"}], "model":"m", "stream":true}"#,
                in: folder)
            let other = try file(
                "c.json", #"{"model":"m","messages":[{"role":"user","content":"c"}],"n":1}"#, in: folder)

            let equal = try run(["explain", one, same])
            let differing = try run(["explain", one, other])

            #expect(equal.status == 0)
            #expect(equal.output.contains("the same request"))
            #expect(differing.status == 1)
            #expect(differing.output.contains(#"messages[0].content: "a" | "c""#))
        }

        @Test(
            "every command has help with an example", arguments: ["serve", "ask", "warm", "stats", "explain", "bench"])
        func help(command: String) throws {
            let help = try run([command, "--help"])
            #expect(help.status == 0)
            #expect(help.output.contains("samovar \(command)"))
            #expect(help.output.contains("Example:"))
        }
    }
}
