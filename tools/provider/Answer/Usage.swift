/// What an answer is billed for.
struct Usage {
    let promptTokenCount: Int
    let completionTokenCount: Int
    let reasoningTokenCount: Int

    /// Of an answer whose every choice said so many tokens.
    init(of answer: Answer) {
        promptTokenCount = answer.ask.promptTokenCount
        completionTokenCount = answer.tokenCount * answer.ask.choiceCount
        reasoningTokenCount = answer.reasoningCount * answer.ask.choiceCount
    }

    func write(into writer: inout JSONWriter) {
        writer.raw(#"{"prompt_tokens":"#)
        writer.number(promptTokenCount)
        writer.raw(#","completion_tokens":"#)
        writer.number(completionTokenCount)
        writer.raw(#","total_tokens":"#)
        writer.number(promptTokenCount + completionTokenCount)
        writer.raw(#","prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":"#)
        writer.number(reasoningTokenCount)
        writer.raw("}}")
    }
}
