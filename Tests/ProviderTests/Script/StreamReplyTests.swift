import NIOCore
import Testing

@testable import provider

@Suite("a reply told token by token")
struct StreamReplyTests {
    private let hex = Scene.digest.hex
    private let three = Scene.settings { $0.tokens = 3 }

    @Test("role, tokens, finish, done")
    func plain() throws {
        let told = Scene.tell(Scene.ask(), three)
        let events = try Scene.events(told.text)

        #expect(events.count == 5)
        #expect(Scene.deltas(events, "role") == ["assistant"])
        #expect(Scene.deltas(events, "content").joined() == "\(hex).0 \(hex).1 \(hex).end")
        #expect(events.last?["choices"]?.array?.first?["finish_reason"] == .string("stop"))
        #expect(told.text.hasSuffix("data: [DONE]\n\n"))
        #expect(told.then == .end)
    }

    @Test("without usage asked for no chunk names it; with it all do and one more chunk tells it")
    func usage() throws {
        let without = try Scene.events(Scene.tell(Scene.ask(), three).text)
        let with = try Scene.events(Scene.tell(Scene.ask { $0.includeUsage = true }, three).text)

        #expect(without.allSatisfy { $0["usage"] == nil })
        #expect(with.dropLast().allSatisfy { $0["usage"] == .null })
        #expect(with.last?["choices"] == .array([]))
        #expect(with.last?["usage"]?["total_tokens"] == .number(5))
    }

    @Test("the pieces of a tool call join to its arguments")
    func toolCall() throws {
        let events = try Scene.events(Scene.tell(Scene.ask { $0.toolName = "weather" }, three).text)
        let deltas = events.compactMap { $0["choices"]?.array?.first?["delta"] }
        let calls = deltas.compactMap { $0["tool_calls"]?.array?.first?["function"] }

        #expect(calls.compactMap { $0["name"]?.string } == ["weather"])
        #expect(calls.compactMap { $0["arguments"]?.string }.joined() == #"{"digest":"\#(hex)"}"#)
        #expect(calls.count > 3)
        #expect(events.last?["choices"]?.array?.first?["finish_reason"] == .string("tool_calls"))
    }

    @Test("a reasoner's thoughts come before its content")
    func reasoner() throws {
        let events = try Scene.events(Scene.tell(Scene.ask { $0.model = "m-reasoner" }, three).text)

        #expect(Scene.deltas(events, "reasoning_content") == ["\(hex).r0 "])
        #expect(events[1]["choices"]?.array?.first?["delta"]?["reasoning_content"] != nil)
        #expect(Scene.deltas(events, "content").joined() == "\(hex).0 \(hex).1 \(hex).end")
    }

    @Test("choices take turns")
    func choices() throws {
        let events = try Scene.events(Scene.tell(Scene.ask { $0.choiceCount = 2 }, three).text)

        #expect(events.compactMap { $0["choices"]?.array?.first?["index"]?.whole } == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    }

    @Test("tokens come when they are due, and not before")
    func pace() {
        let settings = Scene.settings {
            $0.tokens = 3
            $0.firstTokenMs = 100
            $0.tokenMs = 10
        }
        var reply = StreamReply(head: Scene.head, answer: Scene.answer(Scene.ask(), settings), settings: settings)

        let early = reply.play(at: .milliseconds(99))
        let first = reply.play(at: .milliseconds(100))
        let late = reply.play(at: .milliseconds(125))

        #expect(early.head == nil && early.bytes.readableBytes == 0)
        #expect(early.then == .resume(at: .milliseconds(100)))
        #expect(first.head != nil)
        #expect(String(buffer: first.bytes).contains("\(hex).0 "))
        #expect(!String(buffer: first.bytes).contains("\(hex).1 "))
        #expect(late.head == nil)
        #expect(String(buffer: late.bytes).contains("\(hex).end"))
        #expect(late.then == .resume(at: .milliseconds(130)))
    }

    @Test("silence begins with the head and is full of comments")
    func silence() {
        let settings = Scene.settings {
            $0.tokens = 1
            $0.silentMs = 250
            $0.keepAliveMs = 100
        }
        var reply = StreamReply(head: Scene.head, answer: Scene.answer(Scene.ask(), settings), settings: settings)

        let arrival = reply.play(at: .zero)
        let first = reply.play(at: .milliseconds(100))
        let second = reply.play(at: .milliseconds(200))
        let token = reply.play(at: .milliseconds(250))

        #expect(arrival.head != nil && arrival.bytes.readableBytes == 0)
        #expect(arrival.then == .resume(at: .milliseconds(100)))
        #expect(String(buffer: first.bytes) == ": keep-alive\n\n")
        #expect(first.then == .resume(at: .milliseconds(200)))
        #expect(String(buffer: second.bytes) == ": keep-alive\n\n")
        #expect(second.then == .resume(at: .milliseconds(250)))
        #expect(token.then == .end)
    }

    @Test("cut after two tokens means two tokens and no more", arguments: [0, 2, 3])
    func cut(tokens: Int) throws {
        let told = Scene.tell(
            Scene.ask(),
            Scene.settings {
                $0.tokens = 3
                $0.cutAfterTokens = tokens
            })
        let events = try Scene.events(told.text)

        #expect(told.then == .cut)
        #expect(Scene.deltas(events, "content").filter { !$0.isEmpty }.count == tokens)
        #expect(events.allSatisfy { $0["choices"]?.array?.first?["finish_reason"] == .null })
    }

    @Test("an error in the middle is the last event, and nothing is done after it")
    func error() throws {
        let told = Scene.tell(
            Scene.ask(),
            Scene.settings {
                $0.tokens = 3
                $0.errorAfterTokens = 1
            })
        let events = try Scene.events(told.text)

        #expect(told.then == .end)
        #expect(events.last?["error"]?["type"] == .string("server_error"))
        #expect(!told.text.contains("[DONE]"))
        #expect(Scene.deltas(events, "content").filter { !$0.isEmpty } == ["\(hex).0 "])
    }

    @Test("an endless stream never ends, and no passage holds up its loop")
    func endless() throws {
        let settings = Scene.settings {
            $0.tokens = 3
            $0.endless = true
        }
        let told = Scene.tell(Scene.ask(), settings, passageMax: 5)
        let tokens = Scene.deltas(try Scene.events(told.text), "content").filter { !$0.isEmpty }

        #expect(told.then == .resume(at: .zero))
        #expect(told.text.utf8.count < 5 * (StreamReply.passageSizeMax + 1_000))
        #expect(tokens == (0..<tokens.count).map { "\(hex).\($0) " })
        #expect(tokens.count > 1_000)
    }

    @Test("with CRLF no line ends with LF alone; with no_done nothing is done")
    func lineEnds() {
        let crlf = Scene.tell(
            Scene.ask(),
            Scene.settings {
                $0.crlf = true
                $0.noDone = true
            }
        ).text

        let bytes = Array(crlf.utf8)
        let lineFeeds = bytes.indices.filter { bytes[$0] == 0x0A }
        #expect(lineFeeds.allSatisfy { bytes[$0 - 1] == 0x0D })
        #expect(!crlf.contains("[DONE]"))
    }

    @Test("padding makes chunks of one content differ in length, the same for the same seed")
    func obfuscation() throws {
        let settings = Scene.settings { $0.obfuscation = true }
        let told = Scene.tell(Scene.ask(), settings).text
        let lengths = try Scene.events(told).compactMap { $0["obfuscation"]?.string?.count }

        #expect(Set(lengths).count > 3)
        #expect(told == Scene.tell(Scene.ask(), settings).text)
    }
}
