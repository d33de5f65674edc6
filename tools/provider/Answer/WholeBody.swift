import NIOCore

/// An answer as one JSON document.
enum WholeBody {
    static func make(_ answer: Answer) -> ByteBuffer {
        let choiceSize = (answer.stepCount + 4) * 24
        var writer = JSONWriter(capacity: 512 + answer.ask.choiceCount * choiceSize)
        writer.raw(#"{"id":""#)
        writer.raw(answer.id)
        writer.raw(answer.ask.kind == .chat ? #"","object":"chat.completion","# : #"","object":"text_completion","#)
        writer.raw(#""created":"#)
        writer.number(answer.created)
        writer.raw(#","model":"#)
        writer.quoted(answer.ask.model)
        writer.raw(#","choices":["#)
        for choice in 0..<answer.ask.choiceCount {
            writer.raw(choice == 0 ? #"{"index":"# : #",{"index":"#)
            writer.number(choice)
            switch answer.ask.kind {
            case .chat: writeMessage(answer, choice: choice, into: &writer)
            case .completion: writeText(answer, choice: choice, into: &writer)
            }
            writer.raw(#","finish_reason":""#)
            writer.raw(answer.finishReason)
            writer.raw(#""}"#)
        }
        writer.raw(#"],"usage":"#)
        Usage(of: answer).write(into: &writer)
        writer.raw(#","service_tier":"default","system_fingerprint":"fp_standin"}"#)
        return writer.bytes
    }

    private static func writeMessage(_ answer: Answer, choice: Int, into writer: inout JSONWriter) {
        writer.raw(#","message":{"role":"assistant","#)
        if answer.reasoningCount > 0 {
            writer.raw(#""reasoning_content":""#)
            for index in 0..<answer.reasoningCount {
                answer.writeReasoning(index, choice: choice, into: &writer)
            }
            writer.raw(#"","#)
        }
        if let toolName = answer.ask.toolName {
            writer.raw(#""content":null,"tool_calls":[{"#)
            ToolCall(answer: answer, choice: choice).writeOpening(toolName, into: &writer)
            writeTokens(answer, choice: choice, into: &writer)
            writer.raw(#""}}],"refusal":null}"#)
        } else {
            writer.raw(#""content":""#)
            writeTokens(answer, choice: choice, into: &writer)
            writer.raw(#"","refusal":null}"#)
        }
        writer.raw(#","logprobs":"#)
        if answer.ask.topLogprobCount != nil, answer.ask.toolName == nil {
            Logprobs(answer: answer).write(0..<answer.tokenCount, choice: choice, into: &writer)
        } else {
            writer.raw("null")
        }
    }

    private static func writeText(_ answer: Answer, choice: Int, into writer: inout JSONWriter) {
        writer.raw(#","text":""#)
        writeTokens(answer, choice: choice, into: &writer)
        writer.raw(#"","logprobs":null"#)
    }

    private static func writeTokens(_ answer: Answer, choice: Int, into writer: inout JSONWriter) {
        for index in 0..<answer.tokenCount {
            answer.writeToken(index, choice: choice, into: &writer)
        }
    }
}
