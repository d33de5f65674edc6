/// What one call asks for, once read.
enum Ask: Equatable, Sendable {
    case text(TextAsk)
    case embedding(EmbeddingAsk)

    /// The prompts in it: one, or one for each input of an embeddings call.
    var digests: [Digest] {
        switch self {
        case .text(let ask): [ask.digest]
        case .embedding(let ask): ask.digests
        }
    }

    var wantsStream: Bool {
        if case .text(let ask) = self { ask.stream } else { false }
    }

    var hasStreamOptions: Bool {
        if case .text(let ask) = self { ask.hasStreamOptions } else { false }
    }
}

/// A chat completion, or a completion of the older kind.
struct TextAsk: Equatable, Sendable {
    enum Kind: Sendable { case chat, completion }

    var kind: Kind
    var model: String
    var digest: Digest
    var promptTokenCount: Int
    var stream = false
    var hasStreamOptions = false
    var includeUsage = false
    var choiceCount = 1
    /// `max_tokens` or `max_completion_tokens`.
    var tokenMax: Int?
    /// The function to call; nil for an answer in words.
    var toolName: String?
    /// How many alternatives to show beside each token; nil for no logprobs.
    var topLogprobCount: Int?

    /// Whether the model thinks aloud first.
    var reasons: Bool { model.contains("reasoner") }
}

struct EmbeddingAsk: Equatable, Sendable {
    var model: String
    /// As they came, in order.
    var inputs: [String] = []
    var digests: [Digest]
    var promptTokenCount: Int
    var dimensions: Int
    var asBase64: Bool
}
