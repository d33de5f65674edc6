import Foundation

/// What a sidecar is configured with: the sections of its file, key by key, each value spelled as YAML.
struct SidecarSettings {
    var listen = ["http": "127.0.0.1:0", "binary": "127.0.0.1:0", "admin": "127.0.0.1:0"]
    var redis: [String: String] = [:]
    var cache: [String: String] = [:]
    var upstreams: [[String: String]] = []
    var routes: [[String: String]] = []
    var passthrough: [String] = []
    /// Tests that count calls have foreseen each of them.
    var admission = ["retry_ratio": "0"]
    var limits: [String: String] = [:]
    var drain = ["accept_for": "0s", "grace": "5s"]
    var log = ["level": "info"]
    /// Lines at the top level.
    var more: [String] = []

    init(upstream url: String? = nil) {
        if let url { upstreams = [["name": "provider", "url": url]] }
        // All tests once more with the other driver.
        if let driver = ProcessInfo.processInfo.environment["SAMOVAR_TEST_HTTP_DRIVER"] {
            listen["http_driver"] = driver
        }
    }

    /// Changed as the test wants it.
    func with(_ change: (inout SidecarSettings) -> Void) -> SidecarSettings {
        var changed = self
        change(&changed)
        return changed
    }

    var yaml: String {
        var lines: [String] = []
        let sections = [
            ("listen", listen), ("redis", redis), ("cache", cache), ("admission", admission), ("limits", limits),
            ("drain", drain), ("log", log),
        ]
        for (name, keys) in sections where !keys.isEmpty {
            lines.append("\(name):")
            lines += Self.lines(keys).map { "  \($0)" }
        }
        for (name, items) in [("upstreams", upstreams), ("routes", routes)] where !items.isEmpty {
            lines.append("\(name):")
            for item in items {
                for (index, line) in Self.lines(item).enumerated() {
                    lines.append((index == 0 ? "  - " : "    ") + line)
                }
            }
        }
        if !passthrough.isEmpty { lines.append("passthrough: [\(passthrough.joined(separator: ", "))]") }
        return (lines + more).joined(separator: "\n") + "\n"
    }

    private static func lines(_ keys: [String: String]) -> [String] {
        keys.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    }
}

/// The sidecar, running.
final class Sidecar: Sendable {
    let process: ChildProcess
    let http: SocketAddress
    let admin: SocketAddress
    let binary: SocketAddress

    /// What the process has in memory, in bytes.
    func residentSize() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process.processID)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let kibibytes = line.flatMap({ Int($0.filter(\.isNumber)) }) else {
            throw HarnessError.odd("no VmRSS")
        }
        return kibibytes << 10
    }

    /// How many descriptors it has open.
    func descriptorCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.processID)/fd").count
    }

    /// How much processor time it has used, in seconds.
    func processorTime() throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(process.processID)/stat", encoding: .utf8)
        // The name in brackets may hold blanks; user and system time are the 12th and 13th fields behind it.
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw HarnessError.odd("no times in stat")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private let folder: TemporaryFolder

    convenience init(upstream url: String, _ change: (inout SidecarSettings) -> Void = { _ in }) throws {
        try self.init(SidecarSettings(upstream: url).with(change))
    }

    init(
        _ settings: SidecarSettings, environment: [String: String] = [:], under launcher: [String] = []
    ) throws {
        folder = try TemporaryFolder()
        process = try Self.start(settings, in: folder, environment: environment, under: launcher)
        let ready = JSON(try process.line(startingWith: "{\"event\":\"ready\""))
        http = try SocketAddress(ready["http"].string ?? "")
        admin = try SocketAddress(ready["admin"].string ?? "")
        binary = try SocketAddress(ready["binary"].string ?? "127.0.0.1:0")
    }

    /// Starts one without waiting until it serves: it may not come to that.
    static func start(
        _ settings: SidecarSettings, in folder: TemporaryFolder, environment: [String: String] = [:],
        under launcher: [String] = []
    ) throws -> ChildProcess {
        let path = try folder.write("samovar.yaml", settings.yaml)
        return try ChildProcess(
            try Program.built("samovar"), ["serve", "--config", path], environment: environment, under: launcher)
    }

    /// Writes another configuration and asks to take it.
    func reload(_ settings: SidecarSettings) throws {
        try folder.write("samovar.yaml", settings.yaml)
        process.send(SIGHUP)
    }

    // MARK: Asking

    func ask(_ chat: Chat, headers: [String] = [], path: String = "/v1/chat/completions") throws -> HTTPReply {
        try exchange(RawRequest.post(path, body: chat.body, headers: headers))
    }

    /// On a connection of its own.
    func exchange(_ request: [UInt8]) throws -> HTTPReply {
        let connection = try connect()
        connection.send(request)
        return try connection.reply()
    }

    func connect(receiveBuffer: Int32? = nil) throws -> RawConnection {
        try RawConnection(to: http, receiveBuffer: receiveBuffer)
    }

    // MARK: Looking in

    func page(_ path: String) throws -> HTTPReply {
        let connection = try RawConnection(to: admin)
        connection.send(RawRequest.get(path))
        return try connection.reply()
    }

    func stats() throws -> JSON { try page("/stats.json").json }

    /// The value of one sample of `/metrics`, by its whole name.
    func metric(_ name: String) throws -> Int? {
        let line = try page("/metrics").text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
        return line.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) }
    }
}
