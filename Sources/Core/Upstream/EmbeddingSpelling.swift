/// What is needed of whoever spells the bodies of embeddings that are asked for together. Wire does it.
///
/// Here and not where it is needed, because those who spell know no engine.
public protocol EmbeddingSpelling: Sendable {
    /// One body for all of them, in order.
    ///
    /// - Precondition: at least one; each input was read from its body.
    func merged(_ inputs: [(body: CanonicalBody, input: EmbeddingInput)]) -> [UInt8]

    /// What each would have been answered alone, in order.
    ///
    /// - Throws: `Failure.malformed` where the answer does not have a part for each, in order.
    func parts(of answer: [UInt8], for inputs: [EmbeddingInput]) throws(Failure) -> [EmbeddingPart]

    /// Which of them a refusal is about, and how that one would have been refused alone. Nil: it names none.
    func refused(by refusal: Failure.Refusal, of inputs: [EmbeddingInput]) -> (index: Int, alone: Failure.Refusal)?
}

/// One input's part of an answer: a whole answer by itself.
public struct EmbeddingPart: Sendable {
    public let chunk: Chunk
    public let facts: ChunkFacts

    public init(chunk: Chunk, facts: ChunkFacts) {
        self.chunk = chunk
        self.facts = facts
    }
}
