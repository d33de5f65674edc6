import Testing

extension RealProcesses {
    /// What a caller says about the cache.
    @Suite("a caller's controls")
    struct CallersControls {
        @Test("no-store is neither answered from memory nor kept")
        func noStore() throws {
            let scene = try Scene()
            let chat = Chat("forget me")

            let first = try scene.ask(chat, "Cache-Control: no-store")
            let second = try scene.ask(chat, "Cache-Control: no-store")
            let third = try scene.ask(chat)

            #expect([first, second].map { $0["x-cache"] } == ["BYPASS", "BYPASS"])
            #expect(third["x-cache"] == "MISS")
            #expect(try scene.calls == 3)
        }

        @Test("no-cache asks anew, and its answer replaces the old one")
        func noCache() throws {
            let scene = try Scene()
            let chat = Chat("anew")
            let first = try scene.ask(chat)

            let second = try scene.ask(chat, "Cache-Control: no-cache")
            let third = try scene.ask(chat)

            #expect(second["x-cache"] == "MISS")
            #expect(second.json["id"].string != first.json["id"].string)
            #expect(third.body == second.body)
            #expect(try scene.calls == 2)
        }

        @Test("only-if-cached never calls: 504, or the answer that is there")
        func onlyIfCached() throws {
            let scene = try Scene()
            let chat = Chat("only if you know")

            let unknown = try scene.ask(chat, "Cache-Control: only-if-cached")
            _ = try scene.ask(chat)
            let known = try scene.ask(chat, "Cache-Control: only-if-cached")

            #expect(unknown.status == 504)
            #expect(unknown["x-should-retry"] == "false")
            #expect(known["x-cache"] == "HIT")
            #expect(try scene.calls == 1)
        }

        @Test("max-age=0 will have no stored answer")
        func maxAge() throws {
            let scene = try Scene()
            let chat = Chat("how old?")
            _ = try scene.ask(chat)

            let generous = try scene.ask(chat, "Cache-Control: max-age=600")
            let strict = try scene.ask(chat, "Cache-Control: max-age=0")

            #expect(generous["x-cache"] == "HIT")
            #expect(strict["x-cache"] == "MISS")
        }

        @Test("an expired answer is for those who say max-stale")
        func maxStale() throws {
            let scene = try Scene { $0.cache = ["ttl": "50ms"] }
            let chat = Chat("stale bread")
            _ = try scene.ask(chat)
            #expect(try eventually { try scene.ask(chat, "Cache-Control: only-if-cached").status == 504 })

            let stale = try scene.ask(chat, "Cache-Control: max-stale=600")
            let fresh = try scene.ask(chat)

            #expect(stale["x-cache"] == "STALE")
            #expect(Verifier().complaint(stale, to: chat) == nil)
            #expect(fresh["x-cache"] == "MISS")
        }

        @Test("an expired answer stands in when the upstream is down or busy", arguments: [500, 503, 429])
        func standsIn(status: Int) throws {
            let scene = try Scene { $0.cache = ["ttl": "50ms"] }
            let chat = Chat("stand in")
            _ = try scene.ask(chat)
            #expect(try eventually { try scene.ask(chat, "Cache-Control: only-if-cached").status == 504 })
            try scene.provider.control(["status": "\(status)"])

            let reply = try scene.ask(chat)
            let strict = try scene.ask(chat, "Cache-Control: no-cache")

            #expect(reply["x-cache"] == "STALE")
            #expect(Verifier().complaint(reply, to: chat) == nil)
            #expect(strict.status == status)
        }

        @Test("an expired answer never covers up a refusal", arguments: [400, 401, 403, 404])
        func neverCovers(status: Int) throws {
            let scene = try Scene { $0.cache = ["ttl": "50ms"] }
            let chat = Chat("no cover")
            _ = try scene.ask(chat)
            #expect(try eventually { try scene.ask(chat, "Cache-Control: only-if-cached").status == 504 })
            try scene.provider.control(["status": "\(status)"])

            let reply = try scene.ask(chat)

            #expect(reply.status == status)
        }

        @Test(
            "the body's cache member says the same, and never reaches the upstream",
            arguments: [
                #"{"cache":{"no-store":true},"model":"standin","messages":[{"role":"user","content":"a"}]}"#,
                #"{"model":"standin","cache":{"no-store":true},"messages":[{"role":"user","content":"a"}]}"#,
                #"{"model":"standin","messages":[{"role":"user","content":"a"}],"cache":{"no-store":true}}"#,
                #"{"model":"standin","messages":[{"role":"user","content":"a"}],"\u0063ache":{"no-store":true}}"#,
            ])
        func bodyMember(body: String) throws {
            let scene = try Scene()

            let reply = try scene.sidecar.exchange(RawRequest.post(body: body))

            #expect(reply.status == 200)
            #expect(reply["x-cache"] == "BYPASS")
            let plain = #"{"model":"standin","messages":[{"role":"user","content":"a"}]}"#
            #expect(try scene.provider.counts().lastBody == plain)
        }

        @Test("the body's no-cache asks anew")
        func bodyNoCache() throws {
            let scene = try Scene()
            _ = try scene.ask(Chat("body says"))

            let reply = try scene.ask(Chat("body says", extra: [#""cache":{"no-cache":true}"#]))

            #expect(reply["x-cache"] == "MISS")
            #expect(try scene.calls == 2)
        }

        @Test("the body's ttl limits how long the answer is kept")
        func bodyTTL() throws {
            let scene = try Scene()
            _ = try scene.ask(Chat("briefly", extra: [#""cache":{"ttl":1}"#]))

            let soon = try scene.ask(Chat("briefly"))
            let expires = try eventually {
                try scene.ask(Chat("briefly"), "Cache-Control: only-if-cached").status == 504
            }

            #expect(soon["x-cache"] == "HIT")
            #expect(expires)
        }

        @Test("namespaces keep answers apart")
        func namespace() throws {
            let scene = try Scene()
            let blue = Chat("same words", extra: [#""cache":{"namespace":"blue"}"#])

            let replies = try [Chat("same words"), blue, blue].map { try scene.ask($0) }

            #expect(replies.map { $0["x-cache"] } == ["MISS", "MISS", "HIT"])
            #expect(try scene.provider.counts().lastBody == Chat("same words").body)
        }

        @Test(
            "a cache member that is not understood is refused",
            arguments: [
                #""cache":true"#, #""cache":{"ttl":-1}"#, #""cache":{"ttl":"1h"}"#, #""cache":{"tll":1}"#,
                #""cache":{"no-store":"yes"}"#, #""cache":{"namespace":7}"#,
            ])
        func wrongMember(member: String) throws {
            let scene = try Scene()

            let reply = try scene.ask(Chat("what?", extra: [member]))

            #expect(reply.status == 400)
            #expect(reply.json["error"]["type"].string == "invalid_request_error")
            #expect(try scene.calls == 0)
        }

        @Test("x-samovar-timeout ends this caller's wait", arguments: [false, true])
        func timeout(stream: Bool) throws {
            let scene = try Scene("--first-token-ms", "20000")

            let reply = try scene.ask(Chat("hurry", stream: stream), "x-samovar-timeout: 100ms")

            #expect(reply.status == 504)
            #expect(reply.errorCode == "deadline")
            #expect(reply["x-should-retry"] == "false")
        }

        @Test(
            "requests that make the provider keep something are neither shared nor kept",
            arguments: [
                #""store":true"#, #""background":true"#, #""previous_response_id":"resp_1""#,
                #""conversation":"conv_1""#,
            ])
        func sideEffects(member: String) throws {
            let scene = try Scene()
            let chat = Chat("do it twice", extra: [member])

            let replies = try [scene.ask(chat), scene.ask(chat)]

            #expect(replies.map { $0["x-cache"] } == ["BYPASS", "BYPASS"])
            #expect(try scene.calls == 2)
        }
    }
}
