import SamovarCore

/// Folds a stream into the one body that the provider would have sent.
///
/// Text is joined as spelled, so no escape and no digit changes. Tool calls are joined by their index; several
/// choices, reasoning, log probabilities and usage come out as in a body. `obfuscation` is padding and goes.
public struct Fold: Sendable {
    private var top: [JSONValue.Member] = []
    private var choices: [(index: Int, choice: [JSONValue.Member])] = []
    private var usage: JSONValue?

    public init() {}

    /// The body of a recorded or collected stream. O(bytes).
    ///
    /// - Throws: `Failure.malformed` where an event is no JSON; a stream that was complete has none.
    public static func body(of chunks: some Sequence<Chunk>) throws(Failure) -> [UInt8] {
        var fold = Fold()
        var decoder = EventDecoder(eventSizeMax: .max)
        for chunk in chunks {
            guard let events = try? decoder.feed(chunk.bytes) else { continue }
            for event in events { try fold.add(event.data) }
        }
        if let last = decoder.finish() { try fold.add(last.data) }
        return fold.body
    }

    /// Adds one event's data.
    mutating func add(_ data: [UInt8]) throws(Failure) {
        if data.isEmpty || data.elementsEqual("[DONE]".utf8) { return }
        guard let value = try? JSONValue(parsing: data) else { throw .malformed(reason: "an event is not JSON") }
        for member in value.members {
            if member.isNamed("choices") {
                for choice in member.value.elements { add(choice: choice) }
            } else if member.isNamed("usage") {
                if !member.value.isNull { usage = member.value }
            } else if !member.isNamed("obfuscation") {
                addTop(member)
            }
        }
    }

    private mutating func addTop(_ member: JSONValue.Member) {
        guard let position = top.firstIndex(where: { $0.name == member.name }) else {
            top.append(member)
            return
        }
        // What names the answer is the first chunk's; what describes it (citations, fingerprints) the last one's.
        guard !member.isNamed("id"), !member.isNamed("created"), !member.value.isNull else { return }
        top[position].value = member.value
    }

    private mutating func add(choice: JSONValue) {
        let index = choice["index"]?.integer ?? 0
        let position: Int
        if let known = choices.firstIndex(where: { $0.index == index }) {
            position = known
        } else {
            position = choices.count
            choices.append((index, []))
        }
        for member in choice.members {
            let name = member.isNamed("delta") ? Array("message".utf8) : member.name
            choices[position].choice.merge(name: name, value: member.value)
        }
    }

    /// The body, as far as events were added.
    public var body: [UInt8] {
        var members: [JSONValue.Member] = []
        for member in top {
            let isChunkName = member.isNamed("object") && member.value == .plain("chat.completion.chunk")
            members.append(isChunkName ? JSONValue.Member("object", .plain("chat.completion")) : member)
        }
        let ordered = choices.sorted { $0.index < $1.index }.map { JSONValue.object(Self.finished($0.choice)) }
        members.append(JSONValue.Member("choices", .array(ordered)))
        if let usage { members.append(JSONValue.Member("usage", usage)) }
        return JSONValue.object(members).bytes
    }

    /// A choice as a body has it: a message with its role and content, tool calls without their index.
    private static func finished(_ choice: [JSONValue.Member]) -> [JSONValue.Member] {
        choice.map { member in
            guard member.isNamed("message") else { return member }
            var message = member.value.members
            if !message.contains(where: { $0.isNamed("role") }) {
                message.insert(JSONValue.Member("role", .plain("assistant")), at: 0)
            }
            if !message.contains(where: { $0.isNamed("content") }) {
                message.insert(JSONValue.Member("content", .null), at: 1)
            }
            message = message.map { $0.isNamed("tool_calls") ? $0.withoutIndices : $0 }
            return JSONValue.Member("message", .object(message))
        }
    }
}

extension JSONValue.Member {
    fileprivate var withoutIndices: JSONValue.Member {
        let calls = value.elements.map { JSONValue.object($0.members.filter { !$0.isNamed("index") }) }
        return JSONValue.Member(name: name, value: .array(calls))
    }

    /// Texts that come in pieces. Every other string (a role, a name, an id) comes whole, and may come repeatedly.
    fileprivate var isTextInPieces: Bool {
        Self.textsInPieces.contains { isNamed($0) }
    }

    private static var textsInPieces: [StaticString] {
        [
            "content", "text", "reasoning_content", "reasoning", "thinking", "refusal", "arguments", "transcript",
            "data", "input",
        ]
    }
}

extension [JSONValue.Member] {
    /// Merges one member of a later delta into what has been gathered.
    fileprivate mutating func merge(name: [UInt8], value: JSONValue) {
        guard let position = firstIndex(where: { $0.name == name }) else {
            var value = value
            value.orderByIndex()
            append(JSONValue.Member(name: name, value: value))
            return
        }
        self[position].mergeValue(value)
    }
}

extension JSONValue.Member {
    fileprivate mutating func mergeValue(_ later: JSONValue) {
        if later.isNull { return }
        if value.isNull {
            value = later
            value.orderByIndex()
            return
        }
        switch later {
        case .string(let piece):
            if isTextInPieces { value.appendText(piece) } else if !piece.isEmpty { value = later }
        case .array(let elements): value.appendElements(elements)
        case .object(let members): value.mergeMembers(members)
        case .literal: value = later
        }
    }
}

extension JSONValue {
    // The payload is taken out before it is changed, so that it has one owner and grows in place.

    fileprivate mutating func appendText(_ piece: [UInt8]) {
        guard case .string(var text) = self else { return }
        self = .null
        text.append(contentsOf: piece)
        self = .string(text)
    }

    fileprivate mutating func mergeMembers(_ later: [Member]) {
        guard case .object(var members) = self else { return }
        self = .null
        for member in later { members.merge(name: member.name, value: member.value) }
        self = .object(members)
    }

    /// Elements with an `index` belong to the element of that index; all others follow what is there.
    fileprivate mutating func appendElements(_ later: [JSONValue]) {
        guard case .array(var elements) = self else { return }
        self = .null
        for element in later {
            if let index = element["index"]?.integer,
                let known = elements.firstIndex(where: { $0["index"]?.integer == index })
            {
                elements[known].mergeMembers(element.members)
            } else {
                elements.append(element)
            }
        }
        self = .array(elements)
        orderByIndex()
    }

    fileprivate mutating func orderByIndex() {
        guard case .array(let elements) = self, elements.count > 1,
            elements.allSatisfy({ $0["index"]?.integer != nil })
        else { return }
        self = .array(elements.sorted { ($0["index"]?.integer ?? 0) < ($1["index"]?.integer ?? 0) })
    }
}
