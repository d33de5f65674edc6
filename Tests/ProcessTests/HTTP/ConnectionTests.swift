import Foundation
import Testing

extension RealProcesses {
    /// Who may connect, for how long, and how many.
    @Suite("connections")
    struct Connections {
        @Test("a head that dribbles in is answered 408")
        func slowHead() throws {
            let scene = try Scene { $0.limits = ["header_timeout": "300ms"] }
            let connection = try scene.sidecar.connect()

            let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX: "
            let reply = try dribble(head + String(repeating: "y", count: 2_000), connection)

            #expect(reply.status == 408)
            #expect(connection.closes())
        }

        @Test("a body that dribbles in is answered 408")
        func slowBody() throws {
            let scene = try Scene { $0.limits = ["header_timeout": "300ms", "body_rate_min": "1KiB"] }
            let connection = try scene.sidecar.connect()

            connection.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n")
            let reply = try dribble(String(repeating: " ", count: 5_000), connection)

            #expect(reply.status == 408)
            #expect(connection.closes())
            #expect(try scene.calls == 0)
        }

        @Test("a second request that dribbles in on a connection is answered 408 too")
        func slowSecond() throws {
            let scene = try Scene { $0.limits = ["header_timeout": "300ms"] }
            let connection = try scene.sidecar.connect()
            connection.send(RawRequest.get("/v1/models"))
            _ = try connection.reply()

            let reply = try dribble("GET /v1/models HTTP/1.1\r\nX: \(String(repeating: "y", count: 2_000))", connection)

            #expect(reply.status == 408)
        }

        @Test("a pipelined request that stops half-way is answered 408, after the one before it")
        func halfPipelined() throws {
            let scene = try Scene("--json-ms", "100") {
                $0.limits = ["header_timeout": "300ms", "idle_timeout": "10m"]
            }
            let connection = try scene.sidecar.connect()

            connection.send(RawRequest.post(body: Chat("first").body) + Array("GET /v1/models HTTP/1.1\r\nHo".utf8))
            let first = try connection.reply()
            let second = try connection.reply(within: .seconds(4))

            #expect(Verifier().complaint(first, to: Chat("first")) == nil)
            #expect(second.status == 408)
            #expect(connection.closes())
        }

        /// A byte every few milliseconds, until there is a reply; long before the default of any limit.
        private func dribble(_ text: String, _ connection: RawConnection) throws -> HTTPReply {
            let deadline = Deadline(within: .seconds(4))
            for byte in text.utf8 where !deadline.hasPassed {
                guard connection.send([byte]) else { break }
                if connection.reads(within: .milliseconds(20), until: { $0.partial != nil }) { break }
            }
            return try connection.reply(within: .milliseconds(500))
        }

        @Test("one who dribbles harms nobody else")
        func dribblerAlone() throws {
            let scene = try Scene { $0.limits = ["header_timeout": "100ms", "idle_timeout": "200ms"] }
            let connection = try scene.sidecar.connect()
            connection.send("POST /v1/chat")

            let isEnded = connection.closes(within: .seconds(5))
            let reply = try scene.ask(Chat("and the others?"))

            #expect(isEnded)
            #expect(Verifier().complaint(reply, to: Chat("and the others?")) == nil)
        }

        @Test("a caller that resets its connection gives up its call", arguments: [false, true])
        func reset(stream: Bool) throws {
            let scene = try Scene("--first-token-ms", "20000")
            let connection = try scene.sidecar.connect()
            connection.send(RawRequest.post(body: Chat("gone", stream: stream).body))
            #expect(try eventually { try scene.calls == 1 })

            connection.reset()

            #expect(try eventually { try scene.provider.counts().cancelled == 1 })
            #expect(try eventually { try scene.sidecar.stats()["flights"].int == 0 })
        }

        @Test("a caller that pipelines hits and never reads is not answered into memory without end")
        func pipelinedAndNeverRead() throws {
            let scene = try Scene("--tokens", "20000")
            let chat = Chat("large")
            let size = try scene.ask(chat).body.count
            let before = try scene.sidecar.residentSize()
            let connection = try scene.sidecar.connect(receiveBuffer: 4_096)

            let batch = (0..<400).flatMap { _ in RawRequest.post(body: chat.body) }
            _ = connection.send(batch, within: .seconds(2))
            _ = try scene.ask(Chat("and the others?"))
            let grown = try scene.sidecar.residentSize() - before

            #expect(size > 200_000)
            #expect(grown < 50 * size)
        }

        @Test(
            "an answer of any size comes whole out of memory, and so does the one pipelined behind it",
            arguments: [2_000, 8_000, 15_000, 60_000])
        func largeAnswers(tokenCount: Int) throws {
            let scene = try Scene("--tokens", "\(tokenCount)")
            // In both forms, of one entry.
            let chats = [Chat("large"), Chat("large", stream: true)]
            _ = try scene.ask(chats[0])
            let connection = try scene.sidecar.connect()

            connection.send((chats + chats).flatMap { RawRequest.post(body: $0.body) })
            let replies = try (0..<4).map { _ in try connection.reply() }

            #expect(
                zip(replies, chats + chats).compactMap { Verifier(tokenCount: tokenCount).complaint($0, to: $1) } == [])
            #expect(replies.allSatisfy { $0["x-cache"] == "HIT" })
        }

        @Test("with no descriptor left the process waits without spinning, and goes on when there is one")
        func noDescriptorLeft() throws {
            let provider = try Provider()
            let launcher = ["/bin/sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"]
            let sidecar = try Sidecar(SidecarSettings(upstream: provider.url), under: launcher)
            _ = try sidecar.ask(Chat("before the flood"))

            var connections = try (0..<200).map { _ in try sidecar.connect() }
            let before = try sidecar.processorTime()
            _ = eventually(within: .milliseconds(1_500)) { false }
            let busy = try sidecar.processorTime() - before
            connections.removeAll()
            let isServedAgain = eventually { (try? sidecar.ask(Chat("before the flood")).status) == 200 }

            #expect(busy < 0.4)
            #expect(isServedAgain)
        }

        @Test("an empty line behind the last request of a connection costs no reply")
        func emptyLineBehind() throws {
            let scene = try Scene("--json-ms", "100")
            let connection = try scene.sidecar.connect()

            connection.send(
                RawRequest.post(body: Chat("old browser").body, headers: ["Connection: close"]) + [0x0D, 0x0A])

            #expect(Verifier().complaint(try connection.reply(), to: Chat("old browser")) == nil)
        }

        @Test("a connection on which nothing is asked is closed without a word")
        func idle() throws {
            let scene = try Scene { $0.limits = ["idle_timeout": "200ms"] }
            let connection = try scene.sidecar.connect()

            #expect(connection.closes())
            #expect(connection.received.isEmpty)
        }

        @Test("a connection is idle only between requests")
        func notIdle() throws {
            let scene = try Scene("--json-ms", "1000") { $0.limits = ["idle_timeout": "200ms"] }
            let connection = try scene.sidecar.connect()

            connection.send(RawRequest.post(body: Chat("patience").body))

            #expect(Verifier().complaint(try connection.reply(), to: Chat("patience")) == nil)
            #expect(connection.closes())
        }

        @Test("a connection too many is told so, and a place that is free again is taken")
        func tooMany() throws {
            let scene = try Scene { $0.limits = ["connections_max": "3"] }
            var admitted = try (0..<3).map { _ in
                let connection = try scene.sidecar.connect()
                connection.send(RawRequest.get("/v1/models"))
                _ = try connection.reply()
                return connection
            }

            let refused = try scene.sidecar.exchange(RawRequest.get("/v1/models"))
            admitted.removeLast()
            let isServedAgain = try eventually {
                try scene.sidecar.exchange(RawRequest.get("/v1/models")).status == 200
            }

            #expect(refused.status == 503)
            #expect(refused.errorCode == "connections_max")
            #expect(refused["retry-after"] != nil)
            #expect(isServedAgain)
        }

        @Test(
            "a page of another origin is refused", arguments: ["https://evil.example", "null", "http://localhost:3000"])
        func origin(origin: String) throws {
            let scene = try Scene()

            let reply = try scene.ask(Chat("from a browser"), "Origin: \(origin)")

            #expect(reply.status == 403)
            #expect(try scene.calls == 0)
        }

        @Test(
            "a name of somebody else's for this host is refused, on both ports",
            arguments: [
                "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:7600", "127.evil.0.1",
                "[::ffff:1.2.3.4]", "0.0.0.0", "10.0.0.1",
            ])
        func foreignHost(host: String) throws {
            let scene = try Scene()

            let reply = try scene.sidecar.exchange(RawRequest.post(body: Chat("rebound").body, host: host))
            let connection = try RawConnection(to: scene.sidecar.admin)
            connection.send(RawRequest.get("/stats.json", host: host))

            #expect(reply.status == 403)
            #expect(try connection.reply().status == 403)
            #expect(try scene.calls == 0)
        }

        @Test(
            "this host's own names are answered to",
            arguments: [
                "localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:7600", "[::1]", "[::1]:80", "127.1.2.3",
                "named.example",
            ])
        func ownHost(host: String) throws {
            let scene = try Scene { $0.listen["allowed_hosts"] = "[named.example]" }

            let reply = try scene.sidecar.exchange(RawRequest.get("/v1/models", host: host))

            #expect(reply.status == 200)
        }

        @Test("an origin that is allowed is answered")
        func allowedOrigin() throws {
            let scene = try Scene { $0.listen["allowed_origins"] = "[\"https://console.example.com\"]" }

            let reply = try scene.ask(Chat("console"), "Origin: https://console.example.com")

            #expect(reply.status == 200)
        }

        @Test(
            "the reply to a HEAD has no body, so that the one after it can be read",
            arguments: [
                "/v1/models", "/v1/chat/completions", "/v1/unknown",
            ])
        func head(path: String) throws {
            let scene = try Scene()
            let connection = try scene.sidecar.connect()
            connection.send("HEAD \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.send(RawRequest.get("/v1/models"))

            // Heads alone are counted: what stands between them must be nothing.
            _ = connection.reads(within: .seconds(5)) {
                String(decoding: $0.received, as: UTF8.self).contains("\"list\"")
            }
            let parts = String(decoding: connection.received, as: UTF8.self).components(separatedBy: "\r\n\r\n")

            #expect(parts.count == 3)
            #expect(parts.dropFirst().first?.hasPrefix("HTTP/1.1 200") == true)
        }

        @Test("a Unix socket is answered under any Host, and is for this user alone")
        func unixSocket() throws {
            let folder = try TemporaryFolder()
            let scene = try Scene { $0.listen["http"] = "unix:\(folder.file("http.sock"))" }

            let reply = try scene.sidecar.exchange(RawRequest.post(body: Chat("local").body, host: "whatever"))

            #expect(Verifier().complaint(reply, to: Chat("local")) == nil)
            #expect(
                try FileManager.default.attributesOfItem(atPath: folder.file("http.sock"))[.posixPermissions] as? Int
                    == 0o600)
        }
    }
}
