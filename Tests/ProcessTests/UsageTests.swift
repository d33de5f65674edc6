import Testing

extension RealProcesses {
    /// Usage is shown to those who ask for it, and to nobody else.
    @Suite("usage in streams")
    struct UsageInStreams {
        @Test("a stream is byte for byte the provider's own, with usage and without", arguments: [true, false])
        func live(includeUsage: Bool) throws {
            let scene = try Scene()
            let chat = Chat("word for word", stream: true, includeUsage: includeUsage)

            let through = try scene.ask(chat)
            let direct = try scene.provider.ask(chat)

            #expect(through.timeless == direct.timeless)
            #expect(through.text.contains("\"usage\"") == includeUsage)
        }

        @Test(
            "a remembered stream is byte for byte the provider's own, whatever its first caller asked for",
            arguments: [(true, false), (false, true), (true, true), (false, false)])
        func remembered(first: Bool, second: Bool) throws {
            let scene = try Scene()
            _ = try scene.ask(Chat("again", stream: true, includeUsage: first))
            let chat = Chat("again", stream: true, includeUsage: second)

            let hit = try scene.ask(chat)
            let direct = try scene.provider.ask(chat)

            #expect(hit["x-cache"] == "HIT")
            #expect(hit.timeless == direct.timeless)
        }

        @Test("callers of one flight each get usage as they asked", arguments: [true, false])
        func shared(leaderWants: Bool) throws {
            let scene = try Scene("--first-token-ms", "200")
            let chats = [leaderWants, !leaderWants, leaderWants, !leaderWants].map {
                Chat("together", stream: true, includeUsage: $0)
            }

            let crowd = try Crowd(chats.map { RawRequest.post(body: $0.body) }, to: scene.sidecar.http)
            let replies = crowd.finish()

            #expect(zip(replies, chats).compactMap { Verifier().complaint($0 ?? HTTPReply(), to: $1) } == [])
            #expect(try scene.calls == 1)
        }

        @Test("a body made of a stream says what was used", arguments: [true, false])
        func folded(includeUsage: Bool) throws {
            let scene = try Scene()
            _ = try scene.ask(Chat("count", stream: true, includeUsage: includeUsage))

            let body = try scene.ask(Chat("count"))
            let direct = try scene.provider.ask(Chat("count"))

            #expect(body["x-cache"] == "HIT")
            #expect(body.comparable == direct.comparable)
        }

        @Test("a provider that refuses stream_options is asked again without it, once for all")
        func refused() throws {
            let scene = try Scene("--refuse-stream-options")
            let first = Chat("old provider", stream: true)
            let second = Chat("same provider", stream: true)

            let replies = try [scene.ask(first), scene.ask(second)]

            #expect(Verifier().complaint(replies[0], to: first) == nil)
            #expect(Verifier().complaint(replies[1], to: second) == nil)
            #expect(try scene.calls == 3)
        }

        @Test("chunks padded with random text and lines ended with CRLF are passed on as they are")
        func padded() throws {
            let scene = try Scene("--obfuscation", "--crlf")
            let chat = Chat("padded", stream: true, includeUsage: true)

            let live = try scene.ask(chat)
            let hit = try scene.ask(chat)

            #expect(Verifier().complaint(live, to: chat) == nil)
            #expect(live.text.contains("\"obfuscation\"") && live.text.contains("\r\n\r\n"))
            #expect(hit.body == live.body)
        }
    }
}
