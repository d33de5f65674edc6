import Foundation
import Testing

extension RealProcesses {
    /// Streams, shared, cut, endless and slow.
    @Suite("streaming")
    struct Streaming {
        @Test("who joins at any token has the same bytes as the first")
        func joinAnywhere() throws {
            let scene = try Scene("--token-ms", "25", "--tokens", "40")
            let chat = Chat("join me", stream: true, includeUsage: true)
            let leader = try scene.sidecar.connect()
            leader.send(RawRequest.post(body: chat.body))
            var followers: [RawConnection] = []

            for index in 1...40 {
                guard leader.reads(until: { ($0.partial?.events.count ?? 0) >= index }) else { break }
                let follower = try scene.sidecar.connect()
                follower.send(RawRequest.post(body: chat.body))
                followers.append(follower)
            }
            let first = try leader.reply()
            let others = try followers.map { try $0.reply() }

            #expect(followers.count == 40)
            #expect(Verifier(tokenCount: 40).complaint(first, to: chat) == nil)
            #expect(others.allSatisfy { $0.body == first.body })
            #expect(try scene.calls == 1)
        }

        /// Chunks of kilobytes, without end.
        /// - Parameter pause: between chunks, in ms: so that whoever reads keeps up on a busy machine too.
        private func torrent(_ limits: [String: String], pause: Int = 0) throws -> Scene {
            try Scene("--endless", "--token-ms", "\(pause)") {
                $0.limits = ["stream_size_max": "512MiB"].merging(limits) { $1 }
            }
        }

        private let torrentChat = Chat("torrent", stream: true, extra: ["\"logprobs\":true", "\"top_logprobs\":20"])

        @Test("a reader that stops is cut, and the others read on")
        func stoppedReader() throws {
            let scene = try torrent(["write_timeout": "1s"], pause: 1)
            let stopped = try scene.sidecar.connect(receiveBuffer: 4_096)
            stopped.send(RawRequest.post(body: torrentChat.body))
            let reader = try scene.sidecar.connect()
            reader.send(RawRequest.post(body: torrentChat.body))

            let isCut = reader.reads { _ in (try? scene.sidecar.stats()["connections"].int) == 1 }
            let before = reader.received.count
            let readsOn = reader.reads { $0.received.count > before + 100_000 }
            _ = stopped.closes()

            #expect(isCut)
            #expect(readsOn)
            #expect(!stopped.received.isEmpty)
            #expect(stopped.partial?.isWhole != true)
            #expect(try scene.calls == 1)
        }

        @Test("a reader that lags too far is told so, never that this was the end")
        func laggingReader() throws {
            let scene = try torrent(["follower_lag_max": "256KiB"])
            let lagging = try scene.sidecar.connect(receiveBuffer: 4_096)
            lagging.send(RawRequest.post(body: torrentChat.body))
            let reader = try scene.sidecar.connect()
            reader.send(RawRequest.post(body: torrentChat.body))
            #expect(reader.reads { $0.received.count > 12 << 20 })

            var isOver = false
            let deadline = Deadline(within: .patience)
            while !isOver, !deadline.hasPassed {
                reader.receive(until: Deadline(within: .milliseconds(1)))
                lagging.receive(until: Deadline(within: .milliseconds(1)))
                isOver = lagging.isClosedByPeer
            }

            let tail = String(decoding: lagging.received.suffix(2_000), as: UTF8.self)
            #expect(isOver)
            #expect(tail.contains("follower_lag_max"))
            #expect(!tail.contains("[DONE]"))
            #expect(lagging.partial?.isWhole != true)
            #expect(try scene.sidecar.metric("samovar_followers_lagged_total") == 1)
        }

        @Test("an upstream that is cut at any byte is an error, not an end, and nothing is kept")
        func cutAnywhere() throws {
            let provider = try Provider("--tokens", "6")
            let proxy = try FaultProxy(to: provider.address)
            // With a breaker hardly anything would be asked after the first few.
            let sidecar = try Sidecar(upstream: proxy.url) { $0.admission = ["enabled": "false"] }
            let whole = try sidecar.ask(Chat("cut 00000", stream: true, includeUsage: true)).body.count
            var wrong: [String] = []

            for position in stride(from: 1, to: whole + 300, by: 37) {
                proxy.set(.cut(after: position))
                let chat = Chat("cut \(10_000 + position)", stream: true, includeUsage: true)
                let reply = try sidecar.ask(chat)
                let isKept = try sidecar.ask(chat, headers: ["Cache-Control: only-if-cached"]).status == 200
                let isRight = Verifier(tokenCount: 6).complaint(reply, to: chat) == nil
                let isExplicit = reply.status == 502 || reply.errorCode == "upstream_cut"
                if isRight != isKept || isRight == isExplicit {
                    wrong.append("\(position): \(reply.status) \(reply.text.suffix(200))")
                }
                if reply.text.contains("[DONE]") != isRight { wrong.append("\(position): [DONE]") }
            }

            #expect(wrong == [])
        }

        @Test("a stream that is cut after any token says so", arguments: ["cut_after_tokens", "error_after_tokens"])
        func cutAtTokens(setting: String) throws {
            let scene = try Scene("--tokens", "12")
            var wrong: [String] = []

            for index in 0..<12 {
                try scene.provider.control([setting: "\(index)"])
                let chat = Chat("cut at \(index)", stream: true)
                let reply = try scene.ask(chat)
                if reply.status == 200, reply.events.last?.json["error"].exists != true {
                    wrong.append("\(index): no error")
                }
                if reply.text.contains("[DONE]") { wrong.append("\(index): [DONE]") }
                if try scene.ask(chat, "Cache-Control: only-if-cached").status != 504 { wrong.append("\(index): kept") }
            }

            #expect(wrong == [])
            // Nothing was tried again.
            #expect(try scene.calls == 12)
        }

        @Test("an endless stream is ended at stream_size_max, with an error")
        func endless() throws {
            let scene = try Scene("--endless") { $0.limits = ["stream_size_max": "64KiB"] }
            let chat = Chat("on and on", stream: true)

            let reply = try scene.ask(chat)

            #expect(reply.errorCode == "stream_size_max")
            #expect(!reply.text.contains("[DONE]"))
            #expect(reply.body.count < 80 << 10)
            #expect(try eventually { try scene.provider.counts().cancelled == 1 })
            #expect(try scene.ask(chat, "Cache-Control: only-if-cached").status == 504)
        }

        @Test("a body larger than answer_size_max is refused")
        func largeBody() throws {
            let scene = try Scene("--tokens", "10000") { $0.limits = ["answer_size_max": "64KiB"] }

            let reply = try scene.ask(Chat("a book"))

            #expect(reply.status == 502)
            #expect(reply.errorCode == "answer_size_max")
        }

        private func deadline(_ text: String) -> (inout SidecarSettings) -> Void {
            { $0.routes = [["name": "r", "deadline": "{\(text)}"]] }
        }

        @Test("silence between tokens ends in an error")
        func betweenTokens() throws {
            let scene = try Scene("--token-ms", "20000", change: deadline("between_tokens: 300ms"))

            let reply = try scene.ask(Chat("slow", stream: true))

            #expect(reply.errorCode == "upstream_timeout")
            #expect(reply.text.contains("between_tokens"))
            #expect(!reply.text.contains("[DONE]"))
            #expect(try eventually { try scene.provider.counts().cancelled == 1 })
        }

        @Test("silence before the first token ends in 504", arguments: [false, true])
        func firstToken(stream: Bool) throws {
            let scene = try Scene("--first-token-ms", "20000", change: deadline("first_token: 300ms"))

            let reply = try scene.ask(Chat("slow", stream: stream))

            #expect(reply.status == 504)
            #expect(reply.text.contains("first_token"))
            #expect(try eventually { try scene.provider.counts().cancelled == 1 })
        }

        @Test("signs of life are no tokens", arguments: [false, true])
        func keepAlives(stream: Bool) throws {
            let scene = try Scene(
                "--silent-ms", "20000", "--keep-alive-ms", "20", change: deadline("first_token: 400ms"))

            let reply = try scene.ask(Chat("busy", stream: stream))

            #expect(reply.errorCode == "upstream_timeout")
            #expect(reply.text.contains("first_token"))
        }

        @Test("an answer after signs of life is whole, without them", arguments: [false, true])
        func afterKeepAlives(stream: Bool) throws {
            let scene = try Scene("--silent-ms", "300", "--keep-alive-ms", "20")
            let chat = Chat("busy, then not", stream: stream)

            let replies = try [scene.ask(chat), scene.ask(chat)]

            #expect(replies.compactMap { Verifier().complaint($0, to: chat) } == [])
            #expect(replies.allSatisfy { !$0.text.contains(": keep-alive") && !$0.text.hasPrefix("\n") })
        }

        @Test("a streaming caller who waits for a body hears signs of life")
        func callersKeepAlives() throws {
            let scene = try Scene("--json-ms", "800") { $0.limits = ["keep_alive_interval": "50ms"] }
            let body = Chat("slow body")
            let leader = try scene.sidecar.connect()
            leader.send(RawRequest.post(body: body.body))
            #expect(try eventually { try scene.calls == 1 })

            let reply = try scene.ask(Chat("slow body", stream: true))

            #expect(reply.text.hasPrefix(": keep-alive\n\n"))
            #expect(Verifier().complaint(reply, to: Chat("slow body", stream: true)) == nil)
        }

        @Test("a refusal that comes after signs of life is an error event, and no end")
        func refusalAfterKeepAlives() throws {
            let provider = try Provider("--status", "500")
            let proxy = try FaultProxy(to: provider.address, .delay(milliseconds: 500))
            let sidecar = try Sidecar(upstream: proxy.url) { $0.limits = ["keep_alive_interval": "50ms"] }

            let reply = try sidecar.ask(Chat("slow no", stream: true))

            #expect(reply.text.hasPrefix(": keep-alive\n\n"))
            #expect(reply.events.last?.json["error"].exists == true)
            #expect(!reply.text.contains("[DONE]"))
            #expect(!reply.isWhole)
        }

        @Test(
            "however the upstream's bytes are split, the caller's are the same", arguments: [1, 3, 16, 200],
            [false, true])
        func split(max: Int, stream: Bool) throws {
            let provider = try Provider("--tokens", "25", "--obfuscation")
            let proxy = try FaultProxy(to: provider.address, .dribble(max: max, seed: UInt64(max)))
            let sidecar = try Sidecar(upstream: proxy.url)
            let chat = Chat("é😀 split me", stream: stream, includeUsage: stream)

            let reply = try sidecar.ask(chat)
            let hit = try sidecar.ask(chat)

            #expect(Verifier(tokenCount: 25).complaint(reply, to: chat) == nil)
            #expect(hit.body == reply.body)
            #expect(hit["x-cache"] == "HIT")
        }

        @Test("when all have left an idle stream, the call is cancelled and nothing is kept", arguments: [0, 20_000])
        func allLeave(firstTokenMs: Int) throws {
            let scene = try Scene("--first-token-ms", "\(firstTokenMs)", "--token-ms", "20000") {
                $0.routes = [["name": "r", "finish_when_left": "false"]]
            }
            let chat = Chat("nobody listens", stream: true)
            let callers = try (0..<3).map { _ in
                let caller = try scene.sidecar.connect()
                caller.send(RawRequest.post(body: chat.body))
                return caller
            }
            #expect(try eventually { try scene.sidecar.stats()["connections"].int == 3 && scene.calls == 1 })
            if firstTokenMs == 0 { #expect(callers.allSatisfy { $0.reads { ($0.partial?.events.count ?? 0) >= 2 } }) }

            for caller in callers { caller.close() }

            #expect(try eventually { try scene.provider.counts().cancelled == 1 })
            #expect(try eventually { try scene.sidecar.stats()["flights"].int == 0 })
            #expect(try scene.ask(chat, "Cache-Control: only-if-cached").status == 504)
        }

        @Test("a call may finish for the cache's sake when all have left")
        func finishesWhenLeft() throws {
            let scene = try Scene("--first-token-ms", "300") {
                $0.routes = [["name": "r", "finish_when_left": "true"]]
            }
            let chat = Chat("I will be back")
            let caller = try scene.sidecar.connect()
            caller.send(RawRequest.post(body: chat.body))
            #expect(try eventually { try scene.calls == 1 })

            caller.close()

            #expect(try eventually { try scene.ask(chat, "Cache-Control: only-if-cached").status == 200 })
            #expect(try scene.calls == 1)
        }

        @Test("an answer that was cut at max_tokens is passed on and not kept", arguments: [false, true])
        func lengthIsNotKept(stream: Bool) throws {
            let scene = try Scene()
            let chat = Chat("too long", stream: stream, extra: ["\"max_tokens\":3"])

            let replies = try [scene.ask(chat), scene.ask(chat)]

            #expect(replies.map(\.status) == [200, 200])
            #expect(replies.allSatisfy { $0.text.contains("\"length\"") })
            #expect(try scene.calls == 2)
        }

        @Test("a stream without [DONE] that has finished is whole")
        func withoutDone() throws {
            let scene = try Scene("--no-done")
            let chat = Chat("no done", stream: true)

            let first = try scene.ask(chat)
            let second = try scene.ask(chat)

            #expect(first.isWhole)
            #expect(second["x-cache"] == "HIT")
            #expect(second.body == first.body)
        }
    }
}
