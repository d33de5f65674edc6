import Foundation
import Testing

extension RealProcesses {
    /// Callers whose hosts are gone without a word: no end, no reset, nothing acknowledged. What the sidecar sends them
    /// fits into the socket's buffer, so no write of its own is ever late; it is the kernel who must give up.
    @Suite("callers on dead hosts", .enabled(if: PrivateNetwork.isPossible, Comment(rawValue: PrivateNetwork.skipped)))
    struct DeadHosts {
        /// A provider and a sidecar in a network of their own.
        private struct PrivateScene {
            let network: PrivateNetwork
            let provider: Provider
            let sidecar: Sidecar
            private let folder: TemporaryFolder

            init(_ flags: String...) throws {
                let (network, folder) = (try PrivateNetwork(), try TemporaryFolder())
                (self.network, self.folder) = (network, folder)
                provider = try Provider(flags, under: network.entrance)
                let settings = SidecarSettings(upstream: provider.url).with {
                    // A Unix socket reaches into the network.
                    $0.listen["admin"] = "unix:\(folder.file("admin.sock"))"
                    $0.limits = ["write_timeout": "1s", "idle_timeout": "10m", "keep_alive_interval": "100ms"]
                    let deadline = "{first_token: 10m, between_tokens: 10m, total: 10m}"
                    $0.routes = [["name": "r", "deadline": deadline, "finish_when_left": "false"]]
                }
                sidecar = try Sidecar(settings, under: network.entrance)
            }

            func ask(_ chat: Chat, from host: String) throws -> ChildProcess {
                try network.ask(chat, at: sidecar.http, from: host)
            }

            func counts() throws -> Provider.Counts { .init(try network.get("/counts", at: provider.address)) }

            func shows(flights: Int, connections: Int) throws -> Bool {
                let stats = try sidecar.stats()
                return stats["flights"].int == flights && stats["connections"].int == connections
            }
        }

        @Test("who dies while reading is given up after write_timeout, and the others read on")
        func amongOthers() throws {
            let scene = try PrivateScene("--endless", "--token-ms", "100")
            let chat = Chat("who is still there?", stream: true)
            let dying = try scene.ask(chat, from: "127.0.0.2")
            let living = try scene.ask(chat, from: "127.0.0.3")
            try #require(eventually { dying.output.contains("data: ") && living.output.contains("data: ") })
            try #require(try scene.shows(flights: 1, connections: 2))

            try scene.network.die("127.0.0.2")

            #expect(try eventually { try scene.shows(flights: 1, connections: 1) })
            #expect(dying.hasEnded() == nil, "the dead host was told")
            let readCount = living.output.count
            #expect(eventually { living.output.count > readCount })
            let counts = try scene.counts()
            #expect(counts.calls == 1)
            #expect(counts.cancelled == 0)
        }

        @Test("when all who read are dead, the call is cancelled", arguments: [0, 600_000])
        func all(firstTokenMs: Int) throws {
            let scene = try PrivateScene("--endless", "--token-ms", "100", "--first-token-ms", "\(firstTokenMs)")
            let chat = Chat("is anybody there?", stream: true)
            let sign = firstTokenMs == 0 ? "data: " : ": keep-alive"
            let hosts = ["127.0.0.2", "127.0.0.3"]
            let callers = try hosts.map { try scene.ask(chat, from: $0) }
            try #require(eventually { callers.allSatisfy { $0.output.contains(sign) } })
            try #require(try scene.shows(flights: 1, connections: 2))

            for host in hosts { try scene.network.die(host) }

            #expect(try eventually { try scene.shows(flights: 0, connections: 0) })
            #expect(callers.allSatisfy { $0.hasEnded() == nil }, "a dead host was told")
            #expect(try eventually { try scene.counts().cancelled == 1 })
            #expect(try scene.counts().calls == 1)
        }
    }
}
