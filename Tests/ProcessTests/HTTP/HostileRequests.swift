import Testing

/// Requests that two readers might read differently, or that no honest caller sends. Each holds a whole chat somewhere
/// and another request behind it, so that a reader who is too kind makes a call.
struct HostileRequest: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    var testDescription: String { name }

    init(_ name: String, _ bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    static let body = #"{"model":"standin","messages":[{"role":"user","content":"hostile"}]}"#
    static let size = body.utf8.count
    private static let chunked = "\(String(size, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
    private static let start = "POST /v1/chat/completions HTTP/1.1\r\n"
    private static let smuggled = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"

    /// A POST with these header lines after Host, exactly so spelled.
    private static func post(
        _ name: String, _ lines: String..., then body: String, line: String = "POST /v1/chat/completions HTTP/1.1"
    )
        -> HostileRequest
    {
        let head = ([line, "Host: localhost"] + lines).joined(separator: "\r\n")
        return HostileRequest(name, Array((head + "\r\n\r\n" + body + smuggled).utf8))
    }

    private static func raw(_ name: String, _ text: String) -> HostileRequest {
        HostileRequest(name, Array((text + smuggled).utf8))
    }

    private static func length(_ name: String, _ value: String) -> HostileRequest {
        post("Content-Length: \(name)", "Content-Length:\(value)", then: body)
    }

    private static func encoding(_ name: String, _ value: String) -> HostileRequest {
        post("Transfer-Encoding: \(name)", "Transfer-Encoding:\(value)", then: chunked)
    }

    private static func chunk(_ name: String, _ body: String) -> HostileRequest {
        post("chunks: \(name)", "Transfer-Encoding: chunked", then: body)
    }

    private static let half = body.utf8.count / 2
    private static let hexSize = String(size, radix: 16)

    static let twoFramings: [HostileRequest] = [
        post("length and chunks", "Content-Length: \(size)", "Transfer-Encoding: chunked", then: chunked),
        post("chunks and length", "Transfer-Encoding: chunked", "Content-Length: \(size)", then: chunked),
        post("length 0 and chunks", "Content-Length: 0", "Transfer-Encoding: chunked", then: chunked),
        post("length and unknown encoding", "Content-Length: \(size)", "Transfer-Encoding: xchunked", then: body),
        post("length and identity", "Content-Length: \(size)", "Transfer-Encoding: identity", then: body),
        post("length and empty encoding", "Content-Length: \(size)", "Transfer-Encoding:", then: body),
        post("two lengths, the same", "Content-Length: \(size)", "Content-Length: \(size)", then: body),
        post("two lengths, different", "Content-Length: \(size)", "Content-Length: 0", then: body),
        post("two lengths, different case", "Content-Length: \(size)", "content-length: 1", then: body),
        post("two encodings", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", then: chunked),
        post("two encodings, one unknown", "Transfer-Encoding: chunked", "Transfer-Encoding: x", then: chunked),
        post(
            "chunks in HTTP/1.0", "Transfer-Encoding: chunked", then: chunked,
            line: "POST /v1/chat/completions HTTP/1.0"),
    ]

    static let lengths: [HostileRequest] = [
        length("list", " \(size), \(size)"), length("list of two", " \(size), 0"), length("plus", " +\(size)"),
        length("minus", " -\(size)"), length("minus one", " -1"), length("empty", ""), length("blank", "  "),
        length("2^64", " 18446744073709551616"), length("2^63", " 9223372036854775808"),
        length("2^64 + size", " \(UInt128(1) << 64 + UInt128(size))"), length("hexadecimal", " 0x\(hexSize)"),
        length("inner blank", " 6 8"), length("comma", " \(size),"), length("exponent", " 1e2"),
        length("decimal", " \(size).0"), length("semicolon", " \(size);x=1"), length("quoted", " \"\(size)\""),
        length("Arabic digits", " ٦٨"), length("vertical tab", " \u{0B}\(size)"), length("NUL", " \(size)\u{0}"),
    ]

    static let encodings: [HostileRequest] = [
        encoding("xchunked", " xchunked"), encoding("chunked, identity", " chunked, identity"),
        encoding("identity", " identity"), encoding("identity, chunked", " identity, chunked"),
        encoding("gzip, chunked", " gzip, chunked"), encoding("chunked twice", " chunked, chunked"),
        encoding("empty", ""), encoding("quoted", " \"chunked\""), encoding("parameter", " chunked;q=1"),
        encoding("vertical tab", " \u{0B}chunked"), encoding("NUL", " chunked\u{0}"), encoding("comma", " ,chunked"),
        encoding("trailing comma", " chunked,"), encoding("prefix", " chunk"), encoding("folded", "\r\n chunked"),
        post("blank before the colon", "Transfer-Encoding : chunked", then: chunked),
        post("tab before the colon", "Transfer-Encoding\t: chunked", then: chunked),
        post("blank before the name", " Transfer-Encoding: chunked", then: chunked),
        post("folded into another", "X: y\r\n Transfer-Encoding: chunked", then: chunked),
        post("bare CR before the name", "X: y\rTransfer-Encoding: chunked", then: chunked),
        post("length with a blank before the colon", "Content-Length : \(size)", then: body),
        post("length under another name", "Content_Length: \(size)", then: body),
    ]

    static let chunks: [HostileRequest] = [
        chunk("size overflow", "fffffffffffffffff\r\n\(body)\r\n0\r\n\r\n"),
        chunk("size wraps to the right one", "1000000000000000\(hexSize)\r\n\(body)\r\n0\r\n\r\n"),
        chunk("negative size", "-\(hexSize)\r\n\(body)\r\n0\r\n\r\n"),
        chunk("plus", "+\(hexSize)\r\n\(body)\r\n0\r\n\r\n"),
        chunk("0x", "0x\(hexSize)\r\n\(body)\r\n0\r\n\r\n"),
        chunk("blank before the size", " \(hexSize)\r\n\(body)\r\n0\r\n\r\n"),
        chunk("no size", "\r\n\(body)\r\n0\r\n\r\n"),
        chunk("size is no number", "xyz\r\n\(body)\r\n0\r\n\r\n"),
        chunk("bare LF after the size", "\(hexSize)\n\(body)\r\n0\r\n\r\n"),
        chunk("bare CR after the size", "\(hexSize)\r\(body)\r\n0\r\n\r\n"),
        chunk("bare LF after the data", "\(hexSize)\r\n\(body)\n0\r\n\r\n"),
        chunk("no line end after the data", "\(hexSize)\r\n\(body)0\r\n\r\n"),
        chunk("data longer than its size", "1\r\n\(body)\r\n0\r\n\r\n"),
        chunk("bare LF in an extension", "\(hexSize);a\nb\r\n\(body)\r\n0\r\n\r\n"),
        chunk(
            "an extension of a megabyte", "\(hexSize);\(String(repeating: "x", count: 1 << 20))\r\n\(body)\r\n0\r\n\r\n"
        ),
        chunk(
            "trailers without end",
            "\(hexSize)\r\n\(body)\r\n0\r\n" + String(repeating: "X: y\r\n", count: 20_000) + "\r\n"),
    ]

    static let heads: [HostileRequest] = [
        post(
            "one header of 20 KiB", "X: \(String(repeating: "y", count: 20 << 10))", "Content-Length: \(size)",
            then: body),
        post(
            "headers of 20 KiB together", many(20, "X", String(repeating: "y", count: 1_024)),
            "Content-Length: \(size)", then: body),
        post("200 headers", many(200, "X", "y"), "Content-Length: \(size)", then: body),
        post(
            "a name of 20 KiB", "\(String(repeating: "n", count: 20 << 10)): y", "Content-Length: \(size)", then: body),
        post(
            "a target of 20 KiB", "Content-Length: \(size)", then: body,
            line: "POST /v1/\(String(repeating: "t", count: 20 << 10)) HTTP/1.1"),
        post("empty name", ": y", "Content-Length: \(size)", then: body),
        post("no colon", "Nonsense", "Content-Length: \(size)", then: body),
        post("NUL in a value", "X: a\u{0}b", "Content-Length: \(size)", then: body),
        post("NUL in a name", "X\u{0}: b", "Content-Length: \(size)", then: body),
        post("CR in a value", "X: a\rb", "Content-Length: \(size)", then: body),
        post("blank in a name", "X Y: b", "Content-Length: \(size)", then: body),
        post("a name that is not ASCII", "Ä: b", "Content-Length: \(size)", then: body),
        post("brackets in a name", "X(1): b", "Content-Length: \(size)", then: body),
        raw(
            "bare LF line ends",
            "POST /v1/chat/completions HTTP/1.1\nHost: localhost\nContent-Length: \(size)\n\n\(body)"),
        raw(
            "bare LF before a header",
            "\(start)Host: localhost\r\nX: y\nContent-Length: \(size)\r\n\r\n\(body)"),
        raw(
            "CR CR LF",
            "\(start)Host: localhost\r\r\nContent-Length: \(size)\r\n\r\n\(body)"),
        post(
            "CR in a forwarded header", "OpenAI-Organization: a\rX-Injected: b", "Content-Length: \(size)", then: body),
        post(
            "LF in a forwarded header", "OpenAI-Organization: a\nX-Injected: b", "Content-Length: \(size)", then: body),
        post("NUL in the credential", "Authorization: Bearer a\u{0}b", "Content-Length: \(size)", then: body),
    ]

    private static func many(_ count: Int, _ name: String, _ value: String) -> String {
        (0..<count).map { "\(name)\($0): \(value)" }.joined(separator: "\r\n")
    }

    private static func line(_ name: String, _ line: String) -> HostileRequest {
        post("line: \(name)", "Content-Length: \(size)", then: body, line: line)
    }

    static let lines: [HostileRequest] = [
        line("CONNECT", "CONNECT 127.0.0.1:443 HTTP/1.1"),
        line("absolute target", "POST http://localhost/v1/chat/completions HTTP/1.1"),
        line("absolute target, another host", "POST http://169.254.169.254/v1/chat/completions HTTP/1.1"),
        line("absolute target, https", "POST https://localhost/v1/chat/completions HTTP/1.1"),
        line("authority in the path", "POST //localhost/v1/chat/completions HTTP/1.1"),
        line("asterisk", "OPTIONS * HTTP/1.1"),
        line("no target", "POST HTTP/1.1"),
        line("tab", "POST\t/v1/chat/completions HTTP/1.1"),
        line("blank in the target", "POST /v1/chat /completions HTTP/1.1"),
        line("words behind the version", "POST /v1/chat/completions HTTP/1.1 x"),
        line("HTTP/2.0", "POST /v1/chat/completions HTTP/2.0"),
        line("HTTP/3.7", "POST /v1/chat/completions HTTP/3.7"),
        line("HTTP/1.10", "POST /v1/chat/completions HTTP/1.10"),
        line("lower-case version", "POST /v1/chat/completions http/1.1"),
        line("no version", "POST /v1/chat/completions"),
        line("unknown method", "PWN /v1/chat/completions HTTP/1.1"),
        line("NUL in the target", "POST /v1/chat/completions\u{0} HTTP/1.1"),
        raw(
            "two Hosts",
            "\(start)Host: localhost\r\nHost: localhost\r\nContent-Length: \(size)\r\n\r\n\(body)"
        ),
        raw("no Host", "\(start)Content-Length: \(size)\r\n\r\n\(body)"),
        raw("empty Host", "\(start)Host:\r\nContent-Length: \(size)\r\n\r\n\(body)"),
        raw(
            "Host with a path",
            "\(start)Host: evil.example/localhost\r\nContent-Length: \(size)\r\n\r\n\(body)"
        ),
        raw(
            "Host with a user",
            "\(start)Host: localhost@evil.example\r\nContent-Length: \(size)\r\n\r\n\(body)"
        ),
        raw(
            "Host list",
            "\(start)Host: localhost, evil.example\r\nContent-Length: \(size)\r\n\r\n\(body)"
        ),
        raw("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        raw("RESP", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"),
        HostileRequest(
            "TLS",
            [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03] + [UInt8](repeating: 7, count: 500)),
        HostileRequest("zeros", [UInt8](repeating: 0, count: 600)),
    ]

    static let all = twoFramings + lengths + encodings + chunks + heads + lines

    /// Odd, and for each reader to take or to refuse.
    static let debatable: [HostileRequest] = [
        raw(
            "empty lines first",
            "\r\n\r\nPOST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(size)\r\n\r\n\(body)"),
        length("leading zeros", " 000\(size)"), length("blanks around", "  \(size)\t "),
        length("blank behind", " \(size) "), encoding("upper case", " CHUNKED"),
        encoding("blanks around", " \tchunked \t"),
        chunk("upper-case size", "\(hexSize.uppercased())\r\n\(body)\r\n0\r\n\r\n"),
        chunk("zeros before the size", "000\(hexSize)\r\n\(body)\r\n0\r\n\r\n"),
        chunk("an extension", "\(hexSize);a=b\r\n\(body)\r\n0\r\n\r\n"),
        chunk("a quoted extension", "\(hexSize);a=\"b;c\"\r\n\(body)\r\n0\r\n\r\n"),
        chunk("a blank behind the size", "\(hexSize) \r\n\(body)\r\n0\r\n\r\n"),
        chunk("a trailer", "\(hexSize)\r\n\(body)\r\n0\r\nX: y\r\n\r\n"),
        chunk("a length for a trailer", "\(hexSize)\r\n\(body)\r\n0\r\nContent-Length: 5\r\n\r\n"),
        post("a value of high bytes", "X: é", "Content-Length: \(size)", then: body),
        post("an empty value", "X:", "Content-Length: \(size)", then: body),
        post("a control character in a value", "X: a\u{1}b", "Content-Length: \(size)", then: body),
        line("HTTP/1.0", "POST /v1/chat/completions HTTP/1.0"), line("HTTP/1.2", "POST /v1/chat/completions HTTP/1.2"),
        line("two blanks", "POST  /v1/chat/completions HTTP/1.1"),
        line("HTTP/1.9", "POST /v1/chat/completions HTTP/1.9"),
        raw(
            "upper-case Host",
            "\(start)HOST: LOCALHOST\r\nContent-Length: \(size)\r\n\r\n\(body)"),
    ]
}
