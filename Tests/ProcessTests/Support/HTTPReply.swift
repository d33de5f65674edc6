import Foundation

/// A reply as it came.
struct HTTPReply: Sendable {
    var status = 0
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// Whether the body came to the end that its framing promised.
    var isWhole = false

    /// The value of the header, several of one name joined.
    subscript(name: String) -> String? {
        let values = headers.filter { $0.name.lowercased() == name }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSON { JSON(body) }
    var isStream: Bool { self["content-type"]?.hasPrefix("text/event-stream") == true }
    var events: [StreamEvent] { StreamEvent.all(in: text) }
    /// `error.code`, of the body or of the stream's last event.
    var errorCode: String? { (isStream ? events.last?.json : json)?["error"]["code"].string }
}

/// Cuts replies out of what a connection receives.
struct ReplyReader {
    private enum Framing {
        case none
        case length(Int)
        case chunked
        case untilClose
    }

    private var buffer: [UInt8] = []
    private var framing = Framing.none
    private(set) var reply: HTTPReply?
    var isDone: Bool { reply?.isWhole == true }

    mutating func feed(_ bytes: some Sequence<UInt8>) {
        buffer += bytes
        read()
    }

    /// The connection has ended.
    mutating func close() {
        if case .untilClose = framing { reply?.isWhole = true }
    }

    /// Goes on to the reply after this one.
    mutating func next() {
        reply = nil
        framing = .none
        read()
    }

    private mutating func read() {
        if reply == nil { readHead() }
        // Taken out while it grows, so that it grows in place.
        guard var growing = reply, !growing.isWhole else { return }
        reply = nil
        switch framing {
        case .none: break
        case .length(let length):
            let missing = length - growing.body.count
            growing.body += buffer.prefix(missing)
            buffer.removeFirst(min(missing, buffer.count))
            growing.isWhole = growing.body.count == length
        case .chunked: readChunks(&growing)
        case .untilClose:
            growing.body += buffer
            buffer = []
        }
        reply = growing
    }

    private mutating func readHead() {
        guard let end = buffer.firstRange(of: Array("\r\n\r\n".utf8)) else { return }
        let lines = String(decoding: buffer[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        buffer.removeSubrange(..<end.upperBound)
        var reply = HTTPReply()
        reply.status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        reply.headers = lines.dropFirst().map { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : "")
        }
        // "100 Continue" is no reply yet.
        guard reply.status >= 200 else { return readHead() }
        if reply["transfer-encoding"] == "chunked" {
            framing = .chunked
        } else if let length = reply["content-length"].flatMap({ Int($0) }) {
            framing = .length(length)
        } else {
            framing = .untilClose
        }
        self.reply = reply
    }

    private mutating func readChunks(_ reply: inout HTTPReply) {
        var start = 0
        defer { buffer.removeFirst(start) }
        while let line = buffer[start...].firstRange(of: [0x0D, 0x0A]) {
            let size = Int(String(decoding: buffer[start..<line.lowerBound], as: UTF8.self), radix: 16) ?? 0
            guard buffer.count >= line.upperBound + size + 2 else { return }
            reply.body += buffer[line.upperBound..<(line.upperBound + size)]
            start = line.upperBound + size + 2
            if size == 0 {
                reply.isWhole = true
                return
            }
        }
    }
}
