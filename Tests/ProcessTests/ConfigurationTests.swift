import Foundation
import Testing

extension RealProcesses {
    /// What it makes of its configuration file.
    @Suite("configuration")
    struct ConfigurationFiles {
        private func refusal(_ yaml: String, environment: [String: String] = [:]) throws -> (
            ending: ChildProcess.Ending?, text: String
        ) {
            let folder = try TemporaryFolder()
            let path = try folder.write("samovar.yaml", yaml)
            let process = try ChildProcess(
                try Program.built("samovar"), ["serve", "--config", path], environment: environment)
            let ending = process.ends(within: .seconds(10))
            #expect(process.output == "")
            return (ending, process.errors)
        }

        private static let base =
            "listen:\n  http: 127.0.0.1:0\n  admin: 127.0.0.1:0\n  binary: 127.0.0.1:0\n"
            + "upstreams:\n  - name: p\n    url: http://127.0.0.1:1/v1\n"

        @Test(
            "what is wrong is named, with its line and what was meant",
            arguments: [
                ("limits:\n  body_size_maxx: 1MiB\n", ["body_size_max", "9"]),
                ("limitz:\n  body_size_max: 1MiB\n", ["limits", "8"]),
                ("cache:\n  ttl: 1 week\n", ["cache.ttl", "9"]), ("cache:\n  ttl: 60\n", ["cache.ttl", "9"]),
                ("limits:\n  body_size_max: NaN\n", ["body_size_max", "9"]),
                ("limits:\n  flights_max: 0\n", ["flights_max", "1"]),
                ("limits:\n  flights_max: -5\n", ["flights_max"]),
                ("limits:\n  body_size_max: 5TiB\n", ["body_size_max"]),
                ("log:\n  level: loud\n", ["log.level", "info"]),
                ("routes:\n  - name: r\n    upstreams: [q]\n", ["'q'"]),
                ("cache:\n  ttl: 1h\ncache:\n  ttl: 2h\n", ["cache"]), ("cache: [\n", ["9"]),
                ("x: &a [1]\ny: [*a, *a]\n", []),
            ])
        func wrong(yaml: String, words: [String]) throws {
            let (ending, text) = try refusal(Self.base + yaml)

            #expect(ending != nil && ending != .exited(0))
            for word in words { #expect(text.contains(word)) }
        }

        @Test(
            "an address that other machines can reach is refused",
            arguments: ["0.0.0.0:0", "10.0.0.1:0", "'[::]:0'", "example.com:80"])
        func reachable(address: String) throws {
            let (ending, text) = try refusal(
                Self.base.replacingOccurrences(of: "http: 127.0.0.1:0", with: "http: \(address)"))

            #expect(ending != nil && ending != .exited(0))
            #expect(text.contains("listen.http"))
        }

        @Test("a key whose variable is not set is an error that names the variable")
        func missingKey() throws {
            let (ending, text) = try refusal(Self.base + "    api_key_env: NOT_SET_ANYWHERE\n")

            #expect(ending != nil && ending != .exited(0))
            #expect(text.contains("NOT_SET_ANYWHERE"))
        }

        @Test(
            "a file that is missing, a folder, or too large is one clear line",
            arguments: ["/nowhere/samovar.yaml", "/tmp", "large"])
        func unreadable(path: String) throws {
            let folder = try TemporaryFolder()
            let path =
                path == "large" ? try folder.write("large.yaml", String(repeating: "# filler\n", count: 300_000)) : path
            let process = try ChildProcess(try Program.built("samovar"), ["serve", "--config", path])

            let ending = process.ends(within: .seconds(10))

            #expect(ending != nil && ending != .exited(0))
            #expect(process.errors.split(separator: "\n").count == 1)
        }

        @Test("a reload takes what can change, without a restart")
        func reload() throws {
            let scene = try Scene()
            let before = try scene.ask(Chat("reload"))

            try scene.sidecar.reload(
                SidecarSettings(upstream: scene.provider.url).with { $0.more = ["debug_headers: true"] })
            let isTaken = try eventually { try scene.ask(Chat("reload"))["x-samovar-key"] != nil }

            #expect(before["x-samovar-key"] == nil)
            #expect(isTaken)
            #expect(try scene.sidecar.metric("samovar_config_last_reload_successful") == 1)
        }

        @Test(
            "a reload that is no good changes nothing, and shows in the metrics",
            arguments: ["limits: {body_size_maxx: 1MiB}", "x: [", "listen: 7"])
        func badReload(line: String) throws {
            let scene = try Scene { $0.more = ["debug_headers: true"] }
            _ = try scene.ask(Chat("keep"))

            try scene.sidecar.reload(SidecarSettings(upstream: scene.provider.url).with { $0.more = [line] })
            let isSeen = try eventually { try scene.sidecar.metric("samovar_config_last_reload_successful") == 0 }
            let reply = try scene.ask(Chat("keep"))

            #expect(isSeen)
            #expect(reply["x-cache"] == "HIT")
            #expect(reply["x-samovar-key"] != nil)
            #expect(scene.sidecar.process.hasEnded() == nil)
        }

        @Test("reloads under load fail no request")
        func reloadsUnderLoad() throws {
            let scene = try Scene("--token-ms", "10")
            let settings = SidecarSettings(upstream: scene.provider.url)
            let chats = (0..<40).map { Chat("load \($0)", stream: true) }
            let crowd = try Crowd(chats.map { RawRequest.post(body: $0.body) }, to: scene.sidecar.http)

            for round in 0..<20 {
                try scene.sidecar.reload(settings.with { $0.cache = ["ttl": "\(round + 1)h"] })
                crowd.run(within: .milliseconds(15)) { _ in false }
            }
            let replies = crowd.finish()

            #expect(zip(replies, chats).compactMap { Verifier().complaint($0 ?? HTTPReply(), to: $1) } == [])
        }

        @Test("secrets are masked where the configuration is shown")
        func shown() throws {
            let folder = try TemporaryFolder()
            let yaml = Self.base + "    api_key_env: KEY\nredis:\n  url: redis://:canary-password@127.0.0.1:1/0\n"
            let path = try folder.write("samovar.yaml", yaml)
            let process = try ChildProcess(
                try Program.built("samovar"), ["config", "show", "--config", path], environment: ["KEY": "canary-key"])

            #expect(process.ends() == .exited(0))
            #expect(process.output.contains("redis"))
            #expect(!(process.output + process.errors).contains("canary"))
        }
    }
}
