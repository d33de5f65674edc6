/// An answer that is no answer: a status and an error in OpenAI's shape.
struct Refusal: Error, Equatable, Sendable {
    var status: Int
    var message: String
    var type: String
    var param: String?
    var code: String?
    /// Seconds.
    var retryAfter: Int?

    static func invalid(_ message: String, param: String? = nil) -> Refusal {
        Refusal(status: 400, message: message, type: "invalid_request_error", param: param)
    }

    /// One of several inputs, by its place.
    static func invalidInput(at index: Int) -> Refusal {
        invalid("Invalid 'input[\(index)]': the stand-in provider was told to refuse it.", param: "input[\(index)]")
    }

    static let unauthorized = Refusal(
        status: 401, message: "Incorrect API key provided.", type: "invalid_request_error", code: "invalid_api_key")

    static func noSuchPath(_ path: String) -> Refusal {
        Refusal(status: 404, message: "Invalid URL (\(path))", type: "invalid_request_error")
    }

    static func wrongMethod(_ method: String) -> Refusal {
        Refusal(status: 405, message: "Not allowed to \(method) on this URL.", type: "invalid_request_error")
    }

    static let bodyTooLarge = Refusal(
        status: 413, message: "The body is larger than this server takes.", type: "invalid_request_error")

    static func throttled(retryAfter: Int) -> Refusal {
        Refusal(
            status: 429, message: "Rate limit reached. Please try again in \(retryAfter)s.", type: "requests",
            code: "rate_limit_exceeded", retryAfter: retryAfter)
    }

    static let tooManyAtOnce = Refusal(
        status: 503, message: "The engine is currently overloaded, please try again later.", type: "server_error")

    /// As told by a setting.
    static func ordered(status: Int, retryAfter: Int?) -> Refusal {
        switch status {
        case 401: return .unauthorized
        case 429:
            var refusal = throttled(retryAfter: retryAfter ?? 1)
            refusal.retryAfter = retryAfter
            return refusal
        default:
            return Refusal(
                status: status, message: "The stand-in provider was told to answer \(status).",
                type: status < 500 ? "invalid_request_error" : "server_error", retryAfter: retryAfter)
        }
    }

    /// `{"error":{...}}`.
    func write(into writer: inout JSONWriter) {
        let error: [JSON.Member] = [
            JSON.Member(name: "message", value: .string(message)),
            JSON.Member(name: "type", value: .string(type)),
            JSON.Member(name: "param", value: param.map(JSON.string) ?? .null),
            JSON.Member(name: "code", value: code.map(JSON.string) ?? .null),
        ]
        writer.value(.object([JSON.Member(name: "error", value: .object(error))]))
    }
}
