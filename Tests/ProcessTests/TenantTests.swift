import Testing

extension RealProcesses {
    /// Whose key pays, and who sees whose answers.
    @Suite("credentials and tenants")
    struct CredentialsAndTenants {
        @Test("without a configured key the caller's own Authorization goes upstream")
        func passedOn() throws {
            let scene = try Scene()

            _ = try scene.ask(Chat("mine"), "Authorization: Bearer alice")

            #expect(try scene.provider.counts().authorizations == [Provider.mark(ofAuthorization: "Bearer alice"): 1])
        }

        @Test("two callers' credentials never share an answer")
        func apart() throws {
            let scene = try Scene()
            let chat = Chat("same words")

            let replies = try ["Bearer alice", "Bearer bob", "Bearer alice", "Bearer Alice"].map {
                try scene.ask(chat, "Authorization: \($0)")
            }
            let nobody = try scene.ask(chat)

            #expect(replies.map { $0["x-cache"] } == ["MISS", "MISS", "HIT", "MISS"])
            #expect(nobody["x-cache"] == "MISS")
            #expect(try scene.calls == 4)
        }

        @Test("two callers' credentials never share a call or a stream", arguments: [false, true])
        func apartAtOnce(stream: Bool) throws {
            let scene = try Scene("--first-token-ms", "150", "--mark-attempts")
            let chat = Chat("same moment", stream: stream)
            let requests = ["alice", "bob", "alice", "bob"].map {
                RawRequest.post(body: chat.body, headers: ["Authorization: Bearer \($0)"])
            }

            let replies = try Crowd(requests, to: scene.sidecar.http).finish().map { $0?.text ?? "" }

            #expect(replies[0] == replies[2])
            #expect(replies[1] == replies[3])
            #expect(replies[0] != replies[1])
            #expect(try scene.calls == 2)
        }

        @Test("with a configured key the caller's Authorization is neither forwarded nor a tenant")
        func configured() throws {
            let provider = try Provider("--api-key-env", "KEY", environment: ["KEY": "sk-ours"])
            let sidecar = try Sidecar(
                SidecarSettings(upstream: provider.url).with { $0.upstreams[0]["api_key_env"] = "KEY" },
                environment: ["KEY": "sk-ours"])
            let chat = Chat("ours")

            let first = try sidecar.ask(chat, headers: ["Authorization: Bearer alice"])
            let second = try sidecar.ask(chat, headers: ["Authorization: Bearer bob"])

            #expect(Verifier().complaint(first, to: chat) == nil)
            #expect(second["x-cache"] == "HIT")
            #expect(try provider.counts().authorizations == [Provider.mark(ofAuthorization: "Bearer sk-ours"): 1])
        }

        @Test("what an upstream says about the configured key is not for the caller")
        func wrongKey() throws {
            let provider = try Provider("--api-key-env", "KEY", environment: ["KEY": "sk-theirs"])
            let sidecar = try Sidecar(
                SidecarSettings(upstream: provider.url).with { $0.upstreams[0]["api_key_env"] = "KEY" },
                environment: ["KEY": "sk-ours"])

            let reply = try sidecar.ask(Chat("ours"))

            #expect(reply.status == 401)
            #expect(reply.errorCode == "upstream_refused_key")
            #expect(!reply.text.contains("Incorrect API key"))
        }

        @Test("no header makes a caller another tenant", arguments: ["x-samovar-tenant", "x-tenant", "tenant"])
        func noTenantHeader(name: String) throws {
            let scene = try Scene()
            let chat = Chat("who am I")
            _ = try scene.ask(chat)

            let reply = try scene.ask(chat, "\(name): other")

            #expect(reply["x-cache"] == "HIT")
        }

        @Test("an unlisted path passes through with the caller's own Authorization")
        func passThrough() throws {
            let scene = try Scene()

            let with = try scene.sidecar.exchange(
                RawRequest.post("/v1/moderations", body: "{}", headers: ["Authorization: Bearer alice"]))
            let without = try scene.sidecar.exchange(RawRequest.post("/v1/moderations", body: "{}"))

            // The provider does not know that path; that it says so shows that it was asked.
            #expect(with.status == 404)
            #expect(with.json["error"]["message"].string == "Invalid URL (/v1/moderations)")
            #expect(with["x-cache"] == "BYPASS")
            #expect(without.status == 404)
            #expect(without.errorCode == "path")
            #expect(try scene.calls == 1)
        }

        @Test("with a configured key only named paths pass, with that key")
        func namedPassThrough() throws {
            let provider = try Provider()
            let sidecar = try Sidecar(
                SidecarSettings(upstream: provider.url).with {
                    $0.upstreams[0]["api_key_env"] = "KEY"
                    $0.passthrough = ["/v1/moderations"]
                }, environment: ["KEY": "sk-ours"])

            let named = try sidecar.exchange(
                RawRequest.post("/v1/moderations", body: "{}", headers: ["Authorization: Bearer alice"]))
            let other = try sidecar.exchange(
                RawRequest.post("/v1/files", body: "{}", headers: ["Authorization: Bearer alice"]))

            #expect(named.json["error"]["message"].string == "Invalid URL (/v1/moderations)")
            #expect(other.errorCode == "path")
            #expect(try provider.counts().authorizations == [Provider.mark(ofAuthorization: "Bearer sk-ours"): 1])
        }

        @Test("a caller that leaves while its path is passed through ends that call")
        func leavesPassThrough() throws {
            let provider = try Provider()
            let proxy = try FaultProxy(to: provider.address, .blackHole)
            let sidecar = try Sidecar(upstream: proxy.url)
            let caller = try sidecar.connect()
            caller.send(RawRequest.post("/v1/audio/speech", body: "{}", headers: ["Authorization: Bearer alice"]))
            #expect(eventually { proxy.openCount == 2 })

            caller.close()

            #expect(eventually(within: .seconds(10)) { proxy.openCount == 0 })
        }

        @Test("a passed-through call to a silent upstream has an end")
        func silentPassThrough() throws {
            let provider = try Provider()
            let proxy = try FaultProxy(to: provider.address, .blackHole)
            let sidecar = try Sidecar(upstream: proxy.url) {
                $0.routes = [["name": "r", "deadline": "{first_token: 200ms, between_tokens: 200ms, total: 400ms}"]]
            }
            let caller = try sidecar.connect()

            caller.send(RawRequest.post("/v1/audio/speech", body: "{}", headers: ["Authorization: Bearer alice"]))

            #expect(try caller.reply(within: .seconds(10)).status == 504)
        }

        @Test("a passed-through reply that breaks off is not whole")
        func cutPassThrough() throws {
            let provider = try Provider()
            let proxy = try FaultProxy(to: provider.address, .cut(after: 230))
            let sidecar = try Sidecar(upstream: proxy.url)

            let reply = try sidecar.exchange(
                RawRequest.post("/v1/audio/speech", body: "{}", headers: ["Authorization: Bearer alice"]))

            #expect(reply.status == 502 || !reply.isWhole)
            #expect(!reply.text.contains("upstream_cut") || reply.status == 502)
        }

        @Test(
            "a path in disguise is not passed through",
            arguments: [
                "/v1/../admin", "/v1/./models", "/v1//models", "/v1/%2e%2e/counts", "/v1/chat%2fcompletions",
                "/v2/models",
                "/counts", "/v1/..", "/v1/a\\b", "/v1/",
            ])
        func disguised(path: String) throws {
            let scene = try Scene()

            let reply = try scene.sidecar.exchange(
                RawRequest.get(path, headers: ["Authorization: Bearer alice"]))

            #expect(reply.status >= 400 && reply.status < 500)
            #expect(try scene.calls == 0)
        }
    }
}
