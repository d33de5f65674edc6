import Foundation
import SamovarCore
import SamovarWire

@testable import SamovarClient

/// A connection and the server at its other end, without a socket between them.
struct Stage {
    private(set) var connection: ClientConnection
    var now = Instant(nanoseconds: 1_000_000_000)
    private var turn = ClientTurn()
    private var decoder = FrameDecoder(readingFrom: .client)
    private var unread: [UInt8] = []
    /// All that the client has sent.
    private(set) var sent: [UInt8] = []
    private(set) var heard: [Heard] = []
    private(set) var news: [ClientTurn.News] = []

    /// A frame of the client's, as the server has read it.
    struct Heard: Equatable {
        let opcode: Opcode
        let id: UInt64
        let payload: [UInt8]
    }

    init(_ settings: ClientConnection.Settings = .init()) {
        connection = ClientConnection(settings: settings, at: now, into: &turn)
        collect()
    }

    /// One that has been greeted.
    static func greeted(
        _ settings: ClientConnection.Settings = .init(), _ change: (inout HelloReply) -> Void = { _ in }
    ) throws -> Stage {
        var stage = Stage(settings)
        var reply = try HelloReply(
            to: settings.hello, offered: [.digest, .events], isAdmin: true, limits: BinaryLimits(),
            idleTimeout: .seconds(60))
        change(&reply)
        stage.serve { reply.append(to: &$0) }
        return stage
    }

    private mutating func collect() {
        sent += turn.output
        unread += turn.output
        news += turn.news
        turn = ClientTurn()
        var offset = 0
        let bytes = unread
        while let event = decoder.next(bytes.span.bytes, at: &offset) {
            guard case .frame(let header, let payload) = event, let opcode = Opcode(rawValue: header.opcode) else {
                preconditionFailure("the client broke a rule: \(event)")
            }
            heard.append(Heard(opcode: opcode, id: header.id, payload: Array(bytes[payload])))
        }
        unread.removeFirst(offset)
    }

    /// News of one request.
    func news(of id: UInt64) -> [ReplyEvent] { news.filter { $0.id == id }.map(\.event) }
    func ends(of id: UInt64) -> [ReplyEvent] { news(of: id).filter(\.isEnd) }

    mutating func forget() {
        heard = []
        news = []
    }

    // MARK: The client

    mutating func send(_ question: Question) throws -> UInt64 {
        defer { collect() }
        return try connection.send(question, at: now, into: &turn)
    }

    mutating func cancel(_ id: UInt64) {
        connection.cancel(id, at: now, into: &turn)
        collect()
    }

    mutating func consumed(_ id: UInt64, _ byteCount: Int) {
        connection.consumed(id, byteCount, at: now, into: &turn)
        collect()
    }

    mutating func pass(_ duration: Duration) {
        now = now.advanced(by: duration)
        guard now >= connection.wakeAt else { return }
        connection.tick(at: now, into: &turn)
        collect()
    }

    // MARK: The server

    mutating func receive(_ bytes: some Sequence<UInt8>) {
        connection.received(Array(bytes).span.bytes, at: now, into: &turn)
        collect()
    }

    mutating func serve(_ write: (inout [UInt8]) -> Void) {
        var bytes: [UInt8] = []
        write(&bytes)
        receive(bytes)
    }

    mutating func answer(
        _ id: UInt64, _ text: String, form: Form = .body, total: UInt32? = nil, isLast: Bool = true
    ) {
        let head = AnswerHead(.miss, form: form, total: total)
        serve { head.append(id: id, flags: isLast ? .end : [], bytes: Array(text.utf8).span.bytes, to: &$0) }
    }

    mutating func data(_ id: UInt64, _ text: String, flags: FrameFlags = []) {
        serve { Frames.appendData(id: id, flags: flags, bytes: Array(text.utf8).span.bytes, to: &$0) }
    }

    mutating func refuse(_ id: UInt64, _ code: ErrorCode, retryAfter: Duration? = nil) {
        serve { ErrorFrame(code, message: "no", retryAfter: retryAfter).append(id: id, to: &$0) }
    }

    mutating func goAway() { serve { GoAway(reason: GoAway.draining, graceMilliseconds: 1_000).append(to: &$0) } }

    mutating func end() {
        connection.inputEnded(into: &turn)
        collect()
    }
}

extension Question {
    static func ask(
        _ body: String = "{}", reading: Reading = .gathered, deadline: Instant = .never, digest: SentBodyDigest? = nil
    ) -> Question {
        let options: AskOptions = reading == .pieces ? .events : []
        return Question(
            content: .ask(Ask(.chat, options: options), body: Array(body.utf8), digest: digest), reading: reading,
            deadline: deadline)
    }

    static var stats: Question { Question(content: .stats) }
    static var ping: Question { Question(content: .ping) }
    static var invalidate: Question { Question(content: .invalidate(Invalidate(.model), what: Array("m".utf8))) }
}

extension ReplyEvent {
    var text: String? {
        switch self {
        case .answer(let answer): answer.text
        case .piece(let bytes, _), .text(let bytes): String(decoding: bytes, as: UTF8.self)
        default: nil
        }
    }

    var code: SamovarClient.Failure.Code? {
        if case .failed(let failure) = self { failure.code } else { nil }
    }
}
