/// One question, and how it is asked.
struct Chat: Sendable {
    var model = "standin"
    var messages: [(role: String, text: String)]
    var stream = false
    var includeUsage = false
    /// More members of the body, as they are spelled: `"seed":1`.
    var extra: [String] = []

    init(
        _ prompt: String, model: String = "standin", stream: Bool = false, includeUsage: Bool = false,
        extra: [String] = []
    ) {
        self.model = model
        messages = [("user", prompt)]
        self.stream = stream
        self.includeUsage = includeUsage
        self.extra = extra
    }

    var body: String {
        let spoken = messages.map { "{\"role\":\(Self.quoted($0.role)),\"content\":\(Self.quoted($0.text))}" }
        var members = ["\"model\":\(Self.quoted(model))", "\"messages\":[\(spoken.joined(separator: ","))]"]
        if stream { members.append("\"stream\":true") }
        if includeUsage { members.append("\"stream_options\":{\"include_usage\":true}") }
        return "{\((members + extra).joined(separator: ","))}"
    }

    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\n": quoted += "\\n"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// A request in bytes.
enum RawRequest {
    static func post(
        _ path: String = "/v1/chat/completions", body: String, headers: [String] = [], host: String = "localhost"
    ) -> [UInt8] {
        let head = ["POST \(path) HTTP/1.1", "Host: \(host)", "Content-Type: application/json"] + headers
        return Array("\(head.joined(separator: "\r\n"))\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
    }

    static func get(_ path: String, headers: [String] = [], host: String = "localhost") -> [UInt8] {
        Array((["GET \(path) HTTP/1.1", "Host: \(host)"] + headers).joined(separator: "\r\n").utf8)
            + Array("\r\n\r\n".utf8)
    }
}
