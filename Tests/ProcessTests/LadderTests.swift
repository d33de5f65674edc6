import Testing

extension RealProcesses {
    /// What is served when the provider is busy, down or late, and how callers are divided.
    @Suite("the ladder")
    struct Ladder {
        /// Two providers, the second one for when the first is busy.
        private struct Two {
            let first: Provider
            let second: Provider
            let sidecar: Sidecar

            init(route: [String: String], cache: [String: String] = [:]) throws {
                let (first, second) = (try Provider(), try Provider())
                (self.first, self.second) = (first, second)
                var settings = SidecarSettings()
                settings.cache = cache
                settings.upstreams = [
                    ["name": "first", "url": first.url, "api_key_env": "FIRST_KEY"],
                    ["name": "second", "url": second.url, "api_key_env": "SECOND_KEY"],
                ]
                settings.routes = [route.merging(["name": "chat", "upstreams": "[first]"]) { own, _ in own }]
                sidecar = try Sidecar(settings, environment: ["FIRST_KEY": "sk-first", "SECOND_KEY": "sk-second"])
            }

            func ask(_ chat: Chat, _ headers: String...) throws -> HTTPReply { try sidecar.ask(chat, headers: headers) }
        }

        private func expire(_ scene: Scene, _ chat: Chat) throws {
            #expect(try eventually { try scene.ask(chat, "Cache-Control: only-if-cached").status == 504 })
        }

        @Test("an expired answer says that it stands in, and is counted")
        func staleIfBusy() throws {
            let scene = try Scene { $0.cache = ["ttl": "50ms"] }
            let chat = Chat("stand in")
            _ = try scene.ask(chat)
            try expire(scene, chat)
            try scene.provider.control(["status": "503"])

            let reply = try scene.ask(chat)

            #expect(reply["x-cache"] == "STALE")
            #expect(reply["x-samovar-step"] == "stale_if_busy")
            #expect(reply["cache-status"]?.contains("detail=stale_if_busy") == true)
            #expect(try scene.sidecar.stats()["ladder"]["default"]["stale_if_busy"].int == 1)
            let metric = #"samovar_ladder_total{route="default",step="stale_if_busy"}"#
            #expect(try scene.sidecar.metric(metric) == 1)
        }

        @Test("within stale_while_revalidate an expired answer comes at once, and the next is the new one")
        func staleWhileRevalidate() throws {
            let scene = try Scene {
                $0.cache = ["ttl": "100ms"]
                $0.routes = [["name": "chat", "stale_while_revalidate": "1h", "early_refresh": "0"]]
            }
            let chat = Chat("refresh me")
            let first = try scene.ask(chat)

            var stale = first
            let hasExpired = try eventually {
                stale = try scene.ask(chat)
                return stale["x-cache"] != "HIT"
            }

            #expect(hasExpired)
            #expect(stale["x-cache"] == "STALE")
            #expect(stale["x-samovar-step"] == "stale_while_revalidate")
            #expect(stale.body == first.body)
            #expect(try eventually { try scene.calls >= 2 })
            // The new one is another: whoever asks now gets it, be it fresh or expired again by now.
            #expect(try eventually { try scene.ask(chat).json["id"].string != first.json["id"].string })
        }

        @Test("an answer near its end is made anew while it is still served")
        func early() throws {
            // Half of its life is its end with such a factor, and there the dice nearly always say yes.
            let scene = try Scene("--json-ms", "300") {
                $0.cache = ["ttl": "2s"]
                $0.routes = [["name": "chat", "early_refresh": "10"]]
            }
            let chat = Chat("early bird")
            _ = try scene.ask(chat)

            // Hits alone, and yet there is a second call.
            var results: Set<String> = []
            let isMadeAnew = try eventually {
                results.insert(try scene.ask(chat)["x-cache"] ?? "none")
                return try scene.calls > 1
            }

            #expect(isMadeAnew)
            #expect(results == ["HIT"])
            #expect((try scene.sidecar.stats()["ladder"]["chat"]["early_refresh"].int ?? 0) >= 1)
        }

        @Test("a busy provider's callers get another model's answer, which says so and is kept as that model's")
        func fallback() throws {
            let two = try Two(route: ["fallback": "[{upstream: second, model: light}]"])
            try two.first.control(["status": "429"])
            let chat = Chat("who answers?", model: "heavy")

            let first = try two.ask(chat)
            let second = try two.ask(chat)
            let stream = try two.ask(Chat("who answers?", model: "heavy", stream: true))

            #expect(first.status == 200)
            #expect([first, second, stream].map { $0["x-cache"] } == ["FALLBACK", "FALLBACK", "FALLBACK"])
            #expect(first["x-samovar-step"] == "fallback")
            #expect(first["x-samovar-model"] == "light")
            #expect(first["cache-status"]?.contains("detail=fallback") == true)
            #expect(first.json["model"].string == "light")
            #expect(second.body == first.body)
            let counts = try two.second.counts()
            #expect(counts.calls == 1)
            #expect(counts.lastBody.contains(#""model":"light""#))
            // Each with its own key, and never with the other's.
            #expect(Set(counts.authorizations.keys) == [Provider.mark(ofAuthorization: "Bearer sk-second")])
            #expect(
                Set(try two.first.counts().authorizations.keys) == [Provider.mark(ofAuthorization: "Bearer sk-first")])

            try two.first.control(["status": "null"])
            let own = try two.ask(chat)
            #expect(own["x-cache"] == "MISS")
            #expect(own.json["model"].string == "heavy")
        }

        @Test("a fallback that fails too is followed by the fixed answer, as a body and as a stream")
        func fixedAnswer() throws {
            let two = try Two(
                route: ["fallback": "[{upstream: second}]", "fixed_answer": "\"Busy: try \\\"later\\\"\""])
            try two.first.control(["status": "500"])
            try two.second.control(["status": "500"])

            let body = try two.ask(Chat("anybody?"))
            let stream = try two.ask(Chat("anybody?", stream: true))

            #expect(body.status == 200)
            #expect(body["x-cache"] == "FALLBACK")
            #expect(body["x-samovar-step"] == "fixed_answer")
            #expect(body.json["choices"].elements.first?["message"]["content"].string == "Busy: try \"later\"")
            #expect(stream.text.contains("Busy: try \\\"later\\\""))
            #expect(stream.text.hasSuffix("data: [DONE]\n\n"))
            #expect(try two.second.counts().calls == 2)
            let steps = try two.sidecar.stats()["ladder"]["chat"]
            #expect(steps["fixed_answer"].int == 2)
        }

        @Test("nothing on the ladder leaves the provider's own refusal")
        func refused() throws {
            let scene = try Scene("--status", "503", "--retry-after", "7")
            let reply = try scene.ask(Chat("hello?"))
            #expect(reply.status == 503)
            #expect(reply["retry-after"] == "7")
            #expect(try scene.sidecar.stats()["ladder"]["default"]["refused"].int == 1)
        }

        @Test("a caller's own mistake is not covered by a fallback", arguments: [400, 401, 403, 404])
        func mistakes(status: Int) throws {
            let two = try Two(route: ["fallback": "[{upstream: second}]", "fixed_answer": "no"])
            try two.first.control(["status": "\(status)"])
            #expect(try two.ask(Chat("wrong")).status == status)
            #expect(try two.second.counts().calls == 0)
        }

        @Test("answer_within takes the fallback when the provider is late, and keeps what it says later")
        func answerWithin() throws {
            let two = try Two(route: ["answer_within": "200ms", "fallback": "[{upstream: second, model: light}]"])
            try two.first.control(["json_ms": "3000"])
            let chat = Chat("slowly", model: "heavy")

            let late = try two.ask(chat)

            #expect(late["x-cache"] == "FALLBACK")
            #expect(late["x-samovar-model"] == "light")
            #expect(try eventually { try two.ask(chat, "Cache-Control: only-if-cached").status == 200 })
            let kept = try two.ask(chat)
            #expect(kept["x-cache"] == "HIT")
            #expect(kept.json["model"].string == "heavy")
            #expect(try two.first.counts().calls == 1)
        }

        @Test("a split divides users between models, each always to the same one, and shows both side by side")
        func split() throws {
            let two = try Two(
                route: [
                    "split": "{by: user, arms: [{name: old, share: 50}, "
                        + "{name: new, share: 50, model: other, upstreams: [second]}]}"
                ])
            func ask(_ user: Int) throws -> HTTPReply {
                try two.ask(Chat("whose?", model: "heavy", extra: ["\"user\":\"u\(user)\""]))
            }

            let models = try (0..<12).map { try ask($0).json["model"].string ?? "none" }
            let again = try (0..<12).map { try ask($0) }

            #expect(Set(models) == ["heavy", "other"])
            #expect(again.map { $0.json["model"].string ?? "none" } == models)
            #expect(again.allSatisfy { $0["x-cache"] == "HIT" })
            let nobody = try two.ask(Chat("whose?", model: "heavy"))
            #expect(nobody.json["model"].string == "heavy")
            let split = try two.sidecar.stats()["split"]["chat"]
            let ofNew = models.count { $0 == "other" }
            #expect(split["new"]["requests"].int == 2 * ofNew)
            #expect(split["new"]["hits"].int == ofNew)
            #expect(split["old"]["requests"].int == 2 * (12 - ofNew) + 1)
            #expect((split["new"]["spent_tokens"]["completion"].int ?? 0) > 0)
            let metric = #"samovar_split_requests_total{route="chat",arm="new",result="l1_hit"}"#
            #expect(try two.sidecar.metric(metric) == ofNew)
        }
    }
}
