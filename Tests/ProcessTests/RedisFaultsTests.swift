import Foundation
import Testing

/// Asks one question after the other, each a new one, and keeps what is wrong with the answers.
private func ask(_ sidecar: Sidecar, _ name: String, count: Int) throws -> [String] {
    try (0..<count).compactMap { number in
        let chat = Chat("\(name) \(number)", stream: number % 2 == 0)
        return Verifier().complaint(try sidecar.ask(chat), to: chat)
    }
}

private func redisLines(_ sidecar: Sidecar) -> [Substring] {
    sidecar.process.errors.split(separator: "\n").filter { $0.contains("redis:") }
}

extension RealProcesses {
    /// Whatever Redis does or says, callers are answered, and with nothing but their own answer.
    @Suite("Redis in trouble", .enabled(if: Redis.isInstalled, Comment(rawValue: Redis.skipped)))
    struct RedisFaults {
        @Test("that comes and goes every second fails nobody, is probed a little and told of rarely")
        func flapping() throws {
            let redis = try Redis()
            let scene = try Scene { $0.redis = ["url": redis.url] }
            let began = ContinuousClock.now
            var complaints: [String] = []
            var asked = 0
            for turn in 0..<8 {
                redis.process.send(turn % 2 == 0 ? SIGSTOP : SIGCONT)
                let until = Deadline(within: .seconds(1))
                while !until.hasPassed {
                    complaints += try ask(scene.sidecar, "flap \(asked)", count: 2)
                    asked += 2
                }
            }
            let seconds = Int((ContinuousClock.now - began) / .seconds(1)) + 1
            let stats = try scene.sidecar.stats()["redis"]

            #expect(complaints == [])
            #expect(asked > 20)
            // In its first outage five commands in a row open the breaker; then one at a time, and ever more rarely.
            let lost = (stats["timeouts"].int ?? -1) + (stats["errors"].int ?? -1)
            #expect((1...seconds * 10).contains(lost))
            #expect(redisLines(scene.sidecar).count <= 3 + seconds / 5, "\(redisLines(scene.sidecar))")
        }

        @Test(
            "whose clock jumps, forward or back, costs one call more at most, and a dead pod is found out in time",
            .enabled(if: ShiftedClock.isPossible, "no C compiler is installed"), arguments: [60, -600])
        func clock(seconds: Int) throws {
            let clock = try ShiftedClock()
            let redis = try Redis(environment: clock.environment)
            let pods = try Pods(
                2, "--first-token-ms", "1500", "--json-ms", "1500", lease: .milliseconds(600), on: redis)
            let before = try redis.command("TIME")
            let (calm, doomed) = (Chat("calm \(seconds)"), Chat("doomed \(seconds)"))
            let leader = try pods.sidecars[0].connect()
            leader.send(RawRequest.post(body: calm.body))
            #expect(try eventually { try pods.calls == 1 })
            try pods.provider.control(["json_ms": "8000"])
            let lost = try pods.sidecars[0].connect()
            lost.send(RawRequest.post(body: doomed.body))
            #expect(try eventually { try pods.calls == 2 })

            try clock.move(bySeconds: seconds)
            let followers = try Crowd(
                [calm, calm, doomed, doomed].map { RawRequest.post(body: $0.body) }, to: pods.sidecars[1].http)
            followers.run { $0[0]?.isWhole == true && $0[1]?.isWhole == true }
            #expect(Verifier().complaint(try leader.reply(), to: calm) == nil)
            let ofCalm = try pods.calls
            try pods.provider.control(["json_ms": "1"])
            pods.sidecars[0].process.kill()
            let replies = followers.finish()

            // Else the clock was not moved, and nothing was tried.
            let moved = try redis.command("TIME")
            #expect(abs(Self.seconds(moved) - Self.seconds(before) - seconds) < 60)
            #expect(complaints(Array(zip(replies, [calm, calm, doomed, doomed]))) == [])
            // Forward, Redis forgets both leases at once; back, it would keep them for ten minutes.
            #expect(ofCalm <= (seconds > 0 ? 4 : 2))
            #expect(try pods.calls <= 4)
        }

        /// Of a reply to TIME.
        private static func seconds(_ reply: String) -> Int {
            reply.split(separator: "\r\n").dropFirst(2).first.flatMap { Int($0) } ?? 0
        }

        @Test("whose connections all fall silent is found out by itself, and changes are heard of again")
        func halfOpen() throws {
            let redis = try Redis()
            let proxy = try FaultProxy(to: redis.address)
            let scene = try Scene { $0.redis = ["url": "redis://\(proxy.address)/0", "timeout": "500ms"] }
            #expect(try eventually { try scene.sidecar.metric("samovar_redis_tracking_state") == 1 })
            let chat = Chat("heard of no more")
            _ = try scene.ask(chat)
            #expect(try eventually { try redis.answerCount() == 1 })
            #expect(try scene.ask(chat)["x-cache"] == "HIT")

            proxy.hush()
            let tag = try #require(try redis.tag(of: "samovar:c:"))
            _ = try redis.command("DEL", "samovar:c:\(tag)")
            // Nobody has told it, and nothing is asked of Redis meanwhile: what is in memory is right, and good for now.
            let isForgotten = try eventually {
                let reply = try scene.ask(chat)
                #expect(Verifier().complaint(reply, to: chat) == nil)
                return reply["x-cache"] != "HIT"
            }

            #expect(isForgotten)
            #expect(try eventually { try scene.sidecar.metric("samovar_redis_tracking_state") == 1 })
            // And the connections for commands as well.
            #expect(try ask(scene.sidecar, "over new ones", count: 6) == [])
            #expect(try eventually { try scene.sidecar.stats()["redis"]["breaker"].string == "closed" })
        }

        @Test(
            "that answers nonsense in good form gives nobody a wrong answer, nor an error",
            arguments: [UInt64(1), 2, 3])
        func nonsense(seed: UInt64) throws {
            let redis = try NonsenseRedis(seed: seed)
            let scene = try Scene { $0.redis = ["url": redis.url] }
            #expect(eventually { scene.sidecar.process.errors.contains("redis: connected") })
            var wrong: [String] = []
            for turn in 0..<120 {
                let chat = Chat("nonsense \(turn % 30)", stream: turn % 3 == 0)
                let reply = try scene.ask(chat, "Authorization: Bearer \(turn % 2)")
                Verifier().complaint(reply, to: chat).map { wrong.append($0) }
                // Some of the breaker's waits are over by then.
                if turn % 20 == 19 { usleep(100_000) }
            }

            #expect(wrong == [])
            #expect(redis.servedCount > 20)
            #expect(scene.sidecar.process.hasEnded() == nil)
        }

        @Test("that holds what a later version has written is passed by: a call of its own, and nothing wrong")
        func versions() throws {
            let pods = try Pods(2)
            let chat = Chat("from the future")
            _ = try pods.sidecars[0].ask(chat)
            #expect(try eventually { try pods.redis.answerCount() == 1 })
            let tag = try #require(try pods.redis.tag(of: "samovar:c:"))

            // The version is the fifth byte of a stored answer.
            _ = try pods.redis.command("SETRANGE", "samovar:c:\(tag)", "4", "z")
            let ofValue = try pods.sidecars[1].ask(chat)
            #expect(Verifier().complaint(ofValue, to: chat) == nil)
            #expect(ofValue["x-cache"] == "MISS")
            #expect(try pods.calls == 2)

            // A lease in another form.
            _ = try pods.redis.command("SET", "samovar:l:\(tag)", "v9;somebody;somewhere", "PX", "10000")
            let ofLease = try pods.sidecars[1].ask(chat, headers: ["Cache-Control: no-cache"])
            #expect(Verifier().complaint(ofLease, to: chat) == nil)
            #expect(try pods.calls == 3)
            #expect(try pods.redis.command("GET", "samovar:l:\(tag)").contains("v9;somebody"))

            // A lease that is understood, and a stream of which nothing is.
            let attempt = String(repeating: "0a", count: 16)
            _ = try pods.redis.command("SET", "samovar:l:\(tag)", "\(attempt):0:00000000000000ff", "PX", "10000")
            _ = try pods.redis.command(
                "XADD", "samovar:s:\(tag):\(attempt)", "*", "e", "z" + String(repeating: "y", count: 99))
            let alone = try pods.sidecars[1].stats()["leases"]["alone"].int ?? 0
            // The last answer may be written only now.
            let isForgotten = try eventually {
                _ = try pods.redis.command("DEL", "samovar:c:\(tag)")
                return try pods.sidecars[1].metric("samovar_l1_entries") == 0
            }
            #expect(isForgotten)
            let ofStream = try pods.sidecars[1].ask(chat)
            #expect(Verifier().complaint(ofStream, to: chat) == nil)
            #expect(try pods.calls == 4)
            #expect(try pods.sidecars[1].stats()["leases"]["alone"].int == alone + 1)
            // It was not waited for: the one who is said to lead was never judged dead.
            #expect(try pods.sidecars[1].stats()["leases"]["steals"].int ?? 0 == 0)
        }
    }
}
