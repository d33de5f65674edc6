import Testing

/// Requests that readers of HTTP have been known to understand differently, and some that are merely unusual.
enum SmugglingCorpus {
    struct Sample: Sendable, CustomTestStringConvertible {
        let name: String
        let status: Int
        let text: String

        var testDescription: String { name }
    }

    private static func sample(_ name: String, _ status: Int, _ text: String) -> Sample {
        Sample(name: name, status: status, text: text)
    }

    private static func sample(_ name: String, _ text: String) -> Sample { sample(name, 400, text) }

    /// A POST with these field lines, and two requests' worth of bytes behind it.
    private static func post(_ lines: String, _ body: String = "0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n") -> String {
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\(lines)\r\n\r\n\(body)"
    }

    static let refused: [Sample] = [
        sample("length and chunks", post("Content-Length: 6\r\nTransfer-Encoding: chunked")),
        sample("chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 6")),
        sample("two lengths that differ", post("Content-Length: 6\r\nContent-Length: 7")),
        sample("two lengths that agree", post("Content-Length: 6\r\nContent-Length: 6")),
        sample("a list of lengths", post("Content-Length: 6, 6")),
        sample("a length with a sign", post("Content-Length: +6")),
        sample("a negative length", post("Content-Length: -6")),
        sample("an empty length", post("Content-Length:")),
        sample("a length in hexadecimal", post("Content-Length: 0x6")),
        sample("a length with a space in it", post("Content-Length: 1 2")),
        sample("a length of 2^64", post("Content-Length: 18446744073709551616")),
        sample("a length of 2^64 + 5", post("Content-Length: 18446744073709551621")),
        sample("a length with a fraction", post("Content-Length: 6.0")),
        sample("an unknown encoding", post("Transfer-Encoding: xchunked")),
        sample("an encoding behind chunked", post("Transfer-Encoding: chunked, identity")),
        sample("an encoding before chunked", post("Transfer-Encoding: gzip, chunked")),
        sample("chunked in quotes", post("Transfer-Encoding: \"chunked\"")),
        sample("two encodings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")),
        sample("chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
        sample("an empty encoding", post("Transfer-Encoding:")),
        sample("a vertical tab before chunked", post("Transfer-Encoding: \u{0B}chunked")),
        sample("a space before the colon", post("Transfer-Encoding : chunked")),
        sample("a tab before the colon", post("Transfer-Encoding\t: chunked")),
        sample("a length with a space before the colon", post("Content-Length : 6")),
        sample("a folded line", post("X: a\r\n b")),
        sample("a folded encoding", post("Transfer-Encoding:\r\n chunked")),
        sample("a first line that is folded", "GET /models HTTP/1.1\r\n Host: localhost\r\n\r\n"),
        sample("a line without a colon", post("Garbage")),
        sample("an empty name", post(": value")),
        sample("a name with a space", post("X A: b")),
        sample("a name with a character that is no letter", post("X(A): b")),
        sample("a NUL in a value", post("X: a\u{0}b")),
        sample("a NUL in a name", post("X\u{0}: b")),
        sample("a bare carriage return in a value", post("X: a\rb")),
        sample("a bare line feed behind a value", post("X: a\nY: b")),
        sample("bare line feeds throughout", "GET /models HTTP/1.1\nHost: localhost\n\n"),
        sample("a bare line feed behind the head", "GET /models HTTP/1.1\r\nHost: localhost\r\n\n"),
        sample("a delete in a value", post("X: a\u{7F}")),
        sample("an escape in a value", post("X: a\u{1B}[1m")),
        sample(
            "chunks in HTTP/1.0", "POST /x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        sample("two hosts", "GET /models HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"),
        sample("a whole address as target", "GET http://localhost/models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("an authority as target", 501, "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("an asterisk as target", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a target with two slashes first", "GET //models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a space in the target", "GET /mod els HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a tab in the request line", "GET\t/models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("two spaces in the request line", "GET  /models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a request line without a version", "GET /models\r\nHost: localhost\r\n\r\n"),
        sample("a letter beyond ASCII in the target", "GET /mod\u{e9}ls HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a version in small letters", "GET /models http/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a version with three digits", "GET /models HTTP/1.11\r\nHost: localhost\r\n\r\n"),
        sample("a version of no digits, and nothing behind it", "GET /models HTTP/\r\n"),
        sample("HTTP/2 by its preface", 501, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        sample("HTTP/1.2", 505, "GET /models HTTP/1.2\r\nHost: localhost\r\n\r\n"),
        sample("HTTP/0.9", 505, "GET /models HTTP/0.9\r\nHost: localhost\r\n\r\n"),
        sample("two empty lines first", "\r\n\r\nGET /models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a space first", " GET /models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a TLS hello", "\u{16}\u{03}\u{01}\u{02}\u{00}\u{01}\u{00}\u{01}\u{fc}\u{03}\u{03}\r\n\r\n"),
        sample("a Redis command", "*1\r\n$4\r\nPING\r\n\r\n"),
        sample("a chunk size with a sign", post("Transfer-Encoding: chunked", "+3\r\nabc\r\n0\r\n\r\n")),
        sample("a chunk size with a prefix", post("Transfer-Encoding: chunked", "0x3\r\nabc\r\n0\r\n\r\n")),
        sample("an empty chunk size", post("Transfer-Encoding: chunked", "\r\nabc\r\n0\r\n\r\n")),
        sample("a chunk size behind a space", post("Transfer-Encoding: chunked", " 3\r\nabc\r\n0\r\n\r\n")),
        sample("a chunk size before a space", post("Transfer-Encoding: chunked", "3 \r\nabc\r\n0\r\n\r\n")),
        sample(
            "a chunk size of 17 digits", 400,
            post("Transfer-Encoding: chunked", "00000000000000003\r\nabc\r\n0\r\n\r\n")),
        sample("a chunk of 2^63", 413, post("Transfer-Encoding: chunked", "7fffffffffffff\r\nabc\r\n0\r\n\r\n")),
        sample("a chunk size ended with a bare line feed", post("Transfer-Encoding: chunked", "3\nabc\r\n0\r\n\r\n")),
        sample("a chunk ended with a bare line feed", post("Transfer-Encoding: chunked", "3\r\nabc\n0\r\n\r\n")),
        sample("a chunk longer than it says", post("Transfer-Encoding: chunked", "3\r\nabcd\r\n0\r\n\r\n")),
        sample(
            "a bare carriage return in an extension", post("Transfer-Encoding: chunked", "3;a\rb\r\nabc\r\n0\r\n\r\n")),
        sample("a bare line feed in an extension", post("Transfer-Encoding: chunked", "3;a\nb\r\nabc\r\n0\r\n\r\n")),
        sample("a trailer that is no field line", post("Transfer-Encoding: chunked", "0\r\nGET / HTTP/1.1\r\n\r\n")),
        sample("a compressed body", 415, post("Content-Length: 3\r\nContent-Encoding: gzip", "abc")),
        sample("a foreign host", 403, "GET /models HTTP/1.1\r\nHost: attacker.example\r\n\r\n"),
        sample("an unknown method", 501, "PWN /models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a method in small letters", 501, "get /models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("a tab before chunked", post("Transfer-Encoding:\tchunked")),
        sample("a tab behind a length", post("Content-Length: 6\t")),
        sample("no host", 403, "GET /models HTTP/1.1\r\n\r\n"),
        sample("a foreign origin", 403, "GET /models HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a.example\r\n\r\n"),
    ]

    static let taken: [Sample] = [
        sample("an empty line first", 200, "\r\nGET /models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        sample("no space behind the colon", 200, "GET /models HTTP/1.1\r\nHost:localhost\r\n\r\n"),
        sample(
            "white space around a value", 200, "GET /models HTTP/1.1\r\nHost:  localhost  \r\nX: \t a \t\r\n\r\n"),
        sample("an empty value", 200, "GET /models HTTP/1.1\r\nHost: localhost\r\nX:\r\n\r\n"),
        sample("letters beyond ASCII in a value", 200, "GET /models HTTP/1.1\r\nHost: localhost\r\nX: \u{e9}\r\n\r\n"),
        sample("names in any case", 200, "GET /models HTTP/1.1\r\nhOsT: localhost\r\n\r\n"),
        sample("a length of zero", 200, "GET /models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
        sample("a length with zeros first", 200, post("Content-Length: 003", "abc")),
        sample("chunked in capitals", 200, post("Transfer-Encoding: CHUNKED", "3\r\nabc\r\n0\r\n\r\n")),
        sample("a chunk size with zeros first", 200, post("Transfer-Encoding: chunked", "0003\r\nabc\r\n000\r\n\r\n")),
        sample("a chunk extension", 200, post("Transfer-Encoding: chunked", "3;name=\"value\"\r\nabc\r\n0\r\n\r\n")),
        sample("a trailer", 200, post("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n")),
        sample(
            "an upgrade that is not wanted", 200,
            "GET /models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
        ),
    ]
}
