/// Writes a reply as HTTP/1.1 has it on the wire: head, then a body of known length or one in chunks.
public struct ReplyFraming: Hashable, Sendable {
    /// Where the body ends.
    public enum Length: Hashable, Sendable {
        case known(Int)
        /// Nowhere: no body follows (a reply to HEAD, 204, 304).
        case noBody
        /// In chunks (RFC 9112, 7.1).
        case chunked
        /// With the connection: for callers of HTTP/1.0, who know no chunks.
        case untilClose
    }

    /// Header lines that are the reply's own, each with its line end.
    public struct Headers: Hashable, Sendable {
        public private(set) var lines: [UInt8] = []

        public init() {
            lines.reserveCapacity(192)
        }

        /// Adds one line. Control characters, which could begin another line, are left out of the value.
        public mutating func add(_ name: StaticString, _ value: String) {
            name.withUTF8Buffer { lines.append(contentsOf: $0) }
            lines.append(UInt8(ascii: ":"))
            lines.append(UInt8(ascii: " "))
            var value = value
            value.withUTF8 { bytes in
                if bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
                    for byte in bytes where byte >= 0x20 && byte != 0x7F { lines.append(byte) }
                } else {
                    lines.append(contentsOf: bytes)
                }
            }
            lines.append(0x0D)
            lines.append(0x0A)
        }
    }

    /// Appends a head. O(headers).
    public static func appendHead(
        status: Int, headers: Headers, length: Length, closes: Bool, to output: inout [UInt8]
    ) {
        output.append(contentsOf: "HTTP/1.1 ".utf8)
        output.append(contentsOf: String(status).utf8)
        output.append(UInt8(ascii: " "))
        output.append(contentsOf: reason(status).utf8)
        output.append(contentsOf: "\r\n".utf8)
        output.append(contentsOf: headers.lines)
        switch length {
        case .known(let count):
            output.append(contentsOf: "content-length: ".utf8)
            output.append(contentsOf: String(count).utf8)
            output.append(contentsOf: "\r\n".utf8)
        case .chunked: output.append(contentsOf: "transfer-encoding: chunked\r\n".utf8)
        case .noBody, .untilClose: break
        }
        if closes || length == .untilClose { output.append(contentsOf: "connection: close\r\n".utf8) }
        output.append(contentsOf: "\r\n".utf8)
    }

    /// Appends a piece of the body. An empty piece is nothing: in chunks it would be the end.
    public static func appendPiece(_ bytes: [UInt8], length: Length, to output: inout [UInt8]) {
        guard !bytes.isEmpty, length != .noBody else { return }
        guard length == .chunked else {
            output.append(contentsOf: bytes)
            return
        }
        output.append(contentsOf: String(bytes.count, radix: 16).utf8)
        output.append(contentsOf: "\r\n".utf8)
        output.append(contentsOf: bytes)
        output.append(contentsOf: "\r\n".utf8)
    }

    /// What ends the body.
    public static func end(_ length: Length) -> [UInt8] {
        length == .chunked ? Array("0\r\n\r\n".utf8) : []
    }

    public static let sayContinue = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 402: "Payment Required"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}
