import Testing

extension RealProcesses {
    /// Who asks the same at the same time shares one call, and its fate.
    @Suite("coalescing")
    struct Coalescing {
        private func requests(_ chat: Chat, _ count: Int, _ headers: String...) -> [[UInt8]] {
            Array(repeating: RawRequest.post(body: chat.body, headers: headers), count: count)
        }

        private func complaints(_ replies: [HTTPReply?], _ chat: Chat) -> [String] {
            replies.compactMap { $0.map { Verifier().complaint($0, to: chat) } ?? "no reply" }
        }

        @Test("a thousand who ask at once are one call, and each has the whole answer", arguments: [false, true])
        func thousand(stream: Bool) throws {
            let scene = try Scene("--first-token-ms", "500", "--token-ms", "5") {
                $0.limits = ["connections_max": "2000"]
            }
            let chat = Chat("everybody asks this", stream: stream)

            let replies = try Crowd(requests(chat, 1_000), to: scene.sidecar.http).finish()

            #expect(complaints(replies, chat) == [])
            #expect(try scene.calls == 1)
        }

        @Test("callers who want no sharing are as many calls as callers")
        func unshared() throws {
            let scene = try Scene("--first-token-ms", "200")
            let chat = Chat("mine alone")

            let replies = try Crowd(requests(chat, 20, "Cache-Control: no-store"), to: scene.sidecar.http).finish()

            #expect(complaints(replies, chat) == [])
            #expect(try scene.calls == 20)
        }

        @Test("questions that differ in one place are as many calls as questions")
        func different() throws {
            let scene = try Scene("--first-token-ms", "200")
            let chats = (0..<30).map { Chat("same", extra: ["\"seed\":\($0)"]) }

            let replies = try Crowd(chats.map { RawRequest.post(body: $0.body) }, to: scene.sidecar.http).finish()

            #expect(complaints(replies, Chat("same")) == [])
            #expect(try scene.calls == 30)
        }

        @Test("followers say that they shared")
        func provenance() throws {
            let scene = try Scene("--first-token-ms", "500")

            let replies = try Crowd(requests(Chat("shared"), 5), to: scene.sidecar.http).finish()

            #expect(replies.filter { $0?["x-cache"] == "MISS" }.count == 1)
            #expect(replies.filter { $0?["x-cache"] == "COALESCED" }.count == 4)
            #expect(replies.filter { $0?["cache-status"]?.contains("collapsed") == true }.count == 4)
        }

        @Test(
            "the first caller's leaving before the first token harms nobody", arguments: [false, true], [false, true])
        func leaderLeavesEarly(stream: Bool, finishes: Bool) throws {
            let scene = try Scene("--first-token-ms", "600") {
                $0.routes = [["name": "r", "finish_when_left": "\(finishes)"]]
            }
            let chat = Chat("do not wait for me", stream: stream)
            let leader = try scene.sidecar.connect()
            leader.send(RawRequest.post(body: chat.body))
            #expect(try eventually { try scene.calls == 1 })
            let crowd = try Crowd(requests(chat, 10), to: scene.sidecar.http)
            crowd.run(within: .milliseconds(100)) { _ in false }

            leader.close()
            let replies = crowd.finish()

            #expect(complaints(replies, chat) == [])
            #expect(try scene.calls == 1)
        }

        @Test("the first caller's leaving in mid-stream harms nobody")
        func leaderLeavesLate() throws {
            let scene = try Scene("--token-ms", "30") { $0.routes = [["name": "r", "finish_when_left": "false"]] }
            let chat = Chat("I have heard enough", stream: true)
            let leader = try scene.sidecar.connect()
            leader.send(RawRequest.post(body: chat.body))
            #expect(leader.reads { ($0.partial?.events.count ?? 0) > 3 })
            let crowd = try Crowd(requests(chat, 10), to: scene.sidecar.http)
            #expect(crowd.run { $0.allSatisfy { $0 != nil } })

            leader.close()
            let replies = crowd.finish()

            #expect(complaints(replies, chat) == [])
            #expect(try scene.calls == 1)
            #expect(try scene.provider.counts().cancelled == 0)
        }

        @Test("callers who leave at random moments harm nobody else")
        func manyLeave() throws {
            let scene = try Scene("--first-token-ms", "100", "--token-ms", "10")
            let chat = Chat("come and go", stream: true)
            let crowd = try Crowd(requests(chat, 40), to: scene.sidecar.http)
            var noise = SplitMix(state: 7)
            var staying = Set(0..<40)

            for _ in 0..<30 {
                crowd.run(within: .milliseconds(10)) { _ in false }
                guard let leaver = staying.randomElement(using: &noise), staying.count > 5 else { break }
                staying.remove(leaver)
                crowd.leave(leaver)
            }
            let replies = crowd.finish()

            #expect(complaints(staying.sorted().map { replies[$0] }, chat) == [])
            #expect(try scene.calls == 1)
        }

        @Test("a refusal is everybody's, once, with its own status", arguments: [400, 429, 500, 503])
        func sharedRefusal(status: Int) throws {
            // The provider refuses at once: a slow road makes the callers meet.
            let provider = try Provider("--status", "\(status)", "--retry-after", "3")
            let proxy = try FaultProxy(to: provider.address, .delay(milliseconds: 500))
            let sidecar = try Sidecar(upstream: proxy.url)

            let replies = try Crowd(requests(Chat("no"), 20), to: sidecar.http).finish()

            #expect(replies.map { $0?.status } == Array(repeating: status, count: 20))
            #expect(replies.allSatisfy { $0?.json["error"].exists == true })
            #expect(try provider.counts().calls == 1)
        }

        @Test("a cut is everybody's, once, and looks like no answer", arguments: [false, true])
        func sharedCut(stream: Bool) throws {
            let scene = try Scene("--first-token-ms", "500", "--cut-after-tokens", "4")
            let chat = Chat("cut for all", stream: stream)

            let replies = try Crowd(requests(chat, 20), to: scene.sidecar.http).finish(within: .seconds(10))

            #expect(complaints(replies, chat).count == 20)
            #expect(replies.allSatisfy { $0 != nil && $0?.text.contains("[DONE]") == false })
            #expect(try scene.calls == 1)
        }

        @Test("a follower's shorter patience ends its own wait only", arguments: [false, true])
        func shorterDeadline(stream: Bool) throws {
            let scene = try Scene("--first-token-ms", "1000")
            let chat = Chat("patience differs", stream: stream)
            let patient = try scene.sidecar.connect()
            patient.send(RawRequest.post(body: chat.body))

            let hasty = try scene.ask(chat, "x-samovar-timeout: 100ms")
            let reply = try patient.reply()

            #expect(hasty.status == 504)
            #expect(hasty.errorCode == "deadline")
            #expect(Verifier().complaint(reply, to: chat) == nil)
            #expect(try scene.calls == 1)
        }

        @Test("the first caller's shorter patience ends its own wait only")
        func leadersDeadline() throws {
            let scene = try Scene("--first-token-ms", "1000")
            let chat = Chat("patience differs")
            let hasty = try scene.sidecar.connect()
            hasty.send(RawRequest.post(body: chat.body, headers: ["x-samovar-timeout: 300ms"]))
            #expect(try eventually { try scene.calls == 1 })

            let reply = try scene.ask(chat)

            #expect(try hasty.reply().status == 504)
            #expect(Verifier().complaint(reply, to: chat) == nil)
            #expect(try scene.calls == 1)
        }

        @Test("a caller's patience holds in mid-stream too, and the stream says so")
        func deadlineInStream() throws {
            let scene = try Scene("--token-ms", "200")

            let reply = try scene.ask(Chat("slow tokens", stream: true), "x-samovar-timeout: 500ms")

            #expect(reply.status == 200)
            #expect(reply.errorCode == "deadline")
            #expect(!reply.text.contains("[DONE]"))
        }

        @Test("more followers than the limit are told to come again")
        func followersMax() throws {
            let scene = try Scene("--first-token-ms", "1000") { $0.limits = ["flight_followers_max": "5"] }
            let chat = Chat("too popular")

            let replies = try Crowd(requests(chat, 12), to: scene.sidecar.http).finish().compactMap(\.self)

            let refused = replies.filter { $0.status == 503 }
            #expect(replies.filter { Verifier().complaint($0, to: chat) == nil }.count == 5)
            #expect(refused.count == 7)
            #expect(refused.allSatisfy { $0.errorCode == "flight_followers_max" && $0["retry-after"] != nil })
            #expect(try scene.calls == 1)
        }

        @Test("more flights than the limit are told to come again")
        func flightsMax() throws {
            let scene = try Scene("--first-token-ms", "1000") { $0.limits = ["flights_max": "5"] }
            let chats = (0..<12).map { Chat("question \($0)") }

            let replies = try Crowd(chats.map { RawRequest.post(body: $0.body) }, to: scene.sidecar.http).finish()

            let refused = replies.compactMap(\.self).filter { $0.status == 503 }
            #expect(replies.filter { $0?.status == 200 }.count == 5)
            #expect(refused.count == 7)
            #expect(refused.allSatisfy { $0.errorCode == "flights_max" && $0["retry-after"] != nil })
            #expect(try scene.calls == 5)
        }

        @Test("a body and a stream of one question are one call", arguments: [false, true])
        func mixedForms(leaderStreams: Bool) throws {
            let scene = try Scene("--first-token-ms", "500")
            let chats = [leaderStreams, !leaderStreams, leaderStreams, !leaderStreams].map { Chat("mixed", stream: $0) }
            let leader = try scene.sidecar.connect()
            leader.send(RawRequest.post(body: chats[0].body))
            #expect(try eventually { try scene.calls == 1 })

            let replies = try Crowd(chats.dropFirst().map { RawRequest.post(body: $0.body) }, to: scene.sidecar.http)
                .finish()
            let all = [try leader.reply()] + replies.map { $0 ?? HTTPReply() }

            #expect(zip(all, chats).compactMap { Verifier().complaint($0, to: $1) } == [])
            #expect(try scene.calls == 1)
        }

        @Test("no-cache never joins a flight that began before it")
        func noCacheFliesAnew() throws {
            let scene = try Scene("--first-token-ms", "600")
            let chat = Chat("only what is new")
            let leader = try scene.sidecar.connect()
            leader.send(RawRequest.post(body: chat.body))
            #expect(try eventually { try scene.calls == 1 })

            let reply = try scene.ask(chat, "Cache-Control: no-cache")

            #expect(Verifier().complaint(reply, to: chat) == nil)
            #expect(Verifier().complaint(try leader.reply(), to: chat) == nil)
            #expect(try scene.calls == 2)
        }
    }
}
