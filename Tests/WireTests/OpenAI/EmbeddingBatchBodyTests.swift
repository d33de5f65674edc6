import SamovarCore
import SamovarWire
import TestSupport
import Testing

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// A body and its input.
private func asked(_ text: String) throws -> (body: CanonicalBody, input: EmbeddingInput) {
    let body = try CanonicalBody(Array(text.utf8))
    return (body, try #require(EmbeddingInput(of: body)))
}

@Suite("A body for several embeddings")
struct EmbeddingBatchBodyTests {
    private let spelling = EmbeddingBatchBody()

    private func merged(_ bodies: String...) throws -> String {
        text(spelling.merged(try bodies.map { try asked($0) }))
    }

    @Test("is the first one's with all the texts, each as it was spelled")
    func merging() throws {
        let all = try merged(
            #"{"model": "m", "input" : "a\n" , "encoding_format":"base64"}"#,
            #"{"encoding_format":"base64","input":[ "b\u00e9" ],"model":"m"}"#, #"{"model":"m","input":"é"}"#)
        #expect(all == #"{"model": "m", "input" : ["a\n","b\u00e9","é"] , "encoding_format":"base64"}"#)
        #expect(try merged(#"{"input":["a"]}"#, #"{"input":"b"}"#) == #"{"input":["a","b"]}"#)
    }

    @Test("is as large as was reckoned when they joined, or smaller")
    func size() throws {
        let inputs = try [#"{"model":"m","input":"a"}"#, #"{"input": [ "bb" ], "model": "m"}"#].map { try asked($0) }
        let texts = inputs.reduce(0) { $0 + $1.input.text.count + 1 }
        let rest = inputs.map { $0.body.bytes.count - $0.input.value.count }.max() ?? 0
        #expect(spelling.merged(inputs).count <= texts + rest + 2)
    }

    // MARK: Answers

    private let answer = #"""
        {
          "object": "list",
          "data": [
            { "object": "embedding", "index": 0, "embedding": [ 0.10, -1e-7 ] },
            {"embedding":"AAAAPw==","index":1,"object":"embedding"}
          ],
          "model": "m-0001",
          "usage": { "prompt_tokens": 10, "total_tokens": 10, "details": {"cached": 3, "share": 0.5} }
        }
        """#

    private func inputs(_ count: Int) throws -> [EmbeddingInput] {
        try (0..<count).map { try asked(#"{"input":"\#(String(repeating: "x", count: $0 * 8 + 1))"}"#).input }
    }

    private func parts(_ answer: String, _ count: Int) throws -> [EmbeddingPart] {
        try spelling.parts(of: Array(answer.utf8), for: try inputs(count))
    }

    @Test("is answered to each as if it had been alone: its vector with index 0, the provider's spelling, its share")
    func splitting() throws {
        let parts = try parts(answer, 2)

        // Texts of 3 and 11 bytes share ten tokens, ten and three.
        #expect(
            text(parts[0].chunk.bytes) == #"""
                {
                  "object": "list",
                  "data": [{ "object": "embedding", "index": 0, "embedding": [ 0.10, -1e-7 ] }],
                  "model": "m-0001",
                  "usage": { "prompt_tokens": 2, "total_tokens": 2, "details": {"cached": 1, "share": 0.5} }
                }
                """#)
        #expect(
            text(parts[1].chunk.bytes) == #"""
                {
                  "object": "list",
                  "data": [{"embedding":"AAAAPw==","index":0,"object":"embedding"}],
                  "model": "m-0001",
                  "usage": { "prompt_tokens": 8, "total_tokens": 8, "details": {"cached": 2, "share": 0.5} }
                }
                """#)
    }

    @Test("tells of each part what an answer of its own would, and that its usage is estimated")
    func facts() throws {
        let parts = try parts(answer, 2)
        #expect(parts.map(\.facts.usage?.promptTokenCount) == [2, 8])
        for part in parts {
            #expect(part.facts.usage?.isEstimated == true)
            #expect(part.facts.model == "m-0001")
            #expect(part.facts.isDone && part.facts.hasToken && !part.facts.isError)
            let own = try BodyReader.read(part.chunk.bytes, kind: .embeddings, inputCount: 1)
            #expect(own.facts.usage?.promptTokenCount == part.facts.usage?.promptTokenCount)
        }
    }

    @Test(
        "that is answered with anything but one vector for each, in order, is malformed",
        arguments: [
            #"{"data":[]}"#, #"{"data":[{"index":0,"embedding":[1]}]}"#,
            #"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]},{"index":2,"embedding":[1]}]}"#,
            #"{"data":[{"index":1,"embedding":[1]},{"index":0,"embedding":[1]}]}"#,
            #"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#,
            #"{"data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[1]}]}"#,
            #"{"data":[{"index":0,"embedding":[1]},{"embedding":[1]}]}"#,
            #"{"data":[{"index":0,"embedding":[1]},{"index":"1","embedding":[1]}]}"#,
            #"{"data":[{"index":0,"embedding":[1]},{"index":1}]}"#,
            #"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":null}]}"#,
            #"{"data":[{"index":0,"embedding":[1]},{"index":1,"index":1,"embedding":[1]}]}"#,
            #"{"data":[{"index":0,"embedding":[1]},[1]]}"#, #"{"data":[[0.1],[0.2]]}"#, #"{"data":{}}"#, #"{}"#,
            #"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]}],"data":[]}"#, "[]", "", "<html>",
            #"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]}]"#,
            #"{"data":[{"index":0,"embedding":[1]} {"index":1,"embedding":[1]}]}"#,
        ])
    func misfits(answer: String) throws {
        let inputs = try inputs(2)
        #expect {
            try spelling.parts(of: Array(answer.utf8), for: inputs)
        } throws: {
            if case .malformed? = $0 as? Failure { true } else { false }
        }
        #expect(throws: Failure.self) {
            try BodyReader.read(Array(answer.utf8), kind: .embeddings, inputCount: 2)
        }
    }

    @Test("counts of any answer add up to the provider's, part by part")
    func sums() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<100 {
            let count = Int.random(in: 2...32, using: &random)
            let vectors = (0..<count).map { #"{"index":\#($0),"embedding":"A\#($0)"}"# }.joined(separator: ",")
            let (prompt, total) = (Int.random(in: 0...5_000, using: &random), Int.random(in: 0...5_000, using: &random))
            let usage = #"{"prompt_tokens":\#(prompt),"total_tokens":\#(total)}"#
            let parts = try parts(#"{"usage":\#(usage),"data":[\#(vectors)]}"#, count)
            #expect(parts.reduce(0) { $0 + ($1.facts.usage?.promptTokenCount ?? 0) } == prompt)
            for (position, part) in parts.enumerated() {
                #expect(text(part.chunk.bytes).hasSuffix(#""data":[{"index":0,"embedding":"A\#(position)"}]}"#))
            }
        }
    }

    @Test("an answer without usage has none for anybody")
    func noUsage() throws {
        let parts = try parts(#"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[2]}]}"#, 2)
        #expect(parts.allSatisfy { $0.facts.usage == nil })
    }

    // MARK: Refusals

    private func refusal(_ body: String, status: Int = 400) -> Failure.Refusal {
        Failure.Refusal(status: status, contentType: "application/json", body: Array(body.utf8), retryAfter: nil)
    }

    @Test(
        "a refusal that names an input is that one's, in the words that it would have had alone",
        arguments: [
            (
                #"{"error":{"message":"Invalid 'input[1]': no.","type":"t","param":"input[1]","code":null}}"#,
                #"{"error":{"message":"Invalid 'input[0]': no.","type":"t","param":"input[0]","code":null}}"#,
                #"{"error":{"message":"Invalid 'input': no.","type":"t","param":"input","code":null}}"#
            ),
            (
                #"{"error":{"param":"input.1","message":"input[10] is no place, input.1 is"}}"#,
                #"{"error":{"param":"input.0","message":"input[10] is no place, input.0 is"}}"#,
                #"{"error":{"param":"input","message":"input[10] is no place, input is"}}"#
            ),
            (
                #"{"param":"$.input[1]","message":"m"}"#, #"{"param":"$.input[0]","message":"m"}"#,
                #"{"param":"$.input","message":"m"}"#
            ),
            (
                #"{"detail":[{"loc":["body","input",1],"msg":"m"}]}"#,
                #"{"detail":[{"loc":["body","input",0],"msg":"m"}]}"#,
                #"{"detail":[{"loc":["body","input",0],"msg":"m"}]}"#
            ),
        ])
    func named(body: String, inArray: String, plain: String) throws {
        let inputs = [try asked(#"{"input":"a"}"#), try asked(#"{"input":["b"]}"#), try asked(#"{"input":"c"}"#)]
        let asArray = try #require(spelling.refused(by: refusal(body), of: inputs.map(\.input)))
        let asText = try #require(spelling.refused(by: refusal(body), of: [inputs[1], inputs[0]].map(\.input)))

        #expect(asArray.index == 1)
        #expect(text(asArray.alone.body) == inArray)
        #expect(text(asText.alone.body) == plain)
        #expect(asArray.alone.status == 400 && asArray.alone.contentType == "application/json")
    }

    @Test(
        "a refusal that names none of them is everybody's",
        arguments: [
            (#"{"error":{"param":"input","message":"input[1] is bad"}}"#, 400),
            (#"{"error":{"param":null,"message":"Invalid 'input[1]'"}}"#, 400),
            (#"{"error":{"param":"input[3]"}}"#, 400), (#"{"error":{"param":"input[-1]"}}"#, 400),
            (#"{"error":{"param":"inputs[1]"}}"#, 400), (#"{"error":{"param":"my_input[1]"}}"#, 400),
            (#"{"error":{"param":"input[1"}}"#, 400), (#"{"error":{"param":"input[99999999999999999999]"}}"#, 400),
            (#"{"error":{"param":"input[1]"}}"#, 401), (#"{"error":{"param":"input[1]"}}"#, 429),
            (#"{"error":{"param":"input[1]"}}"#, 500), (#"{"detail":[{"loc":["body","model"]}]}"#, 422),
            ("<html>input[1]</html>", 400), ("", 400),
        ])
    func unnamed(body: String, status: Int) throws {
        #expect(spelling.refused(by: refusal(body, status: status), of: try inputs(3)) == nil)
    }
}

extension BodyReaderTests {
    @Test("of embeddings says what it says without a vector being read")
    func embeddings() throws {
        let body = #"{"data":[{"embedding":[0.1,-2E+3],"index":7}],"model":"m","usage":{"prompt_tokens":3}}"#
        let read = try BodyReader.read(Array(body.utf8), kind: .embeddings)
        #expect(read.facts.isDone && read.facts.hasToken)
        #expect(read.facts.model == "m")
        #expect(read.facts.usage == Usage(promptTokenCount: 3, completionTokenCount: 0))
        #expect(read.chunk.bytes == Array(body.utf8))
    }

    @Test("of embeddings that is an error is one, and that is no JSON to its last byte is none")
    func noEmbeddings() {
        #expect(throws: Failure.erred(body: Array(#"{"message":"m"}"#.utf8))) {
            try BodyReader.read(Array(#"{"error":{"message":"m"}}"#.utf8), kind: .embeddings)
        }
        for body in [#"{"data":[1,2}"#, #"{"data":[1 2]}"#, #"{"data":[01]}"#, #"{"data":[]} x"#, #"{"data":[],}"#] {
            #expect(throws: Failure.malformed(reason: "the answer is not a JSON object")) {
                try BodyReader.read(Array(body.utf8), kind: .embeddings)
            }
        }
    }
}
