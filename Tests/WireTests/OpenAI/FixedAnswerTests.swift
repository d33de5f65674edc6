import SamovarCore
import Testing

@testable import SamovarWire

@Suite("The route's own words")
struct FixedAnswerTests {
    private let words = "Busy: \"later\"\n\u{1}\u{e9}"
    private let now = WallTime(milliseconds: 1_700_000_000_999)

    @Test("are a whole chat answer, escaped as JSON has it")
    func chat() throws {
        let bytes = try FixedAnswer.render(words, as: .body, withUsage: false, kind: .chat, at: now)
        let answer = try JSONValue(parsing: bytes)
        let choice = try #require(answer["choices"]?.elements.first)
        #expect(choice["message"]?["content"]?.text == words)
        #expect(choice["message"]?["role"]?.text == "assistant")
        #expect(choice["finish_reason"]?.text == "stop")
        #expect(answer["object"]?.text == "chat.completion")
        #expect(answer["model"]?.text == FixedAnswer.model)
        #expect(answer["created"]?.integer == 1_700_000_000)
        #expect(answer["usage"]?["total_tokens"]?.integer == 0)
    }

    @Test("are a whole text completion")
    func completion() throws {
        let bytes = try FixedAnswer.render(words, as: .body, withUsage: false, kind: .completions, at: now)
        let answer = try JSONValue(parsing: bytes)
        #expect(answer["choices"]?.elements.first?["text"]?.text == words)
        #expect(answer["object"]?.text == "text_completion")
    }

    @Test(
        "are a whole stream that ends as a provider's does, with usage for who asks for it", arguments: [false, true])
    func stream(withUsage: Bool) throws {
        let bytes = try FixedAnswer.render(words, as: .stream, withUsage: withUsage, kind: .chat, at: now)
        var events: [String] = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n\n") {
            events.append(String(line.dropFirst("data: ".count)))
        }
        #expect(events.last == "[DONE]")
        let chunks = try events.dropLast().map { try JSONValue(parsing: Array($0.utf8)) }
        #expect(chunks.allSatisfy { $0["object"]?.text == "chat.completion.chunk" })
        let deltas = chunks.compactMap { $0["choices"]?.elements.first?["delta"]?["content"]?.text }
        #expect(deltas == [words])
        #expect(chunks.contains { $0["choices"]?.elements.first?["finish_reason"]?.text == "stop" })
        #expect(chunks.contains { $0["usage"]?.isNull == false } == withUsage)
    }
}
