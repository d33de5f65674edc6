import Testing

@testable import provider

@Suite("reading what is asked")
struct AskReadingTests {
    private func chat(_ members: String, messages: String = #"[{"role":"user","content":"hi"}]"#) throws -> TextAsk {
        let body = #"{"model":"m","messages":\#(messages)\#(members)}"#
        guard case .text(let ask) = try Ask.read(Array(body.utf8), on: .chat) else { throw Refusal.bodyTooLarge }
        return ask
    }

    private func refusal(_ body: String, on route: Route = .chat) -> Refusal? {
        do throws(Refusal) {
            _ = try Ask.read(Array(body.utf8), on: route)
            return nil
        } catch {
            return error
        }
    }

    @Test("parts of a content are one text, and what is no text is left out")
    func parts() throws {
        let whole = try chat("", messages: #"[{"role":"user","content":"hello"}]"#)
        let parts = try chat(
            "",
            messages: """
                [{"role":"user","content":[{"type":"text","text":"hel"},{"type":"image_url","image_url":{"url":"x"}},
                {"type":"text","text":"lo"}]}]
                """)

        #expect(parts.digest == whole.digest)
    }

    @Test("neither spacing nor other members change the digest; role, text and order do")
    func digest() throws {
        let plain = try chat("")
        let other = try chat(#" , "temperature" : 0.5, "seed": 1"#)
        let system = try chat("", messages: #"[{"role":"system","content":"hi"}]"#)
        let twice = try chat("", messages: #"[{"role":"user","content":"hi"},{"role":"user","content":null}]"#)

        #expect(other.digest == plain.digest)
        #expect(Set([plain.digest, system.digest, twice.digest]).count == 3)
    }

    @Test("usage is for streams whose options ask for it")
    func usage() throws {
        let with = try chat(#","stream":true,"stream_options":{"include_usage":true}"#)
        let without = try chat(#","stream":true"#)

        #expect(with.includeUsage && with.hasStreamOptions)
        #expect(!without.includeUsage && !without.hasStreamOptions)
        #expect(throws: Refusal.self) { try chat(#","stream_options":{"include_usage":true}"#) }
    }

    @Test("the newer limit of tokens goes before the older")
    func tokenMax() throws {
        #expect(try chat(#","max_tokens":5"#).tokenMax == 5)
        #expect(try chat(#","max_tokens":5,"max_completion_tokens":7"#).tokenMax == 7)
        #expect(try chat("").tokenMax == nil)
    }

    @Test("a tool is called when there is one, none is not chosen and the user's last word asks for it")
    func tools() throws {
        let tools = #","tools":[{"type":"function","function":{"name":"weather"}},{"function":{"name":"b"}}]"#
        let asking = #"[{"role":"user","content":"use a tool"}]"#
        let answered = #"[{"role":"user","content":"use a tool"},{"role":"tool","content":"tool says"}]"#

        #expect(try chat(tools, messages: asking).toolName == "weather")
        #expect(try chat(tools + #","tool_choice":"auto""#, messages: asking).toolName == "weather")
        #expect(try chat(tools + #","tool_choice":"none""#, messages: asking).toolName == nil)
        #expect(try chat(tools).toolName == nil)
        #expect(try chat("", messages: asking).toolName == nil)
        #expect(try chat(tools, messages: answered).toolName == nil)
    }

    @Test("a prompt has the role prompt, an input the role input")
    func otherRoutes() throws {
        var prompt = Transcript()
        prompt.add(role: "prompt", text: "hi")
        var input = Transcript()
        input.add(role: "input", text: "hi")

        let completion = try Ask.read(Array(#"{"model":"m","prompt":"hi"}"#.utf8), on: .completions)
        let embedding = try Ask.read(Array(#"{"model":"m","input":["hi","ho"]}"#.utf8), on: .embeddings)

        #expect(completion.digests == [prompt.digest])
        #expect(embedding.digests.count == 2)
        #expect(embedding.digests.first == input.digest)
    }

    @Test("what OpenAI refuses is refused, by the name of the member")
    func refusals() {
        #expect(refusal("{x")?.status == 400)
        #expect(refusal("[]")?.status == 400)
        #expect(refusal(#"{"messages":[]}"#)?.param == "model")
        #expect(refusal(#"{"model":"m"}"#)?.param == "messages")
        #expect(refusal(#"{"model":"m","messages":[]}"#)?.param == "messages")
        #expect(refusal(#"{"model":"m","messages":[{}],"n":0}"#)?.param == "n")
        #expect(refusal(#"{"model":"m","messages":[{}],"max_tokens":1.5}"#)?.param == "max_tokens")
        #expect(refusal(#"{"model":"m"}"#, on: .completions)?.param == "prompt")
        #expect(refusal(#"{"model":"m","input":[1,2]}"#, on: .embeddings)?.param == "input")
        let format = refusal(#"{"model":"m","input":"x","encoding_format":"hex"}"#, on: .embeddings)
        #expect(format?.param == "encoding_format")
    }
}
