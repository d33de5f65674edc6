import Foundation
import Testing

extension RealProcesses {
    /// What a body may be.
    @Suite("bodies")
    final class Bodies: Sendable {
        private static let scene = Result { try Scene { $0.limits = ["body_size_max": "64KiB"] } }

        private static func chat(_ content: String) -> [UInt8] {
            Array(#"{"model":"standin","messages":[{"role":"user","content":\#(content)}]}"#.utf8)
        }

        private static func member(_ text: String) -> [UInt8] {
            Array(#"{"model":"standin","messages":[{"role":"user","content":"x"}],\#(text)}"#.utf8)
        }

        private static func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }

        static let refused: [(String, [UInt8])] = [
            ("depth 20,000", member("\"a\":" + nested(20_000))), ("depth 65", member("\"a\":" + nested(64))),
            ("depth that does not end", member("\"a\":" + String(repeating: "[", count: 30_000))),
            ("the model twice", member(#""model":"other""#)), ("messages twice", member(#""messages":[]"#)),
            ("a member twice, one escaped", member(#""m\u006fdel":"other""#)),
            ("a member twice, deep down", member(#""a":{"b":[{"c":1,"c":2}]}"#)),
            (
                "a member of a message twice",
                Array(#"{"model":"standin","messages":[{"role":"user","content":"x","content":"y"}]}"#.utf8)
            ),
            ("a lone high surrogate", chat(#""\ud800""#)), ("a lone low surrogate", chat(#""\udc00""#)),
            ("surrogates the wrong way round", chat(#""\udc00\ud800""#)),
            ("a high surrogate and a letter", chat(#""\ud800a""#)),
            ("a lone surrogate in a name", member(#""\ud800":1"#)),
            ("1e400", member(#""a":1e400"#)), ("-1e400", member(#""a":-1e400"#)),
            ("1e400, deep down", member(#""a":[{"b":1e400}]"#)),
            ("1e99999999999999999999", member(#""a":1e99999999999999999999"#)),
            ("NaN", member(#""a":NaN"#)), ("Infinity", member(#""a":Infinity"#)),
            ("a leading zero", member(#""a":01"#)),
            ("a plus", member(#""a":+1"#)), ("a bare point", member(#""a":1."#)),
            ("no digit first", member(#""a":.5"#)),
            ("hexadecimal", member(#""a":0x10"#)), ("a minus alone", member(#""a":-"#)),
            ("invalid UTF-8", chat("\"").dropLast(3) + [0xFF, 0xFE] + Array("\"}]}".utf8)),
            ("overlong UTF-8", chat("\"").dropLast(3) + [0xC0, 0xAF] + Array("\"}]}".utf8)),
            ("a surrogate in UTF-8", chat("\"").dropLast(3) + [0xED, 0xA0, 0x80] + Array("\"}]}".utf8)),
            ("UTF-8 that is cut", chat("\"").dropLast(3) + [0xE2, 0x82] + Array("\"}]}".utf8)),
            ("a byte order mark", [0xEF, 0xBB, 0xBF] + chat(#""x""#)),
            ("UTF-16", [0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00]),
            ("a control character in a string", chat("\"\u{1}\"")), ("a line end in a string", chat("\"a\nb\"")),
            ("an unknown escape", chat(#""\x41""#)), ("a short escape", chat(#""\u12""#)),
            ("a comma too many", member(#""a":1,"#)), ("an array's comma too many", member(#""a":[1,]"#)),
            ("words behind the end", chat(#""x""#) + Array(" x".utf8)),
            ("two documents", chat(#""x""#) + chat(#""x""#)),
            ("a comment", member(#"/* hi */ "a":1"#)), ("single quotes", Array("{'model':'standin'}".utf8)),
            ("a string without end", Array(#"{"model":"standin"#.utf8)), ("nothing", []), ("blanks", Array("   ".utf8)),
            ("null", Array("null".utf8)), ("a string", Array(#""x""#.utf8)), ("an array", Array("[]".utf8)),
            ("stream is a word", member(#""stream":"true""#)),
            ("model is a number", Array(#"{"model":1,"messages":[]}"#.utf8)),
            ("a NUL behind the end", chat(#""x""#) + [0]),
        ]

        @Test(
            "a body that two readers might read differently is refused before the upstream", arguments: refused.map(\.0)
        )
        func refusedBody(name: String) throws {
            let scene = try Self.scene.get()
            try scene.provider.forget()
            let body = Self.refused.first { $0.0 == name }!.1
            let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.count)\r\n\r\n"

            let reply = try scene.sidecar.exchange(Array(head.utf8) + body)

            #expect(reply.status == 400)
            #expect(reply.json["error"]["type"].string == "invalid_request_error")
            #expect(try scene.calls == 0)
        }

        @Test(
            "a body of any honest shape is taken",
            arguments: [
                #""a":\#(nested(63))"#, #""a":-0"#, #""a":1e308"#, #""a":0.1e-400"#, #""a":"\ud83d\ude00""#,
                #""a":123456789012345678901234567890"#,
                #""a":[{"b":1},{"b":1}]"#, #""":1"#, #""a":"\u0000""#,
            ])
        func taken(member: String) throws {
            let scene = try Self.scene.get()

            let reply = try scene.ask(Chat("honest", extra: [member]))

            #expect(Verifier().complaint(reply, to: Chat("honest")) == nil)
        }

        @Test("a length over the limit is refused before the body comes")
        func tooLong() throws {
            let connection = try Self.scene.get().sidecar.connect()

            connection.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n")
            let reply = try connection.reply()

            #expect(reply.status == 413)
            #expect(reply.errorCode == "body_size_max")
            #expect(connection.closes())
        }

        @Test("a body over the limit is refused before it has ended, though no length was told")
        func tooLongInChunks() throws {
            let connection = try Self.scene.get().sidecar.connect()
            let chunk = "1000\r\n\(String(repeating: " ", count: 4_096))\r\n"

            connection.send(
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            // It takes no more than a few; a hundred megabytes are not in its buffers.
            let isTakenWhole = (0..<25_000).allSatisfy { _ in connection.send(chunk) }
            let reply = try connection.reply()

            #expect(!isTakenWhole)
            #expect(reply.status == 413)
        }

        @Test("a body of exactly the limit is taken")
        func exactlyLong() throws {
            let chat = Chat("big")
            let body = chat.body.dropLast() + String(repeating: " ", count: 65_536 - chat.body.utf8.count) + "}"

            let reply = try Self.scene.get().sidecar.exchange(RawRequest.post(body: String(body)))

            #expect(Verifier().complaint(reply, to: chat) == nil)
        }

        @Test("a caller that sends its whole body all the same still reads why it was refused")
        func readsTheRefusal() throws {
            let connection = try Self.scene.get().sidecar.connect()

            connection.send(RawRequest.post(body: String(repeating: " ", count: 8 << 20)))
            let reply = try connection.reply()

            #expect(reply.status == 413)
        }

        @Test("a compressed body is refused", arguments: ["gzip", "deflate", "br", "x-gzip", "gzip, identity"])
        func compressed(encoding: String) throws {
            let scene = try Self.scene.get()
            try scene.provider.forget()
            let connection = try scene.sidecar.connect()

            connection.send(RawRequest.post(body: HostileRequest.body, headers: ["Content-Encoding: \(encoding)"]))
            let reply = try connection.reply()

            #expect(reply.status == 415)
            #expect(connection.closes())
            #expect(try scene.calls == 0)
        }
    }
}
