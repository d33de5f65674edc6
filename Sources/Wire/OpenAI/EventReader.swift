import SamovarCore

/// What one event of an OpenAI-compatible stream says: the chunk to keep, and the facts to judge it by.
public struct ReadEvent: Sendable {
    public let chunk: Chunk
    public let facts: ChunkFacts
    /// The provider's own error object, where the event is one.
    public let error: [UInt8]?
}

/// Reads events of chat and text completion streams.
public enum EventReader {
    /// - Throws: `Failure.malformed` where the data is neither JSON nor `[DONE]`.
    public static func read(_ event: ServerSentEvent, usageAsked: Bool) throws(Failure) -> ReadEvent {
        var facts = ChunkFacts()
        if event.data.elementsEqual("[DONE]".utf8) {
            facts.isDone = true
            return ReadEvent(chunk: Chunk(bytes: event.raw), facts: facts, error: nil)
        }
        if let words = event.errorLine {
            facts.isError = true
            return ReadEvent(chunk: Chunk(bytes: event.raw), facts: facts, error: Self.errorObject(words))
        }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: event.data)
        } catch {
            // An event without data (`event: ping`) says nothing; anything else that is no JSON is no answer, and
            // neither are lines that are no event at all.
            guard event.data.isEmpty, event.name != nil || event.dataPlace != nil else {
                throw .malformed(reason: "an event of the stream is not JSON")
            }
            return ReadEvent(chunk: Chunk(bytes: event.raw), facts: facts, error: nil)
        }
        let error = value["error"].flatMap { $0.isNull ? nil : $0 }
        facts.isError = error != nil || event.name == "error"
        facts.model = value["model"]?.text
        facts.usage = value["usage"].flatMap(Usage.init)
        for choice in value["choices"]?.elements ?? [] { facts.read(choice) }
        let place = usageAsked ? usagePlace(in: event, value: value) : .nowhere
        return ReadEvent(
            chunk: Chunk(bytes: event.raw, usage: place), facts: facts,
            error: facts.isError ? (error ?? value).bytes : nil)
    }

    /// An `error:` line's own JSON, or its words as an error's message.
    private static func errorObject(_ words: [UInt8]) -> [UInt8] {
        if let value = try? JSONValue(parsing: words), case .object = value { return words }
        let message = words.flatMap { byte -> [UInt8] in
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): [UInt8(ascii: "\\"), byte]
            case 0..<0x20: [0x20]
            default: [byte]
            }
        }
        return JSONValue.object([JSONValue.Member("message", .string(message))]).bytes
    }

    /// Where a chunk speaks of usage only because we asked for it.
    private static func usagePlace(in event: ServerSentEvent, value: JSONValue) -> UsagePlace {
        guard let usage = value["usage"], let data = event.dataPlace else { return .nowhere }
        if !usage.isNull {
            // Providers that put usage beside choices do so unasked; only the chunk that is nothing else is ours.
            return value["choices"]?.elements.isEmpty == true ? .whole : .nowhere
        }
        // The very member whose value was judged: a name may come twice, spelled in two ways.
        guard let members = try? JSONScanner.objectMembers(of: event.data, in: 0..<event.data.count),
            let position = value.members.firstIndex(where: { $0.isNamed("usage") }), position < members.count
        else { return .nowhere }
        // With its comma: the one before it, or the one after where it comes first.
        let from = position > 0 ? members[position - 1].source.upperBound : members[position].source.lowerBound
        let to =
            position == 0 && members.count > 1 ? members[1].source.lowerBound : members[position].source.upperBound
        return .member(fromEnd: event.raw.count - (data.lowerBound + to), count: to - from)
    }
}

extension ChunkFacts {
    mutating func read(_ choice: JSONValue) {
        let reason = choice["finish_reason"]?.text
        choices.append(Choice(index: choice["index"]?.integer ?? 0, finishReason: reason))
        if reason == "error" { isError = true }
        if choice["text"]?.isEmptyValue == false { hasToken = true }
        for member in choice["delta"]?.members ?? [] where !member.isNamed("role") && !member.value.isEmptyValue {
            hasToken = true
        }
    }
}

extension JSONValue {
    fileprivate var isEmptyValue: Bool {
        switch self {
        case .string(let text): text.isEmpty
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        case .literal: isNull
        }
    }
}

extension Usage {
    /// Sums of these are kept for the life of a process, and must not overflow by what an upstream says.
    private static let plausible = 0...1 << 40

    init?(_ value: JSONValue) {
        let completion = value["completion_tokens"]?.integer ?? 0
        guard let prompt = value["prompt_tokens"]?.integer, Self.plausible.contains(prompt),
            Self.plausible.contains(completion)
        else { return nil }
        self.init(promptTokenCount: prompt, completionTokenCount: completion)
    }
}
