import Foundation
import Testing

extension RealProcesses {
    /// What must be seen by nobody but the two who talk.
    @Suite("secrets")
    struct Secrets {
        @Test("prompts, answers, credentials and keys stand in no log, metric or page, at any level")
        func canaries() throws {
            let redis = Redis.isInstalled ? try Redis() : nil
            let provider = try Provider()
            let sidecar = try Sidecar(
                SidecarSettings(upstream: provider.url).with {
                    $0.log = ["level": "trace"]
                    $0.upstreams[0]["api_key_env"] = "KEY"
                    $0.more = ["debug_headers: true"]
                    if let redis { $0.redis = ["url": redis.url] }
                }, environment: ["KEY": "sk-canary-ours", "SAMOVAR_ADMIN_TOKEN": "canary-admin-token-0123456789abcdef"])
            let chat = Chat(
                "canary-prompt", extra: [#""user":"canary-user""#, #""cache":{"namespace":"canary-space"}"#])
            let headers = [
                "Authorization: Bearer sk-canary-callers", "OpenAI-Organization: canary-org", "Cookie: canary",
            ]

            let first = try sidecar.ask(chat, headers: headers)
            _ = try sidecar.ask(Chat("canary-prompt", stream: true), headers: headers)
            try provider.control(["status": "500"])
            _ = try sidecar.ask(Chat("canary-error"), headers: headers)
            try provider.control(["status": "null", "body_override": Chat.quoted("canary-garbage")])
            _ = try sidecar.ask(Chat("canary-malformed"), headers: headers)
            _ = try sidecar.exchange(RawRequest.post(body: "{\"canary-json"))
            _ = try sidecar.exchange(RawRequest.get("/v1/canary-path?canary=1", headers: headers))
            _ = try sidecar.exchange(RawRequest.post(body: chat.body, host: "canary.example"))
            let pages = try ["/metrics", "/stats.json", "/healthz", "/readyz", "/"].map { try sidecar.page($0).text }
            sidecar.process.send(SIGTERM)
            _ = sidecar.process.ends()

            let written = pages + [sidecar.process.output, sidecar.process.errors]
            #expect(first.status == 200)
            for text in written {
                #expect(!text.contains("canary"))
                #expect(!text.contains(Verifier.digest(chat.messages)))
                #expect(!text.contains(first["x-samovar-key"] ?? "none"))
            }
        }

        @Test("a caller's credential is in no error that it is told")
        func errors() throws {
            let sidecar = try Sidecar(upstream: "http://127.0.0.1:1/v1")

            let reply = try sidecar.ask(Chat("canary-prompt"), headers: ["Authorization: Bearer sk-canary"])

            #expect(reply.status == 502)
            #expect(!reply.text.contains("canary"))
            #expect(!reply.text.contains("127.0.0.1"))
        }

        @Test(
            "what Redis holds shows neither tenant, credential nor question in its names",
            .enabled(if: Redis.isInstalled))
        func redisNames() throws {
            let redis = try Redis()
            let scene = try Scene { $0.redis = ["url": redis.url, "timeout": "5s"] }
            _ = try scene.ask(Chat("canary-prompt"), "Authorization: Bearer sk-canary")
            #expect(try eventually { try redis.answerCount() == 1 })

            let names = try redis.command("KEYS", "*")

            #expect(names.contains("samovar:"))
            #expect(!names.contains("canary"))
        }

        @Test("the admin port gives nothing of the data port, nor the data port of the admin's")
        func ports() throws {
            let scene = try Scene()
            let admin = try RawConnection(to: scene.sidecar.admin)
            admin.send(RawRequest.post(body: Chat("wrong door").body))

            let wrongDoor = try admin.reply()
            let pages = try ["/metrics", "/stats.json", "/healthz"].map {
                try scene.sidecar.exchange(RawRequest.get($0)).status
            }

            #expect(wrongDoor.status >= 400)
            #expect(pages == [404, 404, 404])
            #expect(try scene.calls == 0)
        }
    }
}
