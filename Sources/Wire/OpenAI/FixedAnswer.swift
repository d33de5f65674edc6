import SamovarCore

/// The route's own words as an answer that any client of the API takes for one.
public enum FixedAnswer {
    /// Who is said to have answered.
    public static let model = "samovar-fixed-answer"

    /// The bytes in the form that the caller asked for. O(text).
    ///
    /// - Parameters:
    ///   - kind: chat or completions; nothing else has words.
    ///   - now: the time of day, for `created`.
    /// - Throws: never for these kinds.
    public static func render(
        _ text: String, as form: Form, withUsage: Bool, kind: APIKind, at now: WallTime
    ) throws(Failure) -> [UInt8] {
        let body = body(text, kind, at: now)
        return form == .body ? body : try Unfold(body: body, kind: kind).events(withUsage: withUsage)
    }

    private static func body(_ text: String, _ kind: APIKind, at now: WallTime) -> [UInt8] {
        // What stands between the quotes.
        let words = Array(JSONString.spelled(text).dropFirst().dropLast())
        let said: JSONValue.Member
        let (id, object): (StaticString, StaticString)
        if kind == .chat {
            let message = [
                JSONValue.Member("role", .plain("assistant")), JSONValue.Member("content", .string(words)),
            ]
            said = JSONValue.Member("message", .object(message))
            (id, object) = ("chatcmpl-samovar-fixed", "chat.completion")
        } else {
            said = JSONValue.Member("text", .string(words))
            (id, object) = ("cmpl-samovar-fixed", "text_completion")
        }
        let choice = JSONValue.object([
            JSONValue.Member("index", .number(0)), said, JSONValue.Member("logprobs", .null),
            JSONValue.Member("finish_reason", .plain("stop")),
        ])
        // Nothing was counted, because nothing was generated.
        let usage = JSONValue.object([
            JSONValue.Member("prompt_tokens", .number(0)), JSONValue.Member("completion_tokens", .number(0)),
            JSONValue.Member("total_tokens", .number(0)),
        ])
        let members: [JSONValue.Member] = [
            JSONValue.Member("id", .plain(id)), JSONValue.Member("object", .plain(object)),
            JSONValue.Member("created", .number(now.milliseconds / 1_000)),
            JSONValue.Member("model", .string(Array(model.utf8))), JSONValue.Member("choices", .array([choice])),
            JSONValue.Member("usage", usage),
        ]
        return JSONValue.object(members).bytes
    }
}

extension JSONValue {
    fileprivate static func number(_ value: Int64) -> JSONValue { .literal(Array(String(value).utf8)) }
}
