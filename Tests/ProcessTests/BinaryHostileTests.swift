import Foundation
import SamovarWire
import TestSupport
import Testing

extension RealProcesses {
    /// What a client of the binary port can do to it with bytes alone.
    @Suite("hostile binary clients")
    struct BinaryHostileTests {
        @Test("a length beyond all limits is refused from its header, at no cost", arguments: BinaryPort.overTCP)
        func lengths(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            var first = Magic.bytes + [0xFF, 0xFF, 0xFF, 0xFF]
            first += [1, Opcode.hello.rawValue] + [UInt8](repeating: 0, count: 10)
            let later =
                BinaryClient.greeting() + [0xFF, 0xFF, 0xFF, 0xFF, 1, Opcode.ask.rawValue, 0, 0, 1]
                + [UInt8](repeating: 0, count: 7)
            func attack(_ bytes: [UInt8]) throws {
                let client = try BinaryClient(to: scene.address, greets: false)
                client.raw.send(bytes)
                #expect(client.waits { $0.connectionError != nil })
                #expect(client.connectionError == .frameTooLarge)
                #expect(client.closes())
            }
            for _ in 0..<20 { try attack(first) }
            let before = try scene.sidecar.residentSize()
            for index in 0..<500 { try attack(index % 2 == 0 ? first : later) }

            #expect(try scene.sidecar.residentSize() - before < 8 << 20)
            #expect(try eventually { try scene.connectionCount == 0 })
        }

        @Test(
            "whatever breaks a rule gets its error, and only what must ends the connection",
            arguments: BinaryPort.overTCP)
        func vectors(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            for vector in GoldenVectors.sections("refused.hex") where vector.word("from") == "client" {
                let client = try BinaryClient(to: scene.address, greets: false)
                client.raw.send(
                    vector.word("after") == "magic"
                        ? Magic.bytes : BinaryClient.greeting(adminToken: BinaryScene.adminToken))
                client.raw.send(vector.bytes)
                let isError = client.waits(within: .seconds(10)) { $0.frames.contains { $0.opcode == .error } }
                let error = client.frames.last
                #expect(isError, "\(vector.name)")
                #expect(error?.code?.name.uppercased() == vector.word("error"), "\(vector.name)")
                #expect(error.map { "\($0.id)" } == vector.values["id"], "\(vector.name)")
                if vector.word("scope") == "connection" {
                    #expect(client.closes(), "\(vector.name)")
                } else {
                    let length = Int(FrameHeader(vector.bytes.span.bytes).length) + FrameHeader.byteCount
                    client.raw.send([UInt8](repeating: 0, count: max(0, length - vector.bytes.count)))
                    client.ask(4_711, Chat("after an error"))
                    let reply = try client.reply(to: 4_711)
                    #expect(Verifier().complaint(reply.asHTTP, to: Chat("after an error")) == nil, "\(vector.name)")
                }
            }
            #expect(try scene.calls == 1)
            #expect(try eventually { try scene.connectionCount == 0 })
        }

        @Test(
            "other protocols are answered only where that is harmless, and execute nothing", arguments: BinaryPort.all)
        func foreign(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            for vector in GoldenVectors.sections("foreign.hex") {
                let client = try BinaryClient(to: scene.address, greets: false)
                client.raw.send(vector.bytes)
                #expect(client.raw.closes(within: .seconds(10)), "\(vector.name)")
                let answer = String(decoding: client.raw.received, as: UTF8.self)
                #expect(answer.hasPrefix("HTTP/1.1 400 ") == (vector.values["answer"] == "true"), "\(vector.name)")
                #expect(answer.isEmpty == (vector.values["answer"] != "true"), "\(vector.name)")
            }
            #expect(try scene.calls == 0)
            #expect(try eventually { try scene.connectionCount == 0 })
        }

        @Test("a session that is cut anywhere, by an end or a reset, leaves nothing behind", arguments: BinaryPort.all)
        func cutAnywhere(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            let chat = Chat("cut")
            _ = try scene.ask(chat)
            let session =
                BinaryClient.greeting() + BinaryClient.asking(1, chat)
                + BinaryClient.asking(2, Chat("made", stream: true))
                + BinaryClient.cancelling(2) + BinaryClient.asking(3, chat)
            _ = try scene.ask(Chat("made", stream: true))
            #expect(try eventually { try scene.connectionCount == 0 })
            let (descriptors, size) = (try scene.sidecar.descriptorCount(), try scene.sidecar.residentSize())

            for count in session.indices {
                for isReset in [true, false] {
                    let client = try BinaryClient(to: scene.address, greets: false)
                    client.raw.send(Array(session[..<count]))
                    if isReset { client.raw.reset() } else { client.raw.close() }
                }
            }

            #expect(session.count > 256)
            #expect(try eventually { try scene.connectionCount == 0 })
            #expect(try eventually { try scene.sidecar.descriptorCount() <= descriptors })
            #expect(try scene.sidecar.residentSize() - size < 8 << 20)
            #expect(try eventually { try scene.sidecar.stats()["flights"].int == 0 })
            #expect(Verifier().complaint(try scene.ask(chat).asHTTP, to: chat) == nil)
        }

        @Test("those who dribble are told so and harm nobody", arguments: BinaryPort.overTCP)
        func dribblers(port: BinaryPort) throws {
            let scene = try BinaryScene(port) { $0.limits = ["header_timeout": "400ms"] }
            let honest = try scene.client()
            // In the magic, in HELLO, in a header, in a payload, and in a payload that was refused already.
            var refused: [UInt8] = []
            FrameHeader(.answer, id: 5, length: 10_000).append(to: &refused)
            let greeting = BinaryClient.greeting()
            let starts = [
                Array(greeting.prefix(3)), Array(greeting.prefix(20)),
                greeting + BinaryClient.asking(1, Chat("x")).prefix(9),
                greeting + BinaryClient.asking(1, Chat("x")).prefix(20), greeting + refused,
            ]
            let dribblers = try (0..<50).map { index in
                let client = try BinaryClient(to: scene.address, greets: false)
                client.raw.send(starts[index % starts.count])
                return client
            }
            var open = dribblers
            let isOver = eventually(within: .seconds(20)) {
                open.removeAll { client in
                    client.raw.send([0], within: .milliseconds(1))
                    _ = client.waits(within: .milliseconds(1)) { $0.connectionError != nil }
                    return client.connectionError != nil || client.raw.isClosedByPeer
                }
                honest.ask(1, Chat("honest"))
                return open.isEmpty || (try? honest.reply(to: 1).code) != .none
            }

            #expect(isOver)
            #expect(open.isEmpty)
            #expect(dribblers.allSatisfy { $0.connectionError == .tooSlow || $0.connectionError == nil })
            #expect(dribblers.count { $0.connectionError == .tooSlow } >= 20)
        }

        @Test("a large payload that stops coming costs a connection, and no processor", arguments: BinaryPort.overTCP)
        func stalledPayload(port: BinaryPort) throws {
            let scene = try BinaryScene(port) {
                $0.limits = ["header_timeout": "200ms", "idle_timeout": "300ms"]
                $0.listen["loops"] = "1"
            }
            let client = try scene.client()
            var bytes: [UInt8] = []
            FrameHeader(.ask, id: 1, length: 1 << 20).append(to: &bytes)
            client.raw.send(bytes + [UInt8](repeating: 0x20, count: 100 << 10))

            // Long after what idle connections have; what has come pays for much more.
            _ = eventually(within: .milliseconds(600)) { false }
            let busy = try scene.processorTime(during: .seconds(1))
            let reply = try scene.ask(Chat("and the others?"))

            #expect(busy < 0.3)
            #expect(Verifier().complaint(reply.asHTTP, to: Chat("and the others?")) == nil)
            #expect(!client.raw.isClosedByPeer)
        }

        @Test("one who pipelines and never reads is stopped, bounded, and gone in the end", arguments: BinaryPort.all)
        func neverReads(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--tokens", "400") {
                $0.limits = ["write_timeout": "1500ms"]
                $0.listen["loops"] = "1"
            }
            let chat = Chat("over and over")
            let size = try scene.ask(chat).bytes.count
            let client = try scene.client(receiveBuffer: 4_096)
            let before = try scene.sidecar.residentSize()

            var isTaken = true
            for round in 0..<1_000 where isTaken {
                let batch = (0..<100).flatMap { BinaryClient.asking(UInt64(round * 100 + $0 + 1), chat) }
                isTaken = client.raw.send(batch, within: .milliseconds(500))
            }
            let grown = try scene.sidecar.residentSize() - before
            let busy = try scene.processorTime(during: .milliseconds(500))
            let reply = try scene.ask(Chat("and the others?"))

            #expect(size > 4_000)
            #expect(!isTaken)
            #expect(grown < 16 << 20)
            #expect(busy < 0.25)
            #expect(reply.code == nil)
            #expect(try eventually { try scene.connectionCount == 0 })
        }

        @Test("one who gives no credit loses its answers, and holds nobody up", arguments: BinaryPort.overTCP)
        func noCredit(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--tokens", "2000") { $0.limits = ["write_timeout": "500ms"] }
            let client = try scene.client(window: 1_024)
            client.ask(1, Chat("stored"))
            client.ask(2, Chat("live", stream: true))

            let (stored, live) = (try client.reply(to: 1), try client.reply(to: 2))
            let other = try scene.ask(Chat("live", stream: true))

            #expect(stored.code == .lagged)
            #expect(live.code == .lagged)
            #expect(stored.bytes.count == 1_024)
            #expect(Verifier(tokenCount: 2_000).complaint(other.asHTTP, to: Chat("live", stream: true)) == nil)
            client.ping()
            #expect(client.waits { $0.frames.contains { $0.opcode == .pong } })
        }

        @Test("a wrong token is refused before anything that follows it is read", arguments: BinaryPort.overTCP)
        func wrongToken(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            for token in ["wrong", BinaryScene.adminToken + "x", String(BinaryScene.adminToken.dropLast())] {
                let client = try BinaryClient(to: scene.address, greets: false)
                client.raw.send(BinaryClient.greeting(adminToken: token) + BinaryClient.asking(1, Chat("not me")))
                #expect(client.closes())
                #expect(client.frames.map(\.code) == [.unauthenticated])
            }
            #expect(try scene.calls == 0)
        }
    }
}
