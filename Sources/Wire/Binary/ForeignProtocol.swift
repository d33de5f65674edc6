/// Who it is that does not begin with our magic (Protocol.md §2.2): for a metric, and for one kind an answer.
public enum ForeignProtocol: String, CaseIterable, Hashable, Sendable {
    case http
    case tls
    case resp
    case memcached
    case unknown

    private static let methods = [
        "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PRI",
    ]
    private static let memcachedCommands = [
        "get", "gets", "set", "add", "replace", "delete", "incr", "decr", "stats", "version", "mg", "ms", "mn", "quit",
    ]
    private static let wordByteMax = 8

    /// Judges by the first bytes, of which at least one is not ours. O(1).
    init(_ bytes: RawSpan) {
        let first = bytes.isEmpty ? 0 : bytes.byte(at: 0)
        switch first {
        // A TLS record of the kind handshake, and the head of an SSL 2 hello.
        case 0x16, 0x80: self = .tls
        case UInt8(ascii: "*"), UInt8(ascii: "$"), UInt8(ascii: "+"): self = .resp
        default:
            let word = Self.firstWord(of: bytes)
            if let word, word.isFollowedBySpace, Self.methods.contains(word.text) {
                self = .http
            } else if let word, Self.memcachedCommands.contains(word.text) {
                self = .memcached
            } else {
                self = .unknown
            }
        }
    }

    private static func firstWord(of bytes: RawSpan) -> (text: String, isFollowedBySpace: Bool)? {
        var text = ""
        for index in 0..<min(bytes.byteCount, wordByteMax) {
            let byte = bytes.byte(at: index)
            if byte == 0x20 || byte == 0x0D { return (text, byte == 0x20) }
            guard byte < 0x80 else { return nil }
            text.unicodeScalars.append(Unicode.Scalar(byte))
        }
        return nil
    }

    /// What it is told before the connection is closed; nil where any word of ours would be taken for a reply.
    public var answer: [UInt8]? {
        guard self == .http else { return nil }
        let text = "This port speaks Samovar's binary protocol; the HTTP API has its own port.\n"
        let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: \(text.utf8.count)\r\n"
        return Array((head + "Connection: close\r\n\r\n" + text).utf8)
    }
}
