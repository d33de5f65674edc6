import SamovarCore

/// Turns one body into the stream that a provider might have sent: each choice whole in one event, then its end.
///
/// For streaming callers whose answer was recorded as a body. Ids, times and every member are the recorded ones.
public struct Unfold: Sendable {
    private let shared: [JSONValue.Member]
    private let choices: [JSONValue]
    private let usage: JSONValue?
    private let kind: APIKind

    /// - Throws: `Failure.malformed` where the body is no JSON object with choices.
    public init(body: [UInt8], kind: APIKind) throws(Failure) {
        guard let value = try? JSONValue(parsing: body), case .array(let choices)? = value["choices"] else {
            throw .malformed(reason: "the recorded body has no choices")
        }
        self.kind = kind
        self.choices = choices
        usage = value["usage"].flatMap { $0.isNull ? nil : $0 }
        shared = value.members.filter { !$0.isNamed("choices") && !$0.isNamed("usage") }.map { member in
            kind == .chat && member.isNamed("object")
                ? JSONValue.Member("object", .plain("chat.completion.chunk")) : member
        }
    }

    /// The events, `[DONE]` included. O(body).
    public func events(withUsage: Bool) -> [UInt8] {
        var output: [UInt8] = []
        for choice in choices {
            for part in parts(of: choice) { append([part], usage: withUsage ? .null : nil, to: &output) }
        }
        if withUsage, let usage { append([], usage: usage, to: &output) }
        output.append(contentsOf: "data: [DONE]\n\n".utf8)
        return output
    }

    private func append(_ choices: [JSONValue], usage: JSONValue?, to output: inout [UInt8]) {
        var members = shared
        members.append(JSONValue.Member("choices", .array(choices)))
        if let usage { members.append(JSONValue.Member("usage", usage)) }
        output.append(contentsOf: "data: ".utf8)
        JSONValue.object(members).append(to: &output)
        output.append(contentsOf: "\n\n".utf8)
    }

    /// One choice as deltas: what it says, then why it ended. A text completion has no deltas and is one.
    private func parts(of choice: JSONValue) -> [JSONValue] {
        guard kind == .chat else { return [choice] }
        var said: [JSONValue.Member] = []
        var ended: [JSONValue.Member] = []
        for member in choice.members {
            if member.isNamed("message") {
                said.append(JSONValue.Member("delta", Self.delta(of: member.value)))
                ended.append(JSONValue.Member("delta", .object([])))
            } else if member.isNamed("finish_reason") {
                said.append(JSONValue.Member("finish_reason", .null))
                ended.append(member)
            } else if member.isNamed("index") {
                said.append(member)
                ended.append(member)
            } else {
                said.append(member)
            }
        }
        return [.object(said), .object(ended)]
    }

    /// A message as a delta: tool calls carry their place, which in a body is their order.
    private static func delta(of message: JSONValue) -> JSONValue {
        .object(
            message.members.map { member in
                guard member.isNamed("tool_calls") else { return member }
                let calls = member.value.elements.enumerated().map { place, call in
                    JSONValue.object(
                        [JSONValue.Member("index", .literal(Array(String(place).utf8)))]
                            + call.members.filter { !$0.isNamed("index") })
                }
                return JSONValue.Member("tool_calls", .array(calls))
            })
    }
}
