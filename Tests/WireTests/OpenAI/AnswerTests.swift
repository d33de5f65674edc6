import SamovarCore
import SamovarWire
import TestSupport
import Testing

private func event(_ text: String) throws -> ServerSentEvent {
    var decoder = EventDecoder(eventSizeMax: 1 << 20)
    return try #require(try decoder.feed(Array(text.utf8)).first)
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite("What an event says")
struct EventReaderTests {
    @Test(
        "is an error in any of its disguises",
        arguments: [
            "data: {\"error\":{\"message\":\"m\"}}\n\n", "event: error\ndata: {\"message\":\"m\"}\n\n",
            "error: {\"message\":\"m\"}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}]}\n\n",
        ])
    func errors(stream: String) throws {
        #expect(try EventReader.read(try event(stream), usageAsked: false).facts.isError)
    }

    @Test("is no error where the error member is null")
    func nullError() throws {
        let read = try EventReader.read(
            try event("data: {\"error\":null,\"choices\":[]}\n\n"), usageAsked: false)
        #expect(!read.facts.isError)
    }

    @Test(
        "has a token only where a model said something",
        arguments: [
            (#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#, false),
            (#"{"choices":[{"index":0,"delta":{"content":"x"}}]}"#, true),
            (#"{"choices":[{"index":0,"delta":{"reasoning_content":"x"}}]}"#, true),
            (#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}"#, true),
            (#"{"choices":[{"index":0,"text":"x"}]}"#, true), (#"{"choices":[{"index":0,"text":""}]}"#, false),
            (#"{"choices":[],"usage":{"prompt_tokens":1}}"#, false),
        ])
    func tokens(data: String, expected: Bool) throws {
        #expect(try EventReader.read(try event("data: \(data)\n\n"), usageAsked: true).facts.hasToken == expected)
    }

    @Test(
        "knows where usage stands that was asked for by us",
        arguments: [
            (#"{"a":1,"usage":null,"b":2}"#, #"{"a":1,"b":2}"#), (#"{"a":1, "usage":null}"#, #"{"a":1}"#),
            (#"{"usage":null, "a":1}"#, #"{"a":1}"#), (#"{"us\u0061ge":1,"usage":null}"#, #"{"us\u0061ge":1}"#),
            (#"{"choices":[],"usage":{"prompt_tokens":1}}"#, ""),
            (
                #"{"choices":[{"index":0}],"usage":{"prompt_tokens":1}}"#,
                #"{"choices":[{"index":0}],"usage":{"prompt_tokens":1}}"#
            ),
        ])
    func usage(data: String, shown: String) throws {
        let read = try EventReader.read(try event("data: \(data)\n\n"), usageAsked: true)
        var output: [UInt8] = []
        read.chunk.appendWithoutUsage(to: &output)
        #expect(text(output) == (shown.isEmpty ? "" : "data: \(shown)\n\n"))
    }

    @Test("that is neither JSON nor [DONE] is no answer")
    func garbage() throws {
        #expect(throws: Failure.self) { try EventReader.read(try event("data: <html>\n\n"), usageAsked: false) }
    }
}

@Suite("A body")
struct BodyReaderTests {
    @Test("under status 200 that is an error is one")
    func error() {
        #expect(throws: Failure.erred(body: Array(#"{"message":"m"}"#.utf8))) {
            try BodyReader.read(Array(#"{"error":{"message":"m"}}"#.utf8), kind: .chat)
        }
    }

    @Test(
        "that is no answer of its kind is refused",
        arguments: ["", "<html>", "[]", "{}", #"{"choices":1}"#, #"{"choices":[{"index":0}]"#])
    func malformed(body: String) {
        #expect(throws: Failure.self) { try BodyReader.read(Array(body.utf8), kind: .chat) }
        #expect(throws: Failure.self) { try BodyReader.read(Array(body.utf8), kind: .embeddings) }
    }
}

@Suite("A text that a provider split")
struct SplitTextTests {
    @Test("is read with U+FFFD for each half of a surrogate pair", arguments: ["", "x", "\\n", "\\u0041"])
    func halves(after: String) throws {
        for half in ["\\ud83d", "\\ude00", "\\ud83d\\ud83d"] {
            let value = try JSONValue(parsing: Array("{\"model\":\"\(half)\(after)\"}".utf8))
            let text = try #require(value["model"]?.text)
            #expect(text.hasPrefix("\u{FFFD}"))
        }
    }
}

@Suite("Folding and unfolding")
struct FoldTests {
    private func fold(_ events: [String]) throws -> String {
        text(try Fold.body(of: events.map { Chunk(bytes: Array("data: \($0)\n\n".utf8)) }))
    }

    @Test("joins texts as spelled, escapes and split surrogate pairs included")
    func texts() throws {
        let body = try fold([
            #"{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"a\n"}}]}"#,
            #"{"id":"1","choices":[{"index":0,"delta":{"content":"\ud83d"}}]}"#,
            #"{"id":"1","choices":[{"index":0,"delta":{"content":"\ude00"},"finish_reason":"stop"}],"obfuscation":"xx"}"#,
            "[DONE]",
        ])
        #expect(
            body == #"{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","#
                + #""content":"a\n\ud83d\ude00"},"finish_reason":"stop"}]}"#)
    }

    @Test("joins tool calls by their index, and several choices by theirs")
    func toolsAndChoices() throws {
        let body = try fold([
            #"{"choices":[{"index":1,"delta":{"content":"one"}}]}"#,
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c0","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c1","type":"function","function":{"name":"g","arguments":"{"}}]}}]}"#,
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#,
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"}"}}]},"finish_reason":"tool_calls"}]}"#,
        ])
        #expect(
            body == #"{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":["#
                + #"{"id":"c0","type":"function","function":{"name":"f","arguments":"{}"}},"#
                + #"{"id":"c1","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"},"#
                + #"{"index":1,"message":{"role":"assistant","content":"one"}}]}"#)
    }

    @Test("keeps reasoning, log probabilities and usage, digits and all")
    func rest() throws {
        let body = try fold([
            #"{"choices":[{"index":0,"delta":{"reasoning_content":"be"},"logprobs":{"content":[{"token":"a","logprob":-0.10}]}}]}"#,
            #"{"choices":[{"index":0,"delta":{"reasoning_content":"cause"},"logprobs":{"content":[{"token":"b","logprob":-1e-5}]}}]}"#,
            #"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        ])
        #expect(body.contains(#""reasoning_content":"because""#))
        #expect(body.contains(#""logprobs":{"content":[{"token":"a","logprob":-0.10},{"token":"b","logprob":-1e-5}]}"#))
        #expect(body.hasSuffix(#""usage":{"prompt_tokens":1,"completion_tokens":2}}"#))
    }

    @Test("streams a body as deltas, with usage only for who asked")
    func unfold() throws {
        let body =
            #"{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi","#
            + #""tool_calls":[{"id":"c"}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#
        let unfold = try Unfold(body: Array(body.utf8), kind: .chat)
        let plain = text(unfold.events(withUsage: false))
        #expect(
            plain
                == #"data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","#
                + #""content":"hi","tool_calls":[{"index":0,"id":"c"}]},"finish_reason":null}]}"# + "\n\n"
                + #"data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
                + "\n\ndata: [DONE]\n\n")
        let asked = text(unfold.events(withUsage: true))
        #expect(asked.contains(#""choices":[],"usage":{"prompt_tokens":1}}"#))
        #expect(asked.contains(#""usage":null"#))
    }
}

@Suite("An error reply")
struct ErrorReplyTests {
    @Test("keeps an upstream's own status, words and wait")
    func refusal() {
        let refusal = Failure.Refusal(
            status: 429, contentType: "application/json", body: Array(#"{"error":{"message":"slow down"}}"#.utf8),
            retryAfter: .seconds(7))
        let reply = ErrorReply(.refused(refusal), hidesCredential: true)
        #expect(reply.status == 429)
        #expect(reply.retryAfter == .seconds(7))
        #expect(ErrorText.message(in: reply.body) == "slow down")
    }

    @Test("does not tell an upstream's words about our own key")
    func hidden() {
        let refusal = Failure.Refusal(
            status: 401, contentType: "application/json", body: Array(#"{"error":{"message":"bad key sk-ab12"}}"#.utf8),
            retryAfter: nil)
        #expect(!text(ErrorReply(.refused(refusal), hidesCredential: true).body).contains("sk-ab12"))
        #expect(text(ErrorReply(.refused(refusal), hidesCredential: false).body).contains("sk-ab12"))
    }

    @Test(
        "is JSON in OpenAI's shape for every failure",
        arguments: [
            Failure.erred(body: Array("{}".utf8)), .unreachable(reason: "r"), .timedOut(.firstToken), .cut,
            .malformed(reason: "r"), .tooLarge(limit: "answer_size_max"),
            .limited(limit: "flights_max", retryAfter: .seconds(1)),
            .lagged, .notCached, .deadline, .draining,
            .refused(
                Failure.Refusal(status: 500, contentType: "text/html", body: Array("<html>".utf8), retryAfter: nil)),
        ])
    func shape(failure: Failure) {
        let reply = ErrorReply(failure, hidesCredential: false)
        #expect((400...599).contains(reply.status))
        #expect(reply.body.starts(with: Array(#"{"error":"#.utf8)))
        #expect(reply.event.starts(with: Array("data: {".utf8)))
        #expect(!text(reply.event).contains("[DONE]"))
    }
}
