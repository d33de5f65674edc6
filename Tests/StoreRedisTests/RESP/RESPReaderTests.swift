import NIOCore
import Testing

@testable import SamovarStoreRedis

@Suite("RESP reader")
struct RESPReaderTests {
    private static let wire = Array(
        ("+OK\r\n:-42\r\n$-1\r\n$0\r\n\r\n$5\r\nhe\r\nl\r\n*3\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n+x\r\n"
            + "-OOM command not allowed\r\n*-1\r\n*0\r\n").utf8)
    private static let replies: [RESPValue] = [
        .status("OK"), .integer(-42), .null, .bulk([]), .bulk(Array("he\r\nl".utf8)),
        .array([.integer(1), .array([.bulk(Array("a".utf8)), .null]), .status("x")]),
        .error(ServerError(code: "OOM")), .null, .array([]),
    ]

    private static func read(_ pieces: [ArraySlice<UInt8>], replySizeMax: Int = 1 << 20) throws -> [RESPValue] {
        var reader = RESPReader(replySizeMax: replySizeMax)
        var replies: [RESPValue] = []
        for piece in pieces {
            for start in stride(from: piece.startIndex, to: piece.endIndex, by: RESPReader.feedSizeMax) {
                let meal = piece[start..<min(start + RESPReader.feedSizeMax, piece.endIndex)]
                try meal.withUnsafeBytes { bytes in try reader.feed(bytes) }
                while let reply = try reader.next() { replies.append(reply) }
            }
        }
        return replies
    }

    @Test("replies are the same however the bytes are cut in two")
    func everySplitPoint() throws {
        for cut in 0...Self.wire.count {
            let replies = try Self.read([Self.wire[..<cut], Self.wire[cut...]])
            #expect(replies == Self.replies, "cut at \(cut)")
        }
    }

    @Test("replies are the same when bytes come one by one")
    func byteByByte() throws {
        let replies = try Self.read(Self.wire.indices.map { Self.wire[$0...$0] })
        #expect(replies == Self.replies)
    }

    @Test("a long value comes through whole, in many pieces")
    func longValue() throws {
        let value = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let wire = Array("$\(value.count)\r\n".utf8) + value + Array("\r\n+OK\r\n".utf8)
        let replies = try Self.read([wire[...]], replySizeMax: 4 << 20)
        #expect(replies == [.bulk(value), .status("OK")])
    }

    @Test(
        "what is no reply is an error, and no trap",
        arguments: [
            "hello\r\n", "$-5\r\nx\r\n", "*-7\r\n", "%1\r\n+a\r\n+b\r\n", "_\r\n", "$999999999999999999999999\r\n",
            ":12a\r\n", "\r\n\r\n", "\0\0\0\0\r\n", "$x\r\n", "*\r\n",
        ])
    func garbage(wire: String) {
        #expect(throws: ProtocolError.unreadable) { try Self.read([Array(wire.utf8)[...]]) }
    }

    @Test("arrays in arrays end at the eighth")
    func nesting() throws {
        let deep = String(repeating: "*1\r\n", count: 7) + ":1\r\n"
        let deeper = String(repeating: "*1\r\n", count: 1_000_000)
        let replies = try Self.read([Array(deep.utf8)[...]])
        #expect(replies.count == 1)
        #expect(throws: ProtocolError.unreadable) { try Self.read([Array(deeper.utf8)[...]]) }
    }

    @Test("an array may not announce more than the limit")
    func arrayCount() throws {
        let most = "*\(RESPReader.arrayCountMax)\r\n" + String(repeating: ":1\r\n", count: RESPReader.arrayCountMax)
        let replies = try Self.read([Array(most.utf8)[...]])
        #expect(replies == [.array(Array(repeating: .integer(1), count: RESPReader.arrayCountMax))])
        for count in [RESPReader.arrayCountMax + 1, 2_147_483_647] {
            #expect(throws: ProtocolError.unreadable) { try Self.read([Array("*\(count)\r\n".utf8)[...]]) }
        }
    }

    @Test("a reply may not be larger than the limit, whether announced or sent piece by piece")
    func replySize() throws {
        let limit = 100_000
        let announced = Array("$2147483647\r\n".utf8) + [UInt8](repeating: 0, count: 120_000)
        #expect(throws: ProtocolError.replyTooLarge(replySizeMax: limit)) {
            try Self.read([announced[...]], replySizeMax: limit)
        }
        let element = "$900\r\n" + String(repeating: "x", count: 900) + "\r\n"
        let pieces = "*4000\r\n" + String(repeating: element, count: 400)
        #expect(throws: ProtocolError.replyTooLarge(replySizeMax: limit)) {
            try Self.read([Array(pieces.utf8)[...]], replySizeMax: limit)
        }
        let many = String(repeating: element, count: 400)
        let replies = try Self.read([Array(many.utf8)[...]], replySizeMax: limit)
        #expect(replies.count == 400)
    }

    @Test("random bytes never trap")
    func randomBytes() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("$*:+-0123456789\r\n\r\nab".utf8)
        for _ in 0..<5_000 {
            let bytes = (0..<40).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            _ = try? Self.read([bytes[..<20], bytes[20...]])
        }
    }

    @Test("an error is known by its first word, and by nothing when that is none")
    func errorCodes() {
        let codes = ["OOM command not allowed", "NOAUTH", "ERR unknown 'x'", "err", "", "A1"].map {
            ServerError(line: $0.utf8).code
        }
        #expect(codes == ["OOM", "NOAUTH", "ERR", "UNKNOWN", "UNKNOWN", "A"])
    }

    @Test("a command is written as an array of bulk strings, whatever bytes are in it")
    func command() {
        var buffer = ByteBuffer(string: "before")
        buffer.writeCommand([Array("SET".utf8), [0, 13, 10, 255], []])
        let written = Array(buffer.readableBytesView)
        let start = Array("before*3\r\n$3\r\nSET\r\n$4\r\n".utf8)
        #expect(written == start + [0, 13, 10, 255] + Array("\r\n$0\r\n\r\n".utf8))
    }
}
