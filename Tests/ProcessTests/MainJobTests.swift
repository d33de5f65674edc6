import Foundation
import Testing

extension RealProcesses {
    /// Ask, share, remember.
    @Suite("the main job")
    struct MainJob {
        @Test("the second time an answer comes from memory, with its age")
        func hit() throws {
            let scene = try Scene()
            let chat = Chat("what is a samovar?")

            let first = try scene.ask(chat)
            let second = try scene.ask(chat)

            #expect(Verifier().complaint(first, to: chat) == nil)
            #expect(first["x-cache"] == "MISS")
            #expect(first["cache-status"]?.hasPrefix("samovar; fwd=miss") == true)
            #expect(first["age"] == nil)
            #expect(second.body == first.body)
            #expect(second["x-cache"] == "HIT")
            #expect(second["cache-status"]?.hasPrefix("samovar; hit; detail=l1; ttl=") == true)
            #expect(second["age"].flatMap { Int($0) } != nil)
            #expect(try scene.calls == 1)
        }

        @Test("a sidecar that starts anew answers from Redis, then from memory", .enabled(if: Redis.isInstalled))
        func restart() throws {
            let redis = try Redis()
            let provider = try Provider()
            let settings = SidecarSettings(upstream: provider.url).with {
                $0.redis = ["url": redis.url, "timeout": "5s"]
            }
            let chat = Chat("remember me")
            let before = try Sidecar(settings)
            let first = try before.ask(chat)
            // The answer goes to Redis after it has gone to the caller.
            #expect(try eventually { try redis.answerCount() == 1 })
            before.process.kill()

            let after = try Sidecar(settings)
            // What came before changes are heard of is looked up once more.
            #expect(try eventually { try after.metric("samovar_redis_tracking_state") == 1 })
            let second = try after.ask(chat)
            let third = try after.ask(chat)

            #expect(second.body == first.body)
            #expect(second["cache-status"]?.hasPrefix("samovar; hit; detail=l2; ttl=") == true)
            #expect(second["age"].flatMap { Int($0) } != nil)
            #expect(third["cache-status"]?.hasPrefix("samovar; hit; detail=l1; ttl=") == true)
            #expect(try provider.counts().calls == 1)
        }

        @Test("a streamed answer outlives its sidecar and is told as a body", .enabled(if: Redis.isInstalled))
        func restartInOtherForm() throws {
            let redis = try Redis()
            let provider = try Provider()
            let settings = SidecarSettings(upstream: provider.url).with {
                $0.redis = ["url": redis.url, "timeout": "5s"]
            }
            let before = try Sidecar(settings)
            _ = try before.ask(Chat("remember me", stream: true))
            #expect(try eventually { try redis.answerCount() == 1 })
            before.process.kill()

            let reply = try Sidecar(settings).ask(Chat("remember me"))

            #expect(Verifier().complaint(reply, to: Chat("remember me")) == nil)
            #expect(reply["x-cache"] == "HIT")
        }

        static let forms = [false, true].flatMap { first in [false, true].map { (first, $0) } }

        @Test("one entry serves bodies and streams, whichever came first", arguments: forms)
        func eitherForm(first: Bool, second: Bool) throws {
            let scene = try Scene()

            let miss = try scene.ask(Chat("either way", stream: first))
            let hit = try scene.ask(Chat("either way", stream: second))

            #expect(Verifier().complaint(miss, to: Chat("either way", stream: first)) == nil)
            #expect(Verifier().complaint(hit, to: Chat("either way", stream: second)) == nil)
            #expect(hit["x-cache"] == "HIT")
            #expect(try scene.calls == 1)
        }

        @Test("several choices keep apart in both forms, whichever came first", arguments: forms)
        func choices(first: Bool, second: Bool) throws {
            let scene = try Scene()

            let miss = try scene.ask(Chat("three times", stream: first, extra: ["\"n\":3"]))
            let hit = try scene.ask(Chat("three times", stream: second, extra: ["\"n\":3"]))

            #expect(Verifier().complaint(miss, to: Chat("three times", stream: first), choices: 3) == nil)
            #expect(Verifier().complaint(hit, to: Chat("three times", stream: second), choices: 3) == nil)
        }

        @Test(
            "a folded stream has the members of the provider's own body: reasoning, tool calls, logprobs",
            arguments: [
                Chat("think", model: "standin-reasoner"),
                Chat("use the tool", extra: ["\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\"}}]"]),
                Chat("how sure?", extra: ["\"logprobs\":true", "\"top_logprobs\":2"]),
                Chat("two thoughts", model: "standin-reasoner", extra: ["\"n\":2"]),
            ])
        func folded(chat: Chat) throws {
            let scene = try Scene()
            var streamed = chat
            streamed.stream = true
            streamed.includeUsage = true
            _ = try scene.ask(streamed)

            let folded = try scene.ask(chat)
            let own = try scene.provider.ask(chat)

            #expect(folded["x-cache"] == "HIT")
            #expect(folded.comparable == own.comparable)
        }

        @Test("embeddings are remembered", arguments: ["/v1/embeddings", "/embeddings"])
        func embeddings(path: String) throws {
            let scene = try Scene()
            let request = RawRequest.post(path, body: #"{"model":"standin-embedding","input":["one","two"]}"#)

            let first = try scene.sidecar.exchange(request)
            let second = try scene.sidecar.exchange(request)

            #expect(first.json["data"].elements.count == 2)
            #expect(second.body == first.body)
            #expect(second["x-cache"] == "HIT")
            #expect(try scene.calls == 1)
        }

        @Test("text completions are remembered in either form", arguments: ["/v1/completions", "/completions"])
        func completions(path: String) throws {
            let scene = try Scene()
            let body = #"{"model":"standin","prompt":"once upon a time"}"#
            let streamed = #"{"model":"standin","prompt":"once upon a time","stream":true}"#

            let first = try scene.sidecar.exchange(RawRequest.post(path, body: body))
            let second = try scene.sidecar.exchange(RawRequest.post(path, body: streamed))

            let text = first.json["choices"][0]["text"].string
            #expect(text?.hasSuffix(".end") == true)
            #expect(second.events.compactMap { $0.json["choices"][0]["text"].string }.joined() == text)
            #expect(second["x-cache"] == "HIT")
        }

        @Test("the list of models is remembered", arguments: ["/v1/models", "/models"])
        func models(path: String) throws {
            let scene = try Scene()

            let first = try scene.sidecar.exchange(RawRequest.get(path))
            let second = try scene.sidecar.exchange(RawRequest.get(path))

            #expect(first.json["data"].elements.count == 3)
            #expect(second.body == first.body)
            #expect(try scene.calls == 1)
        }

        @Test("a chat without /v1 is the same chat")
        func withoutVersion() throws {
            let scene = try Scene()
            let chat = Chat("short path")

            let first = try scene.ask(chat, path: "/chat/completions")
            let second = try scene.ask(chat)

            #expect(Verifier().complaint(first, to: chat) == nil)
            #expect(second["x-cache"] == "HIT")
        }

        @Test("requests pipelined on one connection are answered in order")
        func pipelined() throws {
            let scene = try Scene("--first-token-ms", "20")
            let chats = (0..<10).map { Chat("number \($0 % 4)", stream: $0 % 3 == 0) }
            let connection = try scene.sidecar.connect()

            connection.send(chats.flatMap { RawRequest.post(body: $0.body) })
            let replies = try chats.map { _ in try connection.reply() }

            #expect(zip(replies, chats).compactMap { Verifier().complaint($0, to: $1) } == [])
        }

        @Test("a body that comes in chunks is a body like any other")
        func chunkedRequest() throws {
            let scene = try Scene()
            let chat = Chat("piece by piece")
            let body = Array(chat.body.utf8)
            let connection = try scene.sidecar.connect()

            connection.send(
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in stride(from: 0, to: body.count, by: 7).map({ body[$0..<min($0 + 7, body.count)] }) {
                connection.send(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8))
            }
            connection.send("0\r\n\r\n")

            #expect(Verifier().complaint(try connection.reply(), to: chat) == nil)
            #expect(try scene.provider.counts().lastBody == chat.body)
        }

        @Test("a caller that waits for '100 Continue' gets it")
        func expectContinue() throws {
            let scene = try Scene()
            let chat = Chat("may I?")
            let request = RawRequest.post(body: chat.body, headers: ["Expect: 100-continue"])
            let connection = try scene.sidecar.connect()

            connection.send(Array(request.dropLast(chat.body.utf8.count)))
            let isTold = connection.reads { String(decoding: $0.received, as: UTF8.self).hasPrefix("HTTP/1.1 100 ") }
            connection.send(chat.body)

            #expect(isTold)
            #expect(Verifier().complaint(try connection.reply(), to: chat) == nil)
        }

        @Test("an HTTP/1.0 caller gets a reply that it can read to its end", arguments: [false, true])
        func oldCaller(stream: Bool) throws {
            let scene = try Scene()
            let chat = Chat("grandfather", stream: stream)
            let request = String(decoding: RawRequest.post(body: chat.body), as: UTF8.self)
            let connection = try scene.sidecar.connect()

            connection.send(request.replacingOccurrences(of: "HTTP/1.1", with: "HTTP/1.0"))
            let reply = try connection.reply()

            #expect(reply["transfer-encoding"] == nil)
            #expect(Verifier().complaint(reply, to: chat) == nil)
        }
    }
}

extension HTTPReply {
    /// The body with what differs from call to call taken out, its members in order of their names.
    var comparable: String {
        var object = (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] ?? [:]
        for name in ["id", "created"] { object[name] = nil }
        let sorted = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys])
        return String(decoding: sorted ?? Data(), as: UTF8.self)
    }

    /// The body with what differs from call to call made the same.
    var timeless: String {
        text.replacingOccurrences(of: #"(chat)?cmpl-[0-9]+"#, with: "cmpl-0", options: .regularExpression)
            .replacingOccurrences(of: #""created":[0-9]+"#, with: "\"created\":0", options: .regularExpression)
    }
}
