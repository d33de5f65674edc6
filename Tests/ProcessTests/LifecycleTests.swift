import Foundation
import Testing

extension RealProcesses {
    /// Start, reload, drain and end.
    @Suite("lifecycle")
    struct Lifecycle {
        @Test("asked to end, it says so, serves on for a while, finishes its streams and exits with 0")
        func drains() throws {
            let scene = try Scene("--token-ms", "60", "--tokens", "30") {
                $0.drain = ["accept_for": "600ms", "grace": "20s"]
            }
            let chats = (0..<20).map { Chat("stream \($0)", stream: true) }
            let crowd = try Crowd(chats.map { RawRequest.post(body: $0.body) }, to: scene.sidecar.http)
            #expect(crowd.run { $0.allSatisfy { $0 != nil } })

            scene.sidecar.process.send(SIGTERM)
            let isUnready = try eventually { try scene.sidecar.page("/readyz").status == 503 }
            let alive = try scene.sidecar.page("/healthz").status
            let late = try scene.ask(Chat("late", stream: true))
            let replies = crowd.finish()

            #expect(isUnready)
            #expect(alive == 200)
            #expect(Verifier(tokenCount: 30).complaint(late, to: Chat("late", stream: true)) == nil)
            #expect(
                zip(replies, chats).compactMap { Verifier(tokenCount: 30).complaint($0 ?? HTTPReply(), to: $1) } == [])
            #expect(scene.sidecar.process.ends() == .exited(0))
        }

        @Test("idle connections do not hold up its end")
        func idleConnections() throws {
            let scene = try Scene { $0.drain = ["accept_for": "0s", "grace": "60s"] }
            let connections = try (0..<10).map { _ in
                let connection = try scene.sidecar.connect()
                connection.send(RawRequest.get("/v1/models"))
                _ = try connection.reply()
                return connection
            }

            scene.sidecar.process.send(SIGTERM)

            #expect(scene.sidecar.process.ends(within: .seconds(10)) == .exited(0))
            #expect(connections.allSatisfy { $0.closes() })
        }

        @Test(
            "with Redis frozen and the upstream silent it ends at its deadline, and says why",
            .enabled(if: Redis.isInstalled), arguments: [false, true])
        func endsAllTheSame(stream: Bool) throws {
            let redis = try Redis()
            let scene = try Scene("--first-token-ms", "60000") {
                $0.redis = ["url": redis.url]
                $0.drain = ["accept_for": "0s", "grace": "300ms"]
            }
            let caller = try scene.sidecar.connect()
            caller.send(RawRequest.post(body: Chat("stuck", stream: stream).body))
            #expect(try eventually { try scene.calls == 1 })
            redis.process.send(SIGSTOP)

            scene.sidecar.process.send(SIGTERM)
            let reply = try caller.reply()

            #expect(reply.status == 503)
            #expect(reply.errorCode == "draining")
            #expect(scene.sidecar.process.ends(within: .seconds(10)) == .exited(0))
        }

        @Test("a stream that cannot finish in time ends with an error event")
        func cutInDrain() throws {
            let scene = try Scene("--endless", "--token-ms", "20") {
                $0.drain = ["accept_for": "0s", "grace": "300ms"]
            }
            let caller = try scene.sidecar.connect()
            caller.send(RawRequest.post(body: Chat("endless", stream: true).body))
            #expect(caller.reads { ($0.partial?.events.count ?? 0) > 3 })

            scene.sidecar.process.send(SIGTERM)
            let reply = try caller.reply()

            #expect(reply.errorCode == "draining")
            #expect(!reply.text.contains("[DONE]"))
            #expect(scene.sidecar.process.ends() == .exited(0))
        }

        @Test("asked to end twice, it ends at once, and orderly", arguments: [SIGTERM, SIGINT])
        func twice(signal: Int32) throws {
            let scene = try Scene("--first-token-ms", "60000") { $0.drain = ["accept_for": "60s", "grace": "60s"] }
            let caller = try scene.sidecar.connect()
            caller.send(RawRequest.post(body: Chat("stuck").body))
            #expect(try eventually { try scene.calls == 1 })

            scene.sidecar.process.send(SIGTERM)
            #expect(try eventually { try scene.sidecar.page("/readyz").status == 503 })
            scene.sidecar.process.send(signal)

            #expect(try caller.reply().errorCode == "draining")
            #expect(scene.sidecar.process.ends(within: .seconds(10)) == .exited(0))
        }

        @Test("SIGPIPE does nothing")
        func sigpipe() throws {
            let scene = try Scene()

            scene.sidecar.process.send(SIGPIPE)
            let reply = try scene.ask(Chat("still there?"))

            #expect(Verifier().complaint(reply, to: Chat("still there?")) == nil)
        }

        @Test("killed at random moments under load, it serves again each time", arguments: 1...6)
        func killed(round: Int) throws {
            let folder = try TemporaryFolder()
            let provider = try Provider("--token-ms", "5")
            let settings = SidecarSettings(upstream: provider.url).with {
                $0.listen["http"] = "unix:\(folder.file("http.sock"))"
            }
            let before = try Sidecar(settings)
            let chat = Chat("under load", stream: true)
            let crowd = try Crowd(Array(repeating: RawRequest.post(body: chat.body), count: 20), to: before.http)
            crowd.run(within: .milliseconds(Int64(round * 15))) { _ in false }

            before.process.kill()
            let cut = crowd.finish(within: .seconds(5)).compactMap(\.self)
            let reply = try Sidecar(settings).ask(chat)

            #expect(cut.filter { $0.isWhole && Verifier().complaint($0, to: chat) != nil }.isEmpty)
            #expect(Verifier().complaint(reply, to: chat) == nil)
        }

        @Test("a second sidecar does not take the Unix socket of one that serves")
        func socketInUse() throws {
            let folder = try TemporaryFolder()
            let scene = try Scene { $0.listen["http"] = "unix:\(folder.file("http.sock"))" }
            let settings = SidecarSettings(upstream: scene.provider.url).with {
                $0.listen["http"] = "unix:\(folder.file("http.sock"))"
            }

            let second = try Sidecar.start(settings, in: folder)
            let ending = second.ends(within: .seconds(3))
            second.kill()
            let reply = try scene.ask(Chat("still mine?"))

            #expect(ending == .exited(1))
            #expect(Verifier().complaint(reply, to: Chat("still mine?")) == nil)
        }

        @Test("a port that is taken ends the start with one line that names it")
        func portTaken() throws {
            let taken = try ListeningSocket()
            let folder = try TemporaryFolder()
            let settings = SidecarSettings(upstream: "http://127.0.0.1:1/v1").with {
                $0.listen["http"] = taken.address.description
            }

            let process = try Sidecar.start(settings, in: folder)

            guard case .exited(let code)? = process.ends(within: .seconds(10)) else {
                Issue.record("did not exit: \(String(describing: process.hasEnded()))")
                return
            }
            #expect(code != 0)
            let lines = process.errors.split(separator: "\n")
            #expect(lines.count == 1)
            #expect(process.errors.contains(taken.address.description))
            #expect(process.output == "")
        }

        @Test("an admin port that is taken ends the start too")
        func adminPortTaken() throws {
            let taken = try ListeningSocket()
            let folder = try TemporaryFolder()
            let settings = SidecarSettings(upstream: "http://127.0.0.1:1/v1").with {
                $0.listen["admin"] = taken.address.description
            }

            let process = try Sidecar.start(settings, in: folder)

            #expect(process.ends(within: .seconds(10)) == .exited(1))
            #expect(process.errors.split(separator: "\n").count == 1)
            #expect(process.output == "")
        }

        @Test("it starts and serves without Redis, which may come later", .enabled(if: Redis.isInstalled))
        func withoutRedis() throws {
            let scene = try Scene { $0.redis = ["url": "redis://127.0.0.1:1/0"] }
            let chat = Chat("no redis")

            let replies = try [scene.ask(chat), scene.ask(chat)]

            #expect(replies.map { $0["x-cache"] } == ["MISS", "HIT"])
        }

        @Test("a frozen Redis fails nobody", .enabled(if: Redis.isInstalled))
        func frozenRedis() throws {
            let redis = try Redis()
            let scene = try Scene { $0.redis = ["url": redis.url] }
            _ = try scene.ask(Chat("before"))
            redis.process.send(SIGSTOP)
            let chats = (0..<40).map { Chat("frozen \($0)", stream: $0 % 2 == 0) }

            let replies = try chats.map { try scene.ask($0) }

            #expect(zip(replies, chats).compactMap { Verifier().complaint($0, to: $1) } == [])
            // One line a change, not one a request.
            #expect(scene.sidecar.process.errors.split(separator: "\n").count < 10)
        }
    }
}
