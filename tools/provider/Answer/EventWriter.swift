import NIOCore

/// An answer as server-sent events, one call a piece.
struct EventWriter {
    private let answer: Answer
    private let settings: Settings
    private let opening: String
    private let closing: String
    private let lineEnd: String
    private var eventCount = 0
    private var writer = JSONWriter()

    /// Of what was written since the last time.
    var byteCount: Int { writer.byteCount }

    init(_ answer: Answer, settings: Settings) {
        self.answer = answer
        self.settings = settings
        lineEnd = settings.crlf ? "\r\n" : "\n"
        closing = answer.ask.includeUsage ? #","usage":null"# : ""
        var head = JSONWriter()
        head.raw(#"data: {"id":""#)
        head.raw(answer.id)
        head.raw(answer.ask.kind == .chat ? #"","object":"chat.completion.chunk","# : #"","object":"text_completion","#)
        head.raw(#""created":"#)
        head.number(answer.created)
        head.raw(#","model":"#)
        head.quoted(answer.ask.model)
        head.raw(#","service_tier":"default","system_fingerprint":"fp_standin","choices":["#)
        opening = String(buffer: head.bytes)
    }

    /// What was written since the last time, and forgets it.
    mutating func takeBytes() -> ByteBuffer {
        defer { writer = JSONWriter() }
        return writer.bytes
    }

    mutating func keepAlive() {
        writer.raw(": keep-alive")
        endEvent()
    }

    /// A chat's first chunk, which says who speaks. The older completions have none.
    mutating func role(choice: Int) {
        guard answer.ask.kind == .chat else { return }
        let content = answer.ask.toolName == nil ? #""content":"""# : #""content":null"#
        chunk(choice) { $0.raw(#""delta":{"role":"assistant",\#(content),"refusal":null},"logprobs":null"#) }
    }

    /// One step of the answer: a token of reasoning or, after these, of the answer.
    mutating func step(_ step: Int, choice: Int) {
        let answer = answer
        let endless = settings.endless
        let index = step - answer.reasoningCount
        if index < 0 {
            chunk(choice) {
                $0.raw(#""delta":{"reasoning_content":""#)
                answer.writeReasoning(step, choice: choice, into: &$0)
                $0.raw(#""},"logprobs":null"#)
            }
        } else if answer.ask.kind == .completion {
            chunk(choice) {
                $0.raw(#""text":""#)
                answer.writeToken(index, choice: choice, endless: endless, into: &$0)
                $0.raw(#"","logprobs":null"#)
            }
        } else if let toolName = answer.ask.toolName, !endless {
            if index == 0 { toolOpening(toolName, choice: choice) }
            chunk(choice) {
                $0.raw(#""delta":{"tool_calls":[{"index":0,"function":{"arguments":""#)
                answer.writeToken(index, choice: choice, into: &$0)
                $0.raw(#""}}]},"logprobs":null"#)
            }
        } else {
            contentToken(index, choice: choice)
        }
    }

    private mutating func toolOpening(_ name: String, choice: Int) {
        let call = ToolCall(answer: answer, choice: choice)
        chunk(choice) {
            $0.raw(#""delta":{"tool_calls":[{"index":0,"#)
            call.writeOpening(name, into: &$0)
            $0.raw(#""}}]},"logprobs":null"#)
        }
    }

    private mutating func contentToken(_ index: Int, choice: Int) {
        let answer = answer
        let endless = settings.endless
        chunk(choice) {
            $0.raw(#""delta":{"content":""#)
            answer.writeToken(index, choice: choice, endless: endless, into: &$0)
            $0.raw(#""},"logprobs":"#)
            if answer.ask.topLogprobCount != nil {
                Logprobs(answer: answer).write(index..<(index + 1), choice: choice, into: &$0)
            } else {
                $0.raw("null")
            }
        }
    }

    mutating func finish(choice: Int) {
        let delta = answer.ask.kind == .chat ? #""delta":{}"# : #""text":"""#
        chunk(choice, finishReason: #"""# + answer.finishReason + #"""#) { $0.raw(delta + #","logprobs":null"#) }
    }

    /// The chunk that ends a stream whose caller asked for it.
    mutating func usage() {
        writer.raw(opening)
        writer.raw(#"],"usage":"#)
        Usage(of: answer).write(into: &writer)
        endChunk()
    }

    mutating func error(_ refusal: Refusal) {
        writer.raw("data: ")
        refusal.write(into: &writer)
        endEvent()
    }

    mutating func done() {
        writer.raw("data: [DONE]")
        endEvent()
    }

    private mutating func chunk(
        _ choice: Int, finishReason: String = "null", _ payload: (inout JSONWriter) -> Void
    ) {
        writer.raw(opening)
        writer.raw(#"{"index":"#)
        writer.number(choice)
        writer.raw(",")
        payload(&writer)
        writer.raw(#","finish_reason":"#)
        writer.raw(finishReason)
        writer.raw("}]")
        writer.raw(closing)
        endChunk()
    }

    private mutating func endChunk() {
        if settings.obfuscation {
            let noise = Noise.draw(seed: UInt64(settings.seed) << 32 ^ UInt64(answer.attempt), index: eventCount)
            writer.raw(#","obfuscation":""#)
            writer.raw(Digest.hex(noise, digitCount: 1 + Int(noise >> 60)))
            writer.raw(#"""#)
        }
        writer.raw("}")
        eventCount += 1
        endEvent()
    }

    private mutating func endEvent() {
        writer.raw(lineEnd)
        writer.raw(lineEnd)
    }
}
