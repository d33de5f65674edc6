import SamovarCore
import SamovarWire
import Testing

@testable import SamovarServer

/// One frame that came from the server.
struct Frame: Equatable {
    let header: FrameHeader
    let payload: [UInt8]

    var id: UInt64 { header.id }
    var opcode: Opcode? { Opcode(rawValue: header.opcode) }
    var isEnd: Bool { header.flags.contains(.end) }
    var endsEvent: Bool { header.flags.contains(.eventEnd) }

    /// The answer's bytes in ANSWER or DATA.
    var bytes: [UInt8] {
        switch opcode {
        case .answer:
            (try? AnswerHead.read(payload.span.bytes, limits: BinaryLimits())).map { Array(payload[$0.bytes]) } ?? []
        case .data: payload
        default: []
        }
    }

    var head: AnswerHead? {
        opcode == .answer ? try? AnswerHead.read(payload.span.bytes, limits: BinaryLimits()).head : nil
    }

    var error: ErrorFrame? { opcode == .error ? try? ErrorFrame(payload.span.bytes) : nil }
    var code: ErrorCode? { error?.code }
}

/// A client of one binary connection: writes frames, reads frames, lets time pass. No socket, no clock.
final class BinaryPeer {
    let service: ScriptedService
    let settings: BinaryConnection<ScriptedService>.Settings
    let connection: Driven<BinaryConnection<ScriptedService>>
    private var decoder: FrameDecoder
    private var offset = 0
    private var known: [Frame] = []

    init(
        _ service: ScriptedService = ScriptedService(), greets: Bool = true, window: UInt32 = 0, isAdmin: Bool = false,
        _ change: (inout BinaryConnection<ScriptedService>.Settings) -> Void = { _ in }
    ) {
        var settings = BinaryConnection<ScriptedService>.Settings()
        change(&settings)
        self.settings = settings
        decoder = FrameDecoder(readingFrom: .server, limits: settings.limits)
        self.service = service
        connection = Driven { now in BinaryConnection(service: service, settings: settings, at: now) }
        if greets { greet(window: window, isAdmin: isAdmin) }
    }

    var standing: ConnectionStanding { connection.standing }
    var wantsRead: Bool { connection.wantsRead }

    // MARK: Saying

    static func greeting(
        features: Features = [.digest, .events], window: UInt32 = 0, isAdmin: Bool = false
    ) -> [UInt8] {
        var bytes = Magic.bytes
        var hello = Hello(features: features, window: window)
        if isAdmin { hello.metadata.set(.adminToken, ScriptedService.adminToken) }
        hello.append(to: &bytes)
        return bytes
    }

    func greet(window: UInt32 = 0, isAdmin: Bool = false) {
        connection.receive(Self.greeting(window: window, isAdmin: isAdmin))
    }

    static func asking(
        _ id: UInt64, _ model: String, stream: Bool = false, events: Bool = false, deadline: UInt32 = 0
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        let body = Sample.question(model, stream: stream)
        Ask(.chat, options: events ? .events : [], deadlineMilliseconds: deadline)
            .append(id: id, body: body.span.bytes, to: &bytes)
        return bytes
    }

    /// Asks; returns the number under which it was handed over, if it was.
    @discardableResult
    func ask(
        _ id: UInt64, _ model: String, stream: Bool = false, events: Bool = false, deadline: UInt32 = 0
    ) -> UInt64? {
        let before = connection.handovers.count
        connection.receive(Self.asking(id, model, stream: stream, events: events, deadline: deadline))
        return connection.handovers.count > before ? connection.handovers.last?.number : nil
    }

    static func cancelling(_ id: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        Frames.appendCancel(id: id, to: &bytes)
        return bytes
    }

    func cancel(_ id: UInt64) { connection.receive(Self.cancelling(id)) }

    static func pinging(_ cookie: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        Frames.append(.ping, cookie: PingCookie(cookie), to: &bytes)
        return bytes
    }

    func credit(_ id: UInt64, _ byteCount: UInt32) {
        var bytes: [UInt8] = []
        Frames.appendWindow(id: id, credit: byteCount, to: &bytes)
        connection.receive(bytes)
    }

    func stats(_ id: UInt64) -> UInt64? {
        let before = connection.handovers.count
        var bytes: [UInt8] = []
        Frames.appendStats(id: id, to: &bytes)
        connection.receive(bytes)
        return connection.handovers.count > before ? connection.handovers.last?.number : nil
    }

    // MARK: Hearing

    /// All frames that were sent, cut as a client cuts them; stops at what a client must not believe.
    var frames: [Frame] {
        let bytes = connection.sent
        while let event = decoder.next(bytes.span.bytes, at: &offset) {
            guard case .frame(let header, let payload) = event else {
                Issue.record("the server sent what no client believes: \(event)")
                break
            }
            known.append(Frame(header: header, payload: Array(bytes[payload])))
        }
        return known
    }

    func frames(of id: UInt64) -> [Frame] { frames.filter { $0.id == id } }
    func bytes(of id: UInt64) -> [UInt8] { frames(of: id).flatMap(\.bytes) }
    func ends(of id: UInt64) -> Int { frames(of: id).count { $0.isEnd } }
    /// The error that ended it.
    func code(of id: UInt64) -> ErrorCode? { frames(of: id).last { $0.isEnd || id == 0 }?.code }
    /// Those about the connection, but for the HELLO_REPLY.
    var connectionFrames: [Frame] { frames(of: 0).filter { $0.opcode != .helloReply } }
}
