import Foundation
import Testing

extension RealProcesses {
    /// Pods that use the same Redis are one fleet: they share calls, and what becomes of them.
    @Suite("pods", .enabled(if: Redis.isInstalled, "redis-server is not installed"))
    struct PodsTests {
        @Test(
            "make one call for callers of all of them, streamed and not, and each has the whole answer",
            arguments: [2, 4])
        func herd(count: Int) throws {
            let pods = try Pods(count, "--first-token-ms", "700", "--json-ms", "700", "--token-ms", "10")

            let replies = try pods.ask(
                [Chat("everybody everywhere", stream: true), Chat("everybody everywhere")], at: 0..<count, each: 60)

            #expect(replies.count == 60 * count)
            #expect(complaints(replies) == [])
            #expect(try pods.calls == 1)
            let shared = replies.filter { $0.0?["x-cache"] == "COALESCED" }.count
            #expect(shared == 60 * count - 1)
        }

        @Test("keep tenants apart")
        func tenants() throws {
            let pods = try Pods(2, "--first-token-ms", "400")
            let chat = Chat("whose answer")
            let asked = try ["Bearer one", "Bearer two"].enumerated().map { pod, authorization in
                try Crowd(
                    [RawRequest.post(body: chat.body, headers: ["Authorization: \(authorization)"])],
                    to: pods.sidecars[pod].http)
            }
            for crowd in asked { crowd.run(within: .milliseconds(50)) { _ in false } }

            #expect(complaints(asked.flatMap { $0.finish() }.map { ($0, chat) }) == [])
            #expect(try pods.calls == 2)
        }

        @Test("take over from a pod that is killed before the first token")
        func killedEarly() throws {
            let pods = try Pods(2, "--first-token-ms", "1500", "--json-ms", "1500", lease: .milliseconds(600))
            let chat = Chat("who answers now")
            let lost = try pods.sidecars[0].connect()
            lost.send(RawRequest.post(body: chat.body))
            #expect(try eventually { try pods.calls == 1 })
            let stream = Chat("who answers now", stream: true)
            let followers = try Crowd(
                [chat, stream, chat, stream].map { RawRequest.post(body: $0.body) }, to: pods.sidecars[1].http)
            followers.run(within: .milliseconds(200)) { _ in false }

            pods.sidecars[0].process.kill()

            let replies = followers.finish()
            #expect(complaints(Array(zip(replies, [chat, stream, chat, stream]))) == [])
            #expect(try pods.calls == 2)
            #expect(try pods.sidecars[1].stats()["leases"]["steals"].int == 1)
        }

        @Test(
            "tell a stream that has begun that it broke, when the pod that called is killed, and never go on with another"
        )
        func killedMidway() throws {
            let pods = try Pods(
                2, "--first-token-ms", "50", "--token-ms", "100", "--tokens", "60", lease: .milliseconds(600))
            let chat = Chat("half of it", stream: true)
            let lost = try pods.sidecars[0].connect()
            lost.send(RawRequest.post(body: chat.body))
            #expect(try eventually { try pods.calls == 1 })
            let follower = try Crowd([RawRequest.post(body: chat.body)], to: pods.sidecars[1].http)
            #expect(follower.run { $0.contains { ($0?.body.count ?? 0) > 1_000 } })

            pods.sidecars[0].process.kill()

            let reply = try #require(follower.finish()[0])
            #expect(reply.events.last?.isDone != true)
            #expect(reply.events.last?.json["error"].exists == true)
            let tokens = reply.events.filter { $0.json["choices"].exists }
            #expect(Set(tokens.compactMap { $0.json["id"].string }).count == 1)
            // Whoever asks then has a whole one.
            #expect(Verifier(tokenCount: 60).complaint(try pods.sidecars[1].ask(chat), to: chat) == nil)
        }

        @Test(
            "make one call more at most when the pod that called stops for longer than its lease, and it serves its own callers then"
        )
        func stopped() throws {
            let pods = try Pods(2, "--first-token-ms", "2500", "--json-ms", "2500", lease: .milliseconds(600))
            let chat = Chat("the one who slept")
            let own = try Crowd([RawRequest.post(body: chat.body)], to: pods.sidecars[0].http)
            own.run(within: .milliseconds(20)) { _ in false }
            #expect(try eventually { try pods.calls == 1 })
            let others = try Crowd(
                Array(repeating: RawRequest.post(body: chat.body), count: 5), to: pods.sidecars[1].http)
            others.run(within: .milliseconds(100)) { _ in false }

            pods.sidecars[0].process.send(SIGSTOP)
            others.run(within: .milliseconds(1_500)) { _ in false }
            pods.sidecars[0].process.send(SIGCONT)

            #expect(complaints((own.finish() + others.finish()).map { ($0, chat) }) == [])
            #expect(try pods.calls == 2)
        }

        @Test("go on for followers elsewhere when all callers of the pod that called have left")
        func left() throws {
            let pods = try Pods(2, "--first-token-ms", "50", "--token-ms", "60", "--tokens", "40") {
                $0.routes = [["name": "r", "finish_when_left": "false"]]
            }
            let chat = Chat("carry on", stream: true)
            let leaver = try pods.sidecars[0].connect()
            leaver.send(RawRequest.post(body: chat.body))
            #expect(try eventually { try pods.calls == 1 })
            let follower = try Crowd([RawRequest.post(body: chat.body)], to: pods.sidecars[1].http)
            #expect(follower.run { $0.contains { ($0?.body.count ?? 0) > 1_000 } })

            leaver.close()

            let reply = try #require(follower.finish()[0])
            #expect(Verifier(tokenCount: 40).complaint(reply, to: chat) == nil)
            #expect(try pods.calls == 1)
            #expect(try pods.provider.counts().cancelled == 0)
        }

        @Test("give up a call that nobody anywhere waits for")
        func nobody() throws {
            let pods = try Pods(2, "--first-token-ms", "20000", lease: .milliseconds(600)) {
                $0.routes = [["name": "r", "finish_when_left": "false"]]
            }
            let chat = Chat("never mind", stream: true)
            let callers = try pods.sidecars.map { try $0.connect() }
            callers[0].send(RawRequest.post(body: chat.body))
            #expect(try eventually { try pods.calls == 1 })
            callers[1].send(RawRequest.post(body: chat.body))
            #expect(try eventually { try pods.sidecars[1].stats()["leases"]["follows"].int == 1 })

            for caller in callers { caller.close() }

            // A pod that followed is expected back for some seconds.
            #expect(try eventually { try pods.provider.counts().cancelled == 1 })
            #expect(try pods.calls == 1)
        }

        @Test("share an upstream's refusal as it is", arguments: [400, 401, 429, 500])
        func refused(status: Int) throws {
            let pods = try Pods(2, "--status", "\(status)", "--json-ms", "700")
            let chat = Chat("refused everywhere")

            let replies = try pods.ask([chat], at: 0..<2, each: 20)

            #expect(Set(replies.map { $0.0?.status ?? 0 }) == [status])
            // One call a pod at a time: who asks when a refusal is over is not refused by it.
            #expect(try pods.provider.counts().concurrentMax <= 2)
        }

        @Test("serve everybody when Redis dies in the middle: one call a pod, or an error that says so")
        func redisDies() throws {
            let pods = try Pods(2, "--first-token-ms", "600", "--json-ms", "900", "--token-ms", "30")
            let chats = [Chat("Redis was here", stream: true), Chat("Redis was here")]
            let crowds = try pods.sidecars.map { sidecar in
                try Crowd((0..<10).map { RawRequest.post(body: chats[$0 % 2].body) }, to: sidecar.http)
            }
            for crowd in crowds { crowd.run(within: .milliseconds(100)) { _ in false } }
            #expect(try eventually { try pods.calls == 1 })

            pods.redis.process.kill()
            var replies: [HTTPReply?] = []
            for _ in 0..<600 where crowds.contains(where: { $0.replies.contains { $0?.isWhole != true } }) {
                for crowd in crowds { crowd.run(within: .milliseconds(20)) { _ in false } }
            }
            for crowd in crowds { replies += crowd.finish() }

            let asked = (0..<20).map { chats[$0 % 2] }
            for (reply, chat) in zip(replies, asked) {
                guard let reply, Verifier().complaint(reply, to: chat) != nil else { continue }
                // A stream that had begun elsewhere cannot be gone on with.
                #expect(chat.stream && reply.events.last?.json["error"].exists == true, "\(reply.text.suffix(200))")
            }
            #expect(try pods.calls <= 2)
        }

        @Test("stop calling for a request that has outlived too many pods")
        func poison() throws {
            let pods = try Pods(6, "--first-token-ms", "20000", lease: .milliseconds(300))
            let chat = Chat("this one kills", stream: true)
            var callers: [RawConnection] = []
            for (number, sidecar) in pods.sidecars.enumerated() {
                let caller = try sidecar.connect()
                caller.send(RawRequest.post(body: chat.body))
                callers.append(caller)
                // One after the other: each calls when the one before it is dead.
                if number == 5 { break }
                let hasCalled = try eventually(within: .seconds(5)) { try pods.calls == number + 1 }
                guard hasCalled else { break }
                sidecar.process.kill()
            }

            let reply = try callers[callers.count - 1].reply()

            #expect(reply.status == 503)
            #expect(reply.json["error"]["code"].string == "takeovers_max")
            #expect(try pods.calls == 4)
        }

        @Test("hand a call over when the pod that made it is told to end")
        func drained() throws {
            let pods = try Pods(2, "--first-token-ms", "1500", "--json-ms", "1500", lease: .seconds(10)) {
                $0.drain = ["accept_for": "0s", "grace": "200ms"]
            }
            let chat = Chat("taken over in order")
            let first = try pods.sidecars[0].connect()
            first.send(RawRequest.post(body: chat.body))
            #expect(try eventually { try pods.calls == 1 })
            let follower = try Crowd([RawRequest.post(body: chat.body)], to: pods.sidecars[1].http)
            follower.run(within: .milliseconds(100)) { _ in false }

            pods.sidecars[0].process.send(SIGTERM)

            // Long before a lease of ten seconds could be taken for dead.
            let replies = follower.finish(within: .seconds(9))
            #expect(complaints(replies.map { ($0, chat) }) == [])
            #expect(try pods.calls == 2)
        }
    }
}
