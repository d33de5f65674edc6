import Foundation
import Testing

extension RealProcesses {
    /// What goes to the provider, and what of it comes back.
    @Suite("what the upstream sees and says")
    struct WhatUpstreamSees {
        @Test(
            "the upstream gets the caller's own bytes",
            arguments: [
                #"{ "messages" : [ {"content":"\u00e9 \ud83d\ude00 \/","role":"user"} ], "model":"standin","n":1 }"#,
                "{\n\t\"model\": \"standin\",\r\n \"messages\": [{\"role\": \"user\", \"content\": \"é😀\"}]\n}",
                #"{"new":{"b":1,"a":[-0,1E+2]},"model":"standin","messages":[{"role":"user","content":"x"}],"n":1}"#,
            ])
        func bytes(body: String) throws {
            let scene = try Scene()

            let reply = try scene.sidecar.exchange(RawRequest.post(body: body))

            #expect(reply.status == 200)
            #expect(try scene.provider.counts().lastBody == body)
        }

        @Test("a streaming caller's body differs by the request for usage alone")
        func streamedBody() throws {
            let scene = try Scene()
            let chat = Chat("stream it", stream: true)

            _ = try scene.ask(chat)

            let body = try scene.provider.counts().lastBody
            #expect(JSON(body)["stream_options"]["include_usage"].int == 1)
            #expect(
                body.replacingOccurrences(of: #","stream_options":{"include_usage":true}"#, with: "") == chat.body
                    || body.replacingOccurrences(of: #""stream_options":{"include_usage":true},"#, with: "")
                        == chat.body
            )
        }

        @Test("what belongs to one call is not replayed, nor shown on the first", arguments: [false, true])
        func callsOwnHeaders(stream: Bool) throws {
            let scene = try Scene()
            let chat = Chat("whose cookie?", stream: stream)

            let replies = try [scene.ask(chat), scene.ask(chat)]

            for reply in replies {
                #expect(reply["set-cookie"] == nil)
                #expect(reply["x-ratelimit-remaining-requests"] == nil)
                #expect(reply["openai-processing-ms"] == nil)
                #expect(reply["x-request-id"]?.hasPrefix("req_") == false)
            }
            #expect(replies[0]["x-request-id"] != replies[1]["x-request-id"])
        }

        @Test("only headers that are in the key, and our own, reach the upstream")
        func headers() throws {
            let scene = try Scene()

            _ = try scene.ask(
                Chat("strip"), "Accept-Language: fr", "Cookie: a=b", "X-Forwarded-For: 1.2.3.4", "User-Agent: spy",
                "X-Stainless-Lang: python", "OpenAI-Organization: org", "OpenAI-Project: p", "OpenAI-Beta: b",
                "Anthropic-Version: v", "Anthropic-Beta: b", "Authorization: Bearer caller", "Accept: text/html",
                "Cache-Control: max-age=1", "X-Api-Key: k", "Connection: X-Hop", "X-Hop: 1", "Via: 1.1 a")

            let allowed: Set<String> = [
                "host", "content-length", "content-type", "accept", "accept-encoding", "user-agent", "authorization",
                "openai-organization", "openai-project", "openai-beta", "anthropic-version", "anthropic-beta",
            ]
            let seen = try scene.provider.counts().headersSeen
            #expect(seen.subtracting(allowed) == [])
            #expect(seen.isSuperset(of: ["openai-organization", "anthropic-beta"]))
        }

        @Test(
            "two values of a forwarded header are two questions",
            arguments: [
                "openai-organization", "openai-project", "openai-beta", "anthropic-version", "anthropic-beta",
            ])
        func keyed(name: String) throws {
            let scene = try Scene()
            let chat = Chat("depends")

            let replies = try ["\(name): one", "\(name): two", "\(name): one"].map { try scene.ask(chat, $0) }

            #expect(replies.map { $0["x-cache"] } == ["MISS", "MISS", "HIT"])
        }

        @Test("two values of any other header are one question", arguments: ["Accept-Language", "X-Other", "Cookie"])
        func unkeyed(name: String) throws {
            let scene = try Scene()
            let chat = Chat("does not depend")

            let replies = try ["\(name): one", "\(name): two"].map { try scene.ask(chat, $0) }

            #expect(replies.map { $0["x-cache"] } == ["MISS", "HIT"])
        }

        @Test(
            "a refusal keeps its status, its words and its Retry-After",
            arguments: [400, 401, 403, 404, 422, 429, 500, 503])
        func refusals(status: Int) throws {
            let scene = try Scene("--status", "\(status)", "--retry-after", "7")
            let chat = Chat("no")

            let reply = try scene.ask(chat)
            let direct = try scene.provider.ask(chat)

            #expect(reply.status == status)
            #expect(reply.body == direct.body)
            #expect(reply["retry-after"] == direct["retry-after"])
            #expect(reply["content-type"]?.hasPrefix("application/json") == true)
        }

        @Test("a Retry-After of years is no longer than a minute")
        func longRetryAfter() throws {
            let scene = try Scene("--status", "429", "--retry-after", "1000000000")

            let reply = try scene.ask(Chat("later"))

            #expect(reply["retry-after"] == "60")
        }

        @Test(
            "our own errors have OpenAI's shape",
            arguments: [
                (RawRequest.post(body: "{"), 400), (RawRequest.post(body: "[]"), 400), (RawRequest.post(body: ""), 400),
                (RawRequest.get("/v1/unknown"), 404), (RawRequest.get("/v1/chat/completions"), 405),
                (RawRequest.post("/v1/models", body: "{}"), 405),
            ])
        func ownErrors(request: [UInt8], status: Int) throws {
            let scene = try Scene()

            let reply = try scene.sidecar.exchange(request)

            #expect(reply.status == status)
            #expect(reply["content-type"] == "application/json")
            #expect(reply.json["error"]["message"].string?.isEmpty == false)
            #expect(reply.json["error"]["type"].string == "invalid_request_error")
            #expect(try scene.calls == 0)
        }
    }
}
