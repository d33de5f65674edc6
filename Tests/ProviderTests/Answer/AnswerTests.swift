import NIOCore
import Testing

@testable import provider

@Suite("the answer to a prompt")
struct AnswerTests {
    private let hex = Scene.digest.hex

    private func content(_ answer: Answer, choice: Int = 0) throws -> String? {
        try Scene.json(WholeBody.make(answer))["choices"]?.array?[choice]["message"]?["content"]?.string
    }

    @Test("its tokens carry the digest and their place, and the last says end")
    func tokens() throws {
        #expect(try content(Scene.answer()) == "\(hex).0 \(hex).1 \(hex).end")
    }

    @Test("one token is the last one")
    func oneToken() throws {
        #expect(try content(Scene.answer(Scene.ask(), Scene.settings { $0.tokens = 1 })) == "\(hex).end")
    }

    @Test("how many tokens there are is a function of the digest unless it is set")
    func tokenCount() {
        let unset = Scene.answer(Scene.ask(), Settings())

        #expect(unset.tokenCount == 20 + Scene.digest.firstByte % 30)
        #expect(Scene.answer().tokenCount == 3)
    }

    @Test("other choices and marked attempts show in every token")
    func labels() throws {
        let marked = Scene.answer(
            Scene.ask { $0.choiceCount = 2 },
            Scene.settings {
                $0.tokens = 2
                $0.markAttempts = true
            })

        #expect(try content(marked) == "\(hex)@7.0 \(hex)@7.end")
        #expect(try content(marked, choice: 1) == "\(hex)@7-1.0 \(hex)@7-1.end")
    }

    @Test("a lower limit cuts it short, an equal one does not")
    func limit() throws {
        let cut = Scene.answer(Scene.ask { $0.tokenMax = 2 })
        let whole = Scene.answer(Scene.ask { $0.tokenMax = 3 })

        #expect(try content(cut) == "\(hex).0 \(hex).1 ")
        #expect(cut.finishReason == "length")
        #expect(Usage(of: cut).completionTokenCount == 2)
        #expect(whole.finishReason == "stop")
    }

    @Test("a tool call's arguments are JSON with the digest")
    func toolCall() throws {
        let body = try Scene.json(WholeBody.make(Scene.answer(Scene.ask { $0.toolName = "weather" })))
        let choice = body["choices"]?.array?.first
        let function = choice?["message"]?["tool_calls"]?.array?.first?["function"]

        #expect(function?["name"] == .string("weather"))
        #expect(function?["arguments"] == .string(#"{"digest":"\#(hex)"}"#))
        #expect(choice?["message"]?["content"] == .null)
        #expect(choice?["finish_reason"] == .string("tool_calls"))
    }

    @Test("a reasoner thinks aloud first, a quarter as long")
    func reasoner() throws {
        let answer = Scene.answer(Scene.ask { $0.model = "m-reasoner" }, Scene.settings { $0.tokens = 8 })
        let message = try Scene.json(WholeBody.make(answer))["choices"]?.array?.first?["message"]

        #expect(message?["reasoning_content"] == .string("\(hex).r0 \(hex).r1 "))
        #expect(Usage(of: answer).completionTokenCount == 8)
        #expect(Usage(of: answer).reasoningTokenCount == 2)
    }

    @Test("logprobs stand beside each token, none above zero")
    func logprobs() throws {
        let body = try Scene.json(WholeBody.make(Scene.answer(Scene.ask { $0.topLogprobCount = 2 })))
        let entries = body["choices"]?.array?.first?["logprobs"]?["content"]?.array ?? []

        #expect(entries.compactMap { $0["token"]?.string } == ["\(hex).0 ", "\(hex).1 ", "\(hex).end"])
        #expect(entries.allSatisfy { $0["logprob"]?.number ?? 1 <= 0 })
        #expect(entries.allSatisfy { $0["top_logprobs"]?.array?.count == 2 })
    }

    @Test("the older kind of completion has a text")
    func completion() throws {
        let body = try Scene.json(WholeBody.make(Scene.answer(Scene.ask { $0.kind = .completion })))

        #expect(body["object"] == .string("text_completion"))
        #expect(body["choices"]?.array?.first?["text"] == .string("\(hex).0 \(hex).1 \(hex).end"))
    }

    @Test("vectors come in the order of their inputs, or with the first two in each other's place")
    func embeddingOrder() throws {
        let ask = EmbeddingAsk(
            model: "m", digests: ["a", "b", "c"].map { Digest(of: Array($0.utf8)) }, promptTokenCount: 1, dimensions: 1,
            asBase64: false)
        func indices(swapped: Bool) throws -> [Int?] {
            try Scene.json(EmbeddingBody.make(ask, swapped: swapped))["data"]?.array?.map { $0["index"]?.whole } ?? []
        }

        #expect(try indices(swapped: false) == [0, 1, 2])
        #expect(try indices(swapped: true) == [1, 0, 2])
    }

    @Test("an embedding is the same as numbers and as base64")
    func embedding() throws {
        let ask = EmbeddingAsk(
            model: "m", digests: [Scene.digest], promptTokenCount: 2, dimensions: 2, asBase64: false)
        var packed = ask
        packed.asBase64 = true
        let vector = EmbeddingBody.vector(of: Scene.digest, dimensions: 2)

        let plain = try Scene.json(EmbeddingBody.make(ask))["data"]?.array?.first?["embedding"]
        let base64 = try Scene.json(EmbeddingBody.make(packed))["data"]?.array?.first?["embedding"]?.string

        #expect(plain == .array(vector.map { .number(Double($0)) }))
        #expect(base64?.count == 12)
        #expect(vector.allSatisfy { (-1..<1).contains($0) })
    }
}
