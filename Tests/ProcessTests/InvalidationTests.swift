import Foundation
import SamovarClient
import Testing

extension RealProcesses {
    /// Two sidecars on one Redis: what is made unusable at one is forgotten by the other.
    @Suite("invalidation", .enabled(if: Redis.isInstalled, Comment(rawValue: Redis.skipped)))
    struct Invalidation {
        private static let token = "an-admin-token"

        private struct Pair {
            let redis: Redis
            let provider: Provider
            let one: Sidecar
            let other: Sidecar

            init(_ flags: String...) throws {
                let (redis, provider) = (try Redis(), try Provider(flags))
                self.redis = redis
                self.provider = provider
                let start = {
                    try Sidecar(
                        SidecarSettings(upstream: provider.url).with { settings in
                            settings.redis = ["url": redis.url, "timeout": "5s"]
                        }, environment: ["SAMOVAR_ADMIN_TOKEN": Invalidation.token])
                }
                (one, other) = (try start(), try start())
                for sidecar in [one, other] {
                    guard try eventually({ try sidecar.metric("samovar_redis_tracking_state") == 1 }) else {
                        throw HarnessError.odd("a sidecar does not hear of changes")
                    }
                }
            }

            var calls: Int { get throws { try provider.counts().calls } }

            /// Both have it in memory; one call was made.
            func fill(_ chat: Chat) throws {
                for sidecar in [one, other] { _ = try sidecar.ask(chat) }
                for sidecar in [one, other] { #expect(try Self.entryCount(sidecar) == 1) }
                #expect(try calls == 1)
            }

            static func entryCount(_ sidecar: Sidecar) throws -> Int { try sidecar.metric("samovar_l1_entries") ?? -1 }

            /// The other one has forgotten it within a second, and asks the provider once more.
            func expectForgotten(_ chat: Chat) throws {
                #expect(try eventually(within: .seconds(1)) { try Self.entryCount(other) == 0 })
                #expect(try other.ask(chat)["x-cache"] == "MISS")
                #expect(try calls == 2)
            }

            func post(_ body: String, _ headers: String...) throws -> HTTPReply {
                let connection = try RawConnection(to: one.admin)
                connection.send(RawRequest.post("/invalidate", body: body, headers: headers))
                return try connection.reply()
            }
        }

        private func run(_ words: [String], token: String? = token) throws -> (
            status: Int32, output: String, errors: String
        ) {
            let environment = token.map { ["SAMOVAR_ADMIN_TOKEN": $0] } ?? [:]
            let process = try ChildProcess(Program.built("samovar"), ["invalidate"] + words, environment: environment)
            guard case .exited(let status)? = process.ends() else {
                throw HarnessError.notReady("the end of \(words)", output: process.errors)
            }
            return (status, process.output, process.errors)
        }

        private let chat = Chat("poisoned", extra: ["\"cache\":{\"namespace\":\"drafts\"}"])

        @Test(
            "the command reaches the other pod, by body, model and namespace",
            arguments: ["body", "model", "namespace"])
        func command(by what: String) throws {
            let pair = try Pair()
            try pair.fill(chat)
            let folder = try TemporaryFolder()
            let body = try folder.write("body.json", chat.body)
            let model = JSON(Array(chat.body.utf8))["model"].string ?? ""
            let words = [
                "body": ["--body", body], "model": ["--model", model], "namespace": ["--namespace", "drafts"],
            ]

            let ended = try run((words[what] ?? []) + ["--admin", "\(pair.one.admin)", "--json"])

            #expect(ended.status == 0, "\(ended.errors)")
            #expect(JSON(Array(ended.output.utf8))["removed"].int == 1)
            #expect(ended.output.contains("\"shared\":true"))
            try pair.expectForgotten(chat)
            let scope = what == "body" ? "key" : what
            #expect(try pair.one.metric("samovar_invalidations_total{scope=\"\(scope)\"}") == 1)
        }

        @Test("the admin operation reaches the other pod, and wants the token")
        func admin() throws {
            let pair = try Pair()
            try pair.fill(chat)
            let operation = "{\"body\":\(chat.body)}"

            let refused = [
                try pair.post(operation), try pair.post(operation, "Authorization: Bearer guess"),
                try pair.post(operation, "Authorization: Bearer \(Self.token)", "Origin: https://elsewhere.example"),
            ].map(\.status)
            let entries = try Pair.entryCount(pair.one)
            let wrong = try [
                "{", "[]", "{}", "{\"key\":\"12\"}", "{\"model\":\"\"}", "{\"model\":\"m\",\"tenant\":\"t\"}",
            ].map {
                try pair.post($0, "Authorization: Bearer \(Self.token)").status
            }
            let done = try pair.post(operation, "Authorization: Bearer \(Self.token)")

            #expect(refused == [401, 401, 403])
            #expect(entries == 1)
            #expect(wrong == Array(repeating: 400, count: 6))
            #expect(done.status == 200 && done.text == "{\"removed\":1,\"shared\":true}\n")
            try pair.expectForgotten(chat)
        }

        @Test("the binary operation reaches the other pod, by body, namespace, model and tenant", arguments: 0..<4)
        func binary(target: Int) async throws {
            let pair = try Pair()
            try pair.fill(chat)
            var settings = SamovarClient.Settings()
            settings.adminToken = SamovarClient.Secret(Self.token)
            let client = try SamovarClient(address: pair.one.binary.description, settings: settings)
            let model = JSON(Array(chat.body.utf8))["model"].string ?? ""
            let targets: [SamovarClient.Target] = [
                .body(Array(chat.body.utf8)), .namespace("drafts"), .model(model), .tenant(nil),
            ]

            let count = try await client.invalidate(targets[target])

            #expect(count == 1)
            try pair.expectForgotten(chat)
        }

        @Test(
            "a key that is purged elsewhere while its flight is in the air is not stored, and not joined after",
            arguments: [true, false])
        func inTheAir(byOther: Bool) throws {
            let pair = try Pair("--first-token-ms", "1500")
            let flying = try Crowd([RawRequest.post(body: chat.body)], to: pair.one.http)
            flying.run(within: .seconds(1)) { _ in false }
            #expect(try eventually { try pair.calls == 1 })

            let admin = byOther ? pair.other.admin : pair.one.admin
            let folder = try TemporaryFolder()
            let ended = try run(["--body", try folder.write("body.json", chat.body), "--admin", "\(admin)"])
            // Where it was purged, it is known at once.
            let second = try (byOther ? pair.other : pair.one).ask(chat)
            let first = flying.finish()

            #expect(ended.status == 0)
            #expect(first[0]?.status == 200 && second["x-cache"] == "MISS")
            #expect(try pair.calls == 2)
            // The later call's answer is what both have from now on.
            for sidecar in [pair.one, pair.other] { #expect(try sidecar.ask(chat).body == second.body) }
            #expect(try pair.calls == 2)
            #expect(try pair.one.stats()["not_stored"]["invalidated"].int == 1)
        }

        @Test("the command says in one line what is wrong, and fails")
        func fails() throws {
            let pair = try Pair()
            let admin = "\(pair.one.admin)"
            let forgotten = try run(["--model", "m", "--admin", admin], token: nil)
            let wrong = try run(["--model", "m", "--admin", admin], token: "guess")
            let absent = try run(["--model", "m", "--admin", "127.0.0.1:1"])
            let notAdmin = try run(["--model", "m", "--admin", "\(pair.one.http)"])
            let badKey = try run(["--key", "12", "--admin", admin])
            let two = try run(["--key", String(repeating: "0", count: 64), "--model", "m", "--admin", admin])
            let help = try run(["--help"])
            pair.redis.process.send(SIGKILL)
            _ = pair.redis.process.ends()
            let alone = try run(["--model", "m", "--admin", admin])

            #expect(forgotten.status == 1 && forgotten.errors.contains("--admin-token-env"))
            #expect(wrong.status == 1 && wrong.errors.contains("admin token"))
            #expect(absent.status == 1 && absent.errors.split(separator: "\n").count == 1)
            #expect(notAdmin.status == 1 && notAdmin.errors.contains("is it the admin port?"))
            #expect(badKey.status == 64 && badKey.errors.contains("64 hex digits"))
            #expect(two.status == 64 && two.errors.contains("exactly one"))
            #expect(help.output.contains("samovar invalidate --model"))
            #expect(alone.status == 2 && alone.errors.contains("Redis did not answer"))
        }
    }
}
