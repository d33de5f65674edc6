import Foundation
import SamovarCore
import SamovarWire
import TestSupport
import Testing

extension RealProcesses {
    /// What the binary port promises to those who keep its rules, and to those who nearly do.
    @Suite("the binary port")
    struct BinaryTests {
        @Test("answers as HTTP does, the first time and from memory", arguments: BinaryPort.all)
        func answers(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            let client = try scene.client()
            let (chat, stream) = (Chat("over a frame"), Chat("over frames", stream: true))

            for (id, result) in [(UInt64(1), ServeResult.miss), (2, .l1Hit)] {
                client.ask(id, chat)
                client.ask(id + 10, stream, options: .events)
                let (whole, streamed) = (try client.reply(to: id), try client.reply(to: id + 10))
                #expect(Verifier().complaint(whole.asHTTP, to: chat) == nil)
                #expect(Verifier().complaint(streamed.asHTTP, to: stream) == nil)
                #expect([whole.head?.result, streamed.head?.result] == [result, result])
            }
            #expect(try scene.calls == 2)
            // Both ports are doors to one memory.
            #expect(try scene.sidecar.ask(chat)["x-cache"] == "HIT")
        }

        @Test("counts requests at the front through which they came", arguments: BinaryPort.all)
        func counted(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            let client = try scene.client()
            let chat = Chat("counted where it came in")

            client.ask(1, chat)
            _ = try client.reply(to: 1)
            for _ in 0..<2 { _ = try scene.sidecar.ask(chat) }

            let counts = try ["binary", "http"].map { front in
                try ["miss", "l1_hit"].map {
                    try scene.sidecar.metric("samovar_requests_total{front=\"\(front)\",result=\"\($0)\"}")
                }
            }
            #expect(counts == [[1, 0], [0, 2]])
        }

        @Test("reads bytes however they are split", arguments: BinaryPort.all)
        func split(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            let client = try BinaryClient(to: scene.address, greets: false)
            let chat = Chat("a byte at a time")

            for byte in BinaryClient.greeting() + BinaryClient.asking(1, chat) { client.raw.send([byte]) }

            #expect(Verifier().complaint(try client.reply(to: 1).asHTTP, to: chat) == nil)
        }

        @Test("finishes what was asked before a half-close, and closes", arguments: BinaryPort.all)
        func halfClose(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--json-ms", "600")
            let client = try scene.client()
            let chats = (1...3).map { Chat("asked before leaving \($0)") }

            for (id, chat) in zip(UInt64(1)..., chats) { client.ask(id, chat) }
            client.raw.finishSending()
            let busy = try scene.processorTime(during: .milliseconds(400))
            let replies = try (1...3).map { try client.reply(to: $0) }

            #expect(zip(replies, chats).compactMap { Verifier().complaint($0.asHTTP, to: $1) } == [])
            #expect(client.closes())
            #expect(client.frames.allSatisfy { $0.id == 0 && [.helloReply, .ping].contains($0.opcode) })
            // Nobody spins on a direction that has ended.
            #expect(busy < 0.2)
            #expect(try eventually { try scene.connectionCount == 0 })
        }

        @Test("gives up what a caller asked who has gone", arguments: BinaryPort.all, [true, false])
        func gone(port: BinaryPort, isReset: Bool) throws {
            let scene = try BinaryScene(port, "--first-token-ms", "20000")
            let client = try scene.client()
            client.ask(1, Chat("nobody waits"))
            #expect(try eventually { try scene.calls == 1 })

            if isReset { client.raw.reset() } else { client.raw.close() }

            #expect(try eventually { try scene.provider.counts().cancelled == 1 })
            #expect(try eventually { try scene.connectionCount == 0 })
        }

        @Test("goes on with a shared stream when the first who asked leaves", arguments: BinaryPort.overTCP)
        func leaderLeaves(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--token-ms", "20", "--tokens", "60")
            let chat = Chat("shared", stream: true)
            let (leader, follower) = (try scene.client(), try scene.client())
            leader.ask(1, chat)
            #expect(leader.waits { $0.frames.contains { $0.id == 1 && !$0.bytes.isEmpty } })
            follower.ask(1, chat)
            #expect(follower.waits { $0.frames.contains { $0.id == 1 && !$0.bytes.isEmpty } })

            leader.raw.reset()
            let reply = try follower.reply(to: 1)

            #expect(Verifier(tokenCount: 60).complaint(reply.asHTTP, to: chat) == nil)
            #expect(reply.head?.result == .coalesced)
            #expect(try scene.calls == 1)
            #expect(try scene.provider.counts().cancelled == 0)
        }

        @Test("cancels for one caller what others go on waiting for", arguments: BinaryPort.overTCP)
        func cancelShared(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--token-ms", "20", "--tokens", "60")
            let client = try scene.client()
            let chat = Chat("twice on one connection", stream: true)

            for id in [UInt64(1), 2] {
                client.ask(id, chat)
                #expect(client.waits { $0.frames.contains { $0.id == id && !$0.bytes.isEmpty } })
            }
            client.cancel(1)

            #expect(try client.reply(to: 1).code == .cancelled)
            #expect(Verifier(tokenCount: 60).complaint(try client.reply(to: 2).asHTTP, to: chat) == nil)
            #expect(try scene.calls == 1)
        }

        @Test("ends each request once, wherever its CANCEL meets its end", arguments: BinaryPort.overTCP)
        func cancelRaces(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--json-ms", "3", "--first-token-ms", "1")
            let client = try scene.client()
            var codes: [ErrorCode?: Int] = [:]
            for round in 0..<40 {
                let ids = (1...20).map { UInt64(round * 20 + $0) }
                for id in ids { client.ask(id, Chat("race \(id)", stream: id % 2 == 0)) }
                for (index, id) in ids.enumerated() {
                    // Some at once, some when answers are coming in.
                    if index % 4 == 3 { _ = client.waits(within: .milliseconds(1)) { _ in false } }
                    client.cancel(id)
                }
                for id in ids {
                    let reply = try client.reply(to: id)
                    codes[reply.code, default: 0] += 1
                    #expect(reply.endCount == 1)
                }
            }
            client.ping()
            #expect(client.waits { $0.frames.contains { $0.opcode == .pong } })
            #expect(client.frames.allSatisfy { $0.id == 0 }, "nothing behind an end")
            #expect(client.disbelieved == nil)
            #expect(Set(codes.keys).isSubset(of: [nil, .cancelled]))
            #expect(codes[.cancelled, default: 0] > 0)
            #expect(try eventually { try scene.sidecar.stats()["flights"].int == 0 })
        }

        @Test("refuses an id that is in flight, and answers the first", arguments: BinaryPort.overTCP)
        func duplicate(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--json-ms", "300")
            let client = try scene.client()

            client.ask(5, Chat("first"))
            client.ask(5, Chat("second"))
            let reply = try client.reply(to: 5)

            #expect(reply.frames.first?.code == .duplicateID)
            #expect(reply.frames.first?.isEnd == false)
            #expect(Verifier().complaint(BinaryReply(Array(reply.frames.dropFirst())).asHTTP, to: Chat("first")) == nil)
            #expect(try scene.calls == 1)
        }

        @Test("lets a small answer pass a large one", arguments: BinaryPort.all)
        func smallPassesLarge(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--tokens", "60000")
            let (large, small) = (Chat("large"), Chat("small"))
            _ = try scene.ask(large)
            try scene.provider.control(["tokens": "20"])
            _ = try scene.ask(small)
            let client = try scene.client()

            var bytes = BinaryClient.asking(1, large)
            Frames.appendWindow(id: 1, credit: 1 << 30, to: &bytes)
            client.raw.send(bytes + BinaryClient.asking(2, small))
            let hit = try client.reply(to: 2)
            let before = client.frames.reduce(0) { $0 + $1.bytes.count }
            let whole = try client.reply(to: 1)

            #expect(Verifier(tokenCount: 20).complaint(hit.asHTTP, to: small) == nil)
            #expect(Verifier(tokenCount: 60_000).complaint(whole.asHTTP, to: large) == nil)
            #expect(whole.bytes.count > 1 << 20)
            // One read of ours may have brought more with it.
            #expect(before <= 256 << 10)
        }

        @Test("says GOAWAY when the process leaves, and finishes what is in flight", arguments: BinaryPort.all)
        func draining(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--json-ms", "1000")
            let (busy, idle) = (try scene.client(), try scene.client())
            busy.ask(1, Chat("while leaving"))
            #expect(try eventually { try scene.calls == 1 })

            scene.sidecar.process.send(SIGTERM)
            #expect(idle.waits { $0.frames.contains { $0.opcode == .goAway } })
            #expect(idle.closes())
            #expect(busy.waits { $0.frames.contains { $0.opcode == .goAway } })
            busy.ask(2, Chat("too late"))
            let refused = try busy.reply(to: 2)
            let late = try? BinaryClient(to: scene.address, greets: false)
            let isLateEnded = late.map { $0.closes(within: .milliseconds(300)) } ?? true
            let reply = try busy.reply(to: 1)

            #expect(refused.code == .draining)
            // Nobody is let in to wait for an answer that will not come.
            #expect(isLateEnded)
            #expect(Verifier().complaint(reply.asHTTP, to: Chat("while leaving")) == nil)
            #expect(busy.closes())
            #expect(scene.sidecar.process.ends() == .exited(0))
        }

        @Test("tells callers whose answer does not come in the time of grace", arguments: BinaryPort.overTCP)
        func graceIsOver(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--json-ms", "60000") { $0.drain["grace"] = "300ms" }
            let client = try scene.client()
            client.ask(1, Chat("too slow to leave"))
            #expect(try eventually { try scene.calls == 1 })

            scene.sidecar.process.send(SIGTERM)

            #expect(try client.reply(to: 1).code == .draining)
            #expect(client.closes())
            #expect(scene.sidecar.process.ends() == .exited(0))
        }

        @Test("is not offered over UDP", arguments: BinaryPort.overTCP)
        func noUDP(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            let folder = "/proc/\(scene.sidecar.process.processID)"
            let own = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/fd").compactMap {
                try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/fd/\($0)")
            }
            for table in ["udp", "udp6"] {
                guard let text = try? String(contentsOfFile: "\(folder)/net/\(table)", encoding: .utf8) else {
                    continue
                }
                for line in text.split(separator: "\n").dropFirst() {
                    let inode = line.split(separator: " ")[9]
                    #expect(!own.contains("socket:[\(inode)]"))
                }
            }
            #expect(own.contains { $0.hasPrefix("socket:") })
        }
    }
}
