import Foundation

/// The stand-in provider, running.
final class Provider: Sendable {
    let address: SocketAddress
    let process: ChildProcess

    convenience init(_ flags: String..., environment: [String: String] = [:]) throws {
        try self.init(flags, environment: environment)
    }

    init(_ flags: [String], environment: [String: String] = [:], under launcher: [String] = []) throws {
        process = try ChildProcess(
            try Program.built("provider"), ["--listen", "127.0.0.1:0"] + flags, environment: environment,
            under: launcher)
        let ready = JSON(try process.line(startingWith: "{\"event\":\"ready\""))
        address = try SocketAddress(ready["http"].string ?? "")
    }

    /// As an upstream's url.
    var url: String { "http://\(address)/v1" }

    /// Changes settings, by their names: `["token_ms": "20"]`, each value spelled as JSON.
    func control(_ settings: KeyValuePairs<String, String>) throws {
        let members = settings.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
        let reply = try exchange(RawRequest.post("/control", body: "{\(members)}"))
        guard reply.status == 200 else { throw HarnessError.odd(reply.text) }
    }

    /// What it was asked since it began, or since `forget`.
    func counts() throws -> Counts { Counts(try exchange(RawRequest.get("/counts")).json) }

    func forget() throws { _ = try exchange(RawRequest.post("/counts/reset", body: "")) }

    /// Asks it directly.
    func ask(_ chat: Chat) throws -> HTTPReply { try exchange(RawRequest.post(body: chat.body)) }

    func exchange(_ request: [UInt8]) throws -> HTTPReply {
        let connection = try RawConnection(to: address)
        connection.send(request)
        return try connection.reply()
    }

    struct Counts: Sendable {
        private let json: JSON

        init(_ json: JSON) { self.json = json }

        var calls: Int { json["calls"].int ?? -1 }
        var cancelled: Int { json["cancelled"].int ?? -1 }
        var concurrent: Int { json["concurrent"].int ?? -1 }
        var concurrentMax: Int { json["concurrent_max"].int ?? -1 }
        var streams: Int { json["streams"].int ?? -1 }
        var lastBody: String { json["last_body"].string ?? "" }
        var headersSeen: Set<String> { Set(json["headers_seen"].elements.compactMap(\.string)) }
        var authorizations: [String: Int] { json["authorizations"].members.compactMapValues(\.int) }
        var byStatus: [String: Int] { json["by_status"].members.compactMapValues(\.int) }
    }

    /// How it shows an Authorization in its counts.
    static func mark(ofAuthorization value: String) -> String {
        SHA256.hash(Array(value.utf8)).prefix(4).map { String(format: "%02x", $0) }.joined()
    }
}
