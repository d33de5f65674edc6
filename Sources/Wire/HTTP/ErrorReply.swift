import SamovarCore

/// An error as callers of an OpenAI-compatible API expect it: a status, and `{"error": {…}}`.
public struct ErrorReply: Hashable, Sendable {
    public var status: Int
    public var contentType = "application/json"
    public var body: [UInt8]
    public var retryAfter: Duration?
    /// Tells OpenAI's clients not to try again by themselves: nothing would change.
    public var forbidsRetry = false

    /// An error of our own.
    ///
    /// - Parameters:
    ///   - message: for people; must hold nothing of a prompt, an answer or a credential.
    ///   - type: OpenAI's `type`.
    ///   - code: a stable word for programs.
    public init(status: Int, message: String, type: String, code: String, retryAfter: Duration? = nil) {
        self.status = status
        self.retryAfter = retryAfter
        let members: [JSONValue.Member] = [
            JSONValue.Member("message", .string(Self.escaped(message))),
            JSONValue.Member("type", .string(Self.escaped(type))),
            JSONValue.Member("param", .null),
            JSONValue.Member("code", .string(Self.escaped(code))),
        ]
        body = JSONValue.object([JSONValue.Member("error", .object(members))]).bytes
    }

    private static func escaped(_ text: String) -> [UInt8] {
        text.utf8.flatMap { byte -> [UInt8] in
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): [UInt8(ascii: "\\"), byte]
            case 0..<0x20: [0x20]
            default: [byte]
            }
        }
    }

    /// How a failure is told. An upstream's own refusal keeps its status and its words.
    ///
    /// - Parameter hidesCredential: the upstream was asked with our own key, of which its words may show a part.
    public init(_ failure: Failure, hidesCredential: Bool) {
        switch failure {
        case .refused(let refusal):
            self.init(refusal, hidesCredential: hidesCredential)
        case .erred(let error):
            self.init(status: 502, message: "", type: "upstream_error", code: "upstream_error")
            body = Array("{\"error\":".utf8) + error + [UInt8(ascii: "}")]
        case .unreachable(let reason):
            self.init(
                status: 502, message: "the upstream cannot be reached: \(reason)", type: "upstream_error",
                code: "upstream_unreachable")
        case .timedOut(let wait):
            self.init(
                status: 504, message: "the upstream was silent for too long (\(wait.rawValue))",
                type: "upstream_error", code: "upstream_timeout")
        case .cut:
            self.init(
                status: 502, message: "the upstream's answer broke off", type: "upstream_error", code: "upstream_cut")
        case .malformed(let reason):
            self.init(
                status: 502, message: "the upstream sent no valid answer: \(reason)", type: "upstream_error",
                code: "upstream_malformed")
        case .tooLarge(let limit):
            self.init(
                status: 502, message: "the upstream's answer is larger than \(limit)", type: "upstream_error",
                code: limit)
        case .limited(let limit, let retryAfter):
            self.init(
                status: 503, message: "the limit \(limit) is reached", type: "overloaded", code: limit,
                retryAfter: retryAfter)
            // Tried again at once it would only be refused again: we know that there is no room.
            forbidsRetry = failure.isRejection
        case .lagged:
            self.init(
                status: 503, message: "this caller reads too slowly (follower_lag_max)", type: "overloaded",
                code: "follower_lag_max")
        case .notCached:
            self.init(
                status: 504, message: "nothing usable is cached, and only-if-cached was asked for",
                type: "not_cached", code: "only_if_cached")
            forbidsRetry = true
        case .deadline:
            self.init(status: 504, message: "the caller's own deadline passed", type: "timeout", code: "deadline")
            forbidsRetry = true
        case .draining:
            self.init(
                status: 503, message: "shutting down", type: "overloaded", code: "draining", retryAfter: .seconds(1))
        }
    }

    private init(_ refusal: Failure.Refusal, hidesCredential: Bool) {
        if hidesCredential, refusal.status == 401 || refusal.status == 403 {
            self.init(
                status: refusal.status, message: "the upstream refused the configured key", type: "upstream_error",
                code: "upstream_refused_key")
            return
        }
        self.init(
            status: refusal.status, message: "the upstream answered \(refusal.status)", type: "upstream_error",
            code: "upstream_status", retryAfter: refusal.retryAfter)
        let isJSON = refusal.contentType?.lowercased().hasPrefix("application/json") == true
        if isJSON, !refusal.body.isEmpty { body = refusal.body }
    }

    /// The error as the last event of a stream that had already begun. No `[DONE]` follows it.
    public var event: [UInt8] {
        Array("data: ".utf8) + body.filter { $0 != 0x0A && $0 != 0x0D } + Array("\n\n".utf8)
    }
}
