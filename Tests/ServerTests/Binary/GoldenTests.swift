import SamovarCore
import TestSupport
import Testing

@testable import SamovarServer
@testable import SamovarWire

@Suite("The golden session, on a connection")
struct GoldenSessionTests {
    /// The session as it was recorded: the first question is a hit, the second a stream that begins at once.
    private func play(cutting cut: (Int, [UInt8]) -> [ArraySlice<UInt8>]) -> [UInt8] {
        let service = ScriptedService(["m": Recording(form: .body, usageAsked: false, chunks: [Self.answer])])
        let peer = BinaryPeer(service, greets: false) { $0.grace = .seconds(25) }
        var lastIsClient = false
        for (index, message) in GoldenVectors.session.enumerated() where message.isClient || message.what == "GOAWAY" {
            if message.isClient {
                for piece in cut(index, message.bytes) { peer.connection.receive(piece) }
                if let stream = peer.connection.handovers.last, !lastIsClient {
                    lastIsClient = true
                    peer.connection.reply(.begin(.init(.miss, .stream)), to: stream.number)
                    peer.connection.reply(.piece(Array("data: {\"a\":1}\n\n".utf8)), to: stream.number)
                }
            } else {
                peer.connection.leave()
            }
        }
        return peer.connection.sent
    }

    private static let answer = Chunk(bytes: Array(#"{"id":"a"}"#.utf8))
    private static let wanted = GoldenVectors.session.filter { !$0.isClient }.flatMap(\.bytes)

    @Test("comes out byte for byte")
    func whole() {
        #expect(play { [$1[...]] } == Self.wanted)
    }

    @Test("comes out the same, wherever a message is split")
    func everySplit() {
        for (index, message) in GoldenVectors.session.enumerated() where message.isClient {
            for split in 1..<max(2, message.bytes.count) {
                let sent = play { $0 == index ? [$1[..<split], $1[split...]] : [$1[...]] }
                #expect(sent == Self.wanted, "\(message.what) split at \(split)")
            }
        }
        #expect(play { _, bytes in bytes.indices.map { bytes[$0...$0] } } == Self.wanted)
    }
}

@Suite("The golden vectors, on a connection")
struct GoldenVectorTests {
    static let refused = GoldenVectors.sections("refused.hex").filter { $0.word("from") == "client" }
    static let frames = GoldenVectors.sections("frames.hex").filter { $0.word("from") == "client" }
    static let foreign = GoldenVectors.sections("foreign.hex")

    private func peer(after state: String?) -> BinaryPeer {
        let peer = BinaryPeer(greets: false)
        if state == "magic" { peer.connection.receive(Magic.bytes) } else { peer.greet(isAdmin: true) }
        return peer
    }

    @Test("that must be refused get their error, in its scope", arguments: refused)
    func refusals(vector: GoldenVectors.Section) throws {
        for isSplit in [false, true] {
            let peer = peer(after: vector.word("after"))
            let frameCount = peer.frames.count
            if isSplit {
                for byte in vector.bytes { peer.connection.receive([byte]) }
            } else {
                peer.connection.receive(vector.bytes)
            }

            let answered = peer.frames.dropFirst(frameCount)
            let error = try #require(answered.first)
            #expect(answered.count == 1)
            #expect(error.code?.name.uppercased() == vector.word("error"))
            #expect("\(error.id)" == vector.values["id"])
            #expect(peer.connection.handovers.isEmpty)
            if vector.word("scope") == "connection" {
                #expect(error.id == 0)
                #expect(peer.connection.outputIsShut)
                peer.connection.pass(.seconds(2))
                #expect(peer.connection.isClosed)
            } else {
                #expect(error.isEnd)
                // The rest of what its header announced is skipped, and what follows is served.
                let length = Int(FrameHeader(vector.bytes.span.bytes).length)
                let missing = max(0, length + FrameHeader.byteCount - vector.bytes.count)
                peer.connection.receive([UInt8](repeating: 0xA5, count: missing))
                peer.connection.receive(BinaryPeer.pinging(77))
                #expect(peer.frames.last?.opcode == .pong)
                #expect(peer.standing.ending == .open)
            }
        }
    }

    @Test("that are good are not refused as malformed", arguments: frames)
    func good(vector: GoldenVectors.Section) {
        let peer = peer(after: vector.word("opcode") == "HELLO" ? "magic" : "hello")
        peer.connection.receive(vector.bytes)

        let codes = peer.frames.compactMap(\.code).filter { $0.rawValue < 40 }
        #expect(Set(codes).subtracting([.unauthenticated]).isEmpty, "\(codes)")
    }

    @Test("of other protocols are answered only where they say, and end the connection", arguments: foreign)
    func strangers(vector: GoldenVectors.Section) {
        let peer = BinaryPeer(greets: false)
        peer.connection.receive(vector.bytes)

        let answer = ForeignProtocol(vector.bytes.span.bytes).answer ?? []
        #expect(peer.connection.sent == (vector.values["answer"] == "true" ? answer : []))
        #expect((vector.values["answer"] == "true") == !answer.isEmpty)
        peer.connection.pass(.seconds(2))
        #expect(peer.connection.isClosed)
        #expect(peer.connection.handovers.isEmpty)
    }

    @Test("mean the same on one connection, wherever their bytes are split")
    func everySplit() {
        var bytes = BinaryPeer.greeting(isAdmin: true)
        for (index, vector) in Self.refused.enumerated() where vector.word("scope") == "request" {
            let length = Int(FrameHeader(vector.bytes.span.bytes).length) + FrameHeader.byteCount
            guard length < 4_096 else { continue }
            bytes += vector.bytes
            bytes += [UInt8](repeating: 0, count: max(0, length - vector.bytes.count))
            bytes += BinaryPeer.pinging(UInt64(index))
            bytes += BinaryPeer.asking(UInt64(1_000 + index), "hit")
        }
        func sent(_ pieces: [ArraySlice<UInt8>]) -> [UInt8] {
            let peer = BinaryPeer(ScriptedService(["hit": Sample.body(300)]), greets: false)
            for piece in pieces { peer.connection.receive(piece) }
            return peer.connection.sent
        }
        let whole = sent([bytes[...]])
        #expect(whole.count > 10_000)
        #expect(sent(bytes.indices.map { bytes[$0...$0] }) == whole)
        for split in 1..<bytes.count {
            let isSame = sent([bytes[..<split], bytes[split...]]) == whole
            #expect(isSame, "split at \(split)")
        }
    }
}
