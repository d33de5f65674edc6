import Crypto
import SamovarCore
import SamovarWire
import Testing

@testable import samovar

@Suite("Replies on the binary port")
struct BinaryRepliesTests {
    private let body = Array(#"{"a":1}"#.utf8)
    private let stream = Array("data: {\"a\":1}\n\ndata: [DONE]\n\n".utf8)

    /// A connection that has been greeted.
    private func greeted(slots: Int = 4, window: Int = 256 << 10) throws -> BinaryReplies {
        var replies = BinaryReplies(slotCount: slots)
        let events = Self.read(try hello(window: window), &replies)
        #expect(events == [.greeted(inflightMax: 256)])
        return replies
    }

    private func hello(window: Int = 256 << 10) throws -> [UInt8] {
        let reply = try HelloReply(
            to: Hello(), offered: .digest, isAdmin: false, limits: BinaryLimits(windowSize: window),
            idleTimeout: .seconds(60))
        var bytes: [UInt8] = []
        reply.append(to: &bytes)
        return bytes
    }

    /// All events, with the bytes cut into pieces of this size.
    private static func read(
        _ bytes: [UInt8], _ replies: inout BinaryReplies, pieces size: Int = .max
    ) -> [ReplyEvent] {
        var (events, carry): ([ReplyEvent], [UInt8]) = ([], [])
        var rest = bytes[...]
        while !rest.isEmpty {
            carry += rest.prefix(size)
            rest = rest.dropFirst(size)
            var offset = 0
            carry.withUnsafeBytes { bytes in
                while true {
                    let event = replies.next(bytes, from: &offset)
                    if event == .needsMore { return }
                    events.append(event)
                    if case .broken = event { return }
                }
            }
            carry.removeFirst(offset)
        }
        return events
    }

    private func answer(
        _ id: UInt64, _ bytes: [UInt8], form: Form = .body, total: UInt32? = nil, isLast: Bool = true,
        result: ServeResult = .l1Hit
    ) -> [UInt8] {
        var frame: [UInt8] = []
        AnswerHead(result, form: form, total: total)
            .append(id: id, flags: isLast ? .end : [], bytes: bytes.span.bytes, to: &frame)
        return frame
    }

    private func data(_ id: UInt64, _ bytes: [UInt8], isLast: Bool) -> [UInt8] {
        var frame: [UInt8] = []
        Frames.appendData(id: id, flags: isLast ? .end : [], bytes: bytes.span.bytes, to: &frame)
        return frame
    }

    @Test("are read the same, wherever they are cut", arguments: [1, 2, 7, 16, 17, 40, Int.max])
    func pieces(size: Int) throws {
        var replies = BinaryReplies(slotCount: 4)
        var bytes = try hello()
        let first = replies.asked(slot: 0, isStream: false)
        let second = replies.asked(slot: 1, isStream: true)
        bytes += answer(second, Array(stream[..<20]), form: .stream, isLast: false, result: .miss)
        bytes += answer(first, body, total: UInt32(body.count))
        bytes += data(second, Array(stream[20...]), isLast: true)

        let events = Self.read(bytes, &replies, pieces: size)

        #expect(
            events == [
                .greeted(inflightMax: 256), .ended(slot: 0, .verified(.hit), byteCount: body.count),
                .ended(slot: 1, .verified(.miss), byteCount: stream.count),
            ])
    }

    @Test("are no answers when their end, their length or their form is another than was said")
    func malformed() throws {
        var replies = try greeted()
        func outcome(asStream: Bool, _ frame: (UInt64) -> [UInt8]) -> ReplyEvent? {
            let id = replies.asked(slot: 2, isStream: asStream)
            return Self.read(frame(id), &replies).last
        }
        let malformed = { (count: Int) in ReplyEvent.ended(slot: 2, .failed(.malformed), byteCount: count) }

        #expect(outcome(asStream: false) { answer($0, Array(body.dropLast())) } == malformed(body.count - 1))
        #expect(
            outcome(asStream: true) { answer($0, Array(stream.dropLast(9)), form: .stream) }
                == malformed(stream.count - 9))
        #expect(outcome(asStream: false) { answer($0, body, total: 99) } == malformed(body.count))
        #expect(outcome(asStream: true) { answer($0, body) } == malformed(0))
        #expect(outcome(asStream: false) { data($0, body, isLast: true) } == malformed(0))
        #expect(
            outcome(asStream: false) { answer($0, body) } == .ended(slot: 2, .verified(.hit), byteCount: body.count))
    }

    @Test("that are errors say which")
    func errors() throws {
        var replies = try greeted()
        let id = replies.asked(slot: 3, isStream: false)
        var frame: [UInt8] = []
        ErrorFrame(.draining, message: "gone").append(id: id, to: &frame)
        #expect(
            Self.read(frame, &replies) == [.ended(slot: 3, .failed(.status, detail: "503 draining"), byteCount: 0)])
    }

    @Test("of the connection, or for what nobody asked, end it")
    func broken() throws {
        var (told, strange, stranger) = (try greeted(), try greeted(), BinaryReplies(slotCount: 1))
        var frame: [UInt8] = []
        ErrorFrame(.tooSlow, message: "slow").append(id: 0, to: &frame)
        #expect(Self.read(frame, &told) == [.broken("408 too_slow")])
        #expect(Self.read(answer(99, body), &strange) == [.broken("a frame for an id that was not asked")])
        #expect(
            Self.read(Array("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n".utf8), &stranger)
                == [.broken("this is no binary port of a sidecar")])
    }

    @Test("to what was given up are passed over, also when the slot is asked from again")
    func late() throws {
        var replies = try greeted()
        let first = replies.asked(slot: 0, isStream: false)
        replies.gaveUp(slot: 0)
        let again = replies.asked(slot: 0, isStream: false)
        let events = Self.read(answer(first, body) + answer(again, body, result: .miss), &replies)
        #expect(first != again)
        #expect(events == [.ended(slot: 0, .verified(.miss), byteCount: body.count)])
    }

    @Test("that want the body leave the request open")
    func bodyNeeded() throws {
        var replies = try greeted()
        let id = replies.asked(slot: 1, isStream: false)
        var frame: [UInt8] = []
        Frames.appendBodyNeeded(id: id, to: &frame)
        let needed = Self.read(frame, &replies)
        let again = replies.asked(slot: 1, isStream: false)
        #expect(needed == [.bodyNeeded(slot: 1)])
        #expect(
            Self.read(answer(again, body), &replies) == [.ended(slot: 1, .verified(.hit), byteCount: body.count)])
    }

    @Test("larger than half of the window are given credit for, as much as has come")
    func credit() throws {
        var replies = try greeted(window: 2_048)
        let id = replies.asked(slot: 0, isStream: false)
        let half = [UInt8](repeating: 0x20, count: 700)
        let events = Self.read(
            answer(id, half, isLast: false) + data(id, half, isLast: false) + data(id, half + body, isLast: true),
            &replies)
        var window: [UInt8] = []
        Frames.appendWindow(id: id, credit: 1_400, to: &window)
        #expect(events == [.say(window), .ended(slot: 0, .verified(.hit), byteCount: 2_100 + body.count)])
    }

    @Test("to a ping are pongs, and a goodbye ends the connection with its last reply")
    func control() throws {
        var replies = try greeted()
        var (ping, pong, goAway): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
        Frames.append(.ping, cookie: PingCookie(42), to: &ping)
        Frames.append(.pong, cookie: PingCookie(42), to: &pong)
        GoAway(reason: GoAway.idle).append(to: &goAway)
        #expect(Self.read(ping + goAway, &replies) == [.say(pong), .leaving])
    }
}

@Suite("Requests on the binary port")
struct BinaryDialectTests {
    private let made = BenchBodies.generated(GeneratedBody(model: "m", promptSize: 64, tokenMax: nil, mark: 1))

    private func frames(
        _ bodies: BenchBodies, digest: Bool, withBody: Bool, key: UInt64, isStream: Bool
    ) throws -> (header: FrameHeader, payload: [UInt8]) {
        let dialect = BinaryDialect(bodies, keyCount: 8, asksDigestFirst: digest, authorization: nil)
        var output: [UInt8] = [1, 2, 3]
        dialect.append(
            RequestDraw.Drawn(key: key, isStream: isStream), id: 77, withBody: withBody, to: &output)
        let frame = Array(output.dropFirst(3))
        return (FrameHeader(frame.span.bytes), Array(frame.dropFirst(FrameHeader.byteCount)))
    }

    @Test("are frames that a server reads: id, kind and body")
    func ask() throws {
        let (header, payload) = try frames(made, digest: false, withBody: false, key: 5, isStream: true)
        let (ask, body) = try SamovarWire.Ask.read(payload.span.bytes, features: [], limits: BinaryLimits())
        let text = String(decoding: payload[body], as: UTF8.self)
        #expect(header.opcode == Opcode.ask.rawValue && header.id == 77 && Int(header.length) == payload.count)
        #expect(ask.kind == .chat && ask.metadata.isEmpty)
        #expect(text.contains("0000000000000005 ") && text.hasSuffix(#","stream":true}"#))
    }

    @Test("by digest have the digest of the very body that is sent where that is not enough", arguments: [true, false])
    func digest(isStream: Bool) throws {
        let short = try frames(made, digest: true, withBody: false, key: 7, isStream: isStream)
        let long = try frames(made, digest: true, withBody: true, key: 7, isStream: isStream)
        let (_, place) = try SamovarWire.Ask.readDigest(
            short.payload.span.bytes, features: .digest, limits: BinaryLimits())
        let (ask, body) = try SamovarWire.Ask.read(long.payload.span.bytes, features: .digest, limits: BinaryLimits())
        let digest = Array(short.payload[place])
        #expect(short.header.opcode == Opcode.askDigest.rawValue && short.header.id == 77)
        #expect(long.header.opcode == Opcode.ask.rawValue && long.header.id == 77)
        #expect(ask.metadata.bodyDigest?.bytes == digest)
        #expect(digest == Array(SHA256.hash(data: long.payload[body])))
    }

    @Test("of a file are its lines, each under its kind")
    func own() throws {
        let lines = [#"{"messages":[]}"#, #"{"input":"a"}"#].map { Array($0.utf8) }
        let bodies = BenchBodies.own(try lines.map { try OwnBody($0) })
        let (_, payload) = try frames(bodies, digest: false, withBody: false, key: 1, isStream: false)
        let (ask, body) = try SamovarWire.Ask.read(payload.span.bytes, features: [], limits: BinaryLimits())
        #expect(ask.kind == .embeddings)
        #expect(Array(payload[body]) == lines[1])
    }
}
