/// The two forms in which an upstream answers: one JSON body, or a stream of events.
public enum Form: String, Sendable {
    case body
    case stream
}

/// One piece of an answer: a whole event of a stream as it came, or a whole body.
///
/// Keep-alives are no chunks. Immutable; copies share the bytes.
public struct Chunk: Hashable, Sendable {
    /// What the upstream sent, framing included: `data: {…}\n\n` for an event.
    public let bytes: [UInt8]
    /// What callers who did not ask for usage are not shown.
    public let usage: UsagePlace

    public init(bytes: [UInt8], usage: UsagePlace = .nowhere) {
        self.bytes = bytes
        self.usage = usage
    }
}

/// Where a chunk speaks of usage that was asked for by us and not by every caller.
public enum UsagePlace: Hashable, Sendable {
    case nowhere
    /// The chunk is there for its usage alone.
    case whole
    /// `,"usage":null` and the like: `count` bytes, ending `fromEnd` bytes before the end of the chunk.
    /// Counted from the end because that is what stays the same from chunk to chunk.
    case member(fromEnd: Int, count: Int)
}

/// What a chunk says that decides about the answer as a whole. Made by Wire, judged by `Completeness`.
public struct ChunkFacts: Sendable, Equatable {
    /// The choices that it names, with their reason to end where it gives one.
    public var choices: [Choice] = []
    /// `[DONE]`, or a body that is whole by itself.
    public var isDone = false
    /// An error in any disguise: `event: error`, an `error` member, an `error:` line.
    public var isError = false
    /// Whether a model token is in it: this is what the first-token deadline waits for.
    public var hasToken = false
    public var usage: Usage?
    public var model: String?

    public struct Choice: Sendable, Hashable {
        public let index: Int
        public let finishReason: String?

        public init(index: Int, finishReason: String?) {
            self.index = index
            self.finishReason = finishReason
        }
    }

    public init() {}
}

/// Model tokens that the upstream says it has counted.
public struct Usage: Hashable, Sendable {
    public var promptTokenCount: Int
    public var completionTokenCount: Int
    /// A share of what the upstream has counted for several requests at once.
    public var isEstimated: Bool

    public init(promptTokenCount: Int, completionTokenCount: Int, isEstimated: Bool = false) {
        self.promptTokenCount = promptTokenCount
        self.completionTokenCount = completionTokenCount
        self.isEstimated = isEstimated
    }
}
