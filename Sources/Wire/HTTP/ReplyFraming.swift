import SamovarCore

/// Writes a reply as HTTP/1.1 has it on the wire: head, then a body of known length or one in chunks.
///
///     appendStatus ─▶ append(field) … ─▶ appendEnd ─▶ appendPiece … ─▶ appendLast
public enum ReplyFraming {
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

    /// The first line.
    public static func appendStatus(_ status: Int, to output: inout OutputBuffer) {
        guard status != 200 else { return output.append("HTTP/1.1 200 OK\r\n") }
        output.append("HTTP/1.1 ")
        output.append(decimal: status)
        output.append(" ")
        output.append(reason(status))
        output.append("\r\n")
    }

    /// One field line. Control characters, which could begin another line, are left out of the value.
    public static func append(_ name: StaticString, _ value: String, to output: inout OutputBuffer) {
        output.append(name)
        output.append(": ")
        var value = value
        value.withUTF8 { bytes in
            if bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
                for byte in bytes where byte >= 0x20 && byte != 0x7F { output.append(byte) }
            } else {
                output.append(UnsafeRawBufferPointer(bytes))
            }
        }
        output.append("\r\n")
    }

    public static func append(_ name: StaticString, decimal value: Int, to output: inout OutputBuffer) {
        output.append(name)
        output.append(": ")
        output.append(decimal: value)
        output.append("\r\n")
    }

    /// What of the head is about the body's length and the connection, and the empty line.
    public static func appendEnd(length: Length, closes: Bool, to output: inout OutputBuffer) {
        switch length {
        case .known(let count): append("content-length", decimal: count, to: &output)
        case .chunked: output.append("transfer-encoding: chunked\r\n")
        case .noBody, .untilClose: break
        }
        if closes || length == .untilClose { output.append("connection: close\r\n") }
        output.append("\r\n")
    }

    /// A piece of the body. An empty piece is nothing: in chunks it would be the end.
    public static func appendPiece(_ bytes: [UInt8], length: Length, to output: inout OutputBuffer) {
        guard !bytes.isEmpty, length != .noBody else { return }
        guard length == .chunked else { return output.append(bytes) }
        appendHexadecimal(bytes.count, to: &output)
        output.append("\r\n")
        output.append(bytes)
        output.append("\r\n")
    }

    /// What ends the body.
    public static func appendLast(_ length: Length, to output: inout OutputBuffer) {
        if length == .chunked { output.append("0\r\n\r\n") }
    }

    public static func appendContinue(to output: inout OutputBuffer) {
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
    }

    private static func appendHexadecimal(_ value: Int, to output: inout OutputBuffer) {
        var shift = max(0, (Int.bitWidth - value.leadingZeroBitCount - 1) / 4 * 4)
        while shift >= 0 {
            let digit = UInt8(value >> shift & 15)
            output.append(digit < 10 ? digit + 0x30 : digit + 0x57)
            shift -= 4
        }
    }

    private static func reason(_ status: Int) -> StaticString {
        switch status {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 402: "Payment Required"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 407: "Proxy Authentication Required"
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

extension Provenance {
    /// The field lines that say where a reply came from.
    public func appendFields(to output: inout OutputBuffer) {
        switch result {
        // A hit's lines as one piece each: they are written a million times more often than all others.
        case .l1Hit: output.append("x-cache: HIT\r\ncache-status: samovar; hit; detail=l1")
        case .l2Hit: output.append("x-cache: HIT\r\ncache-status: samovar; hit; detail=l2")
        default:
            ReplyFraming.append("x-cache", xCache, to: &output)
            ReplyFraming.append("cache-status", cacheStatus, to: &output)
            appendAge(to: &output)
            return
        }
        if let remaining {
            output.append("; ttl=")
            output.append(decimal: Int(remaining.components.seconds))
        }
        if stored == true { output.append("; stored") }
        output.append("\r\n")
        appendAge(to: &output)
    }

    private func appendAge(to output: inout OutputBuffer) {
        if let age { ReplyFraming.append("age", decimal: Int(age.components.seconds), to: &output) }
        if let step { ReplyFraming.append("x-samovar-step", step.rawValue, to: &output) }
    }
}
