/// What is answered to one call: a row of tokens that anybody who has the messages can check.
///
/// Token i of T is "<label>.<i> ", the last "<label>.end"; the label is the digest of the messages, with
/// "@<attempt>" when attempts are marked and "-<choice>" for every choice but the first. A model that thinks
/// aloud first says a quarter as many tokens "<label>.r<i> ". A tool call's tokens are the pieces of
/// `{"digest":"<label>"}`.
struct Answer: Sendable {
    let ask: TextAsk
    let attempt: Int
    /// Unix time, seconds.
    let created: Int
    /// Tokens of reasoning that go before the answer.
    let reasoningCount: Int
    /// Tokens of the whole answer.
    let wholeCount: Int
    /// Of these the ones that are said: fewer when the caller's limit is lower.
    let tokenCount: Int
    private let labels: [String]

    init(to ask: TextAsk, attempt: Int, created: Int, settings: Settings) {
        self.ask = ask
        self.attempt = attempt
        self.created = created
        let certificate = settings.markAttempts ? "\(ask.digest.hex)@\(attempt)" : ask.digest.hex
        labels = (0..<ask.choiceCount).map { $0 == 0 ? certificate : "\(certificate)-\($0)" }
        let wordCount = settings.tokens ?? 20 + ask.digest.firstByte % 30
        wholeCount = ask.toolName == nil ? wordCount : Self.argumentPieceCount
        tokenCount = min(wholeCount, ask.tokenMax ?? wholeCount)
        reasoningCount = ask.reasons && ask.kind == .chat ? (wordCount + 3) / 4 : 0
    }

    var id: String {
        ask.kind == .chat ? "chatcmpl-\(attempt)" : "cmpl-\(attempt)"
    }

    var finishReason: String {
        if tokenCount < wholeCount { "length" } else if ask.toolName == nil { "stop" } else { "tool_calls" }
    }

    /// In order: reasoning, then the answer.
    var stepCount: Int { reasoningCount + tokenCount }

    // MARK: What is said. None of it needs more escaping than is written here.

    func writeReasoning(_ index: Int, choice: Int, into writer: inout JSONWriter) {
        writer.raw(labels[choice])
        writer.raw(".r")
        writer.number(index)
        writer.raw(" ")
    }

    /// Token `index`, as it stands inside a JSON string. In an endless stream indices go on past the last.
    func writeToken(_ index: Int, choice: Int, endless: Bool = false, into writer: inout JSONWriter) {
        if ask.toolName != nil, !endless {
            writer.raw(argumentPiece(index, choice: choice))
        } else if index == wholeCount - 1, !endless {
            writer.raw(labels[choice])
            writer.raw(".end")
        } else {
            writer.raw(labels[choice])
            writer.raw(".")
            writer.number(index)
            writer.raw(" ")
        }
    }

    /// The token as text.
    func token(_ index: Int, choice: Int) -> String {
        labels[choice] + (index == wholeCount - 1 ? ".end" : ".\(index) ")
    }

    private static let argumentPieceCount = 7

    /// The pieces of `{"digest":"<label>"}`, its quotes escaped.
    private func argumentPiece(_ index: Int, choice: Int) -> String {
        let label = labels[choice]
        switch index {
        case 0: return "{\\\""
        case 1: return "digest"
        case 2: return "\\\":\\\""
        case 3: return String(label.prefix(4))
        case 4: return String(label.dropFirst(4).prefix(4))
        case 5: return String(label.dropFirst(8))
        default: return "\\\"}"
        }
    }
}
