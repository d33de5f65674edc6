import SamovarWire

/// One connection of a client that speaks the binary protocol as the test wants it.
final class BinaryClient {
    /// One frame as it came.
    struct Frame {
        let header: FrameHeader
        let payload: [UInt8]

        var id: UInt64 { header.id }
        var opcode: Opcode? { Opcode(rawValue: header.opcode) }
        var isEnd: Bool { header.flags.contains(.end) }

        /// The answer's bytes in ANSWER or DATA.
        var bytes: [UInt8] {
            switch opcode {
            case .answer:
                (try? AnswerHead.read(payload.span.bytes, limits: BinaryLimits()))
                    .map { Array(payload[$0.bytes]) } ?? []
            case .data: payload
            default: []
            }
        }

        var head: AnswerHead? {
            opcode == .answer ? try? AnswerHead.read(payload.span.bytes, limits: BinaryLimits()).head : nil
        }

        var code: ErrorCode? { opcode == .error ? (try? ErrorFrame(payload.span.bytes))?.code : nil }
    }

    let raw: RawConnection
    private var decoder = FrameDecoder(readingFrom: .server)
    private var offset = 0
    /// All that came. Stops at what no client believes, which is in `disbelieved`.
    private(set) var frames: [Frame] = []
    private(set) var disbelieved: String?

    /// - Parameter greets: with magic and HELLO; false for those who say something else.
    init(
        to address: SocketAddress, greets: Bool = true, receiveBuffer: Int32? = nil, window: UInt32 = 0,
        authorization: String? = nil, adminToken: String? = nil
    ) throws {
        raw = try RawConnection(to: address, receiveBuffer: receiveBuffer, readsReplies: false)
        guard greets else { return }
        raw.send(Self.greeting(window: window, authorization: authorization, adminToken: adminToken))
        guard waits(until: { !$0.frames.isEmpty }), frames.first?.opcode == .helloReply else {
            throw HarnessError.noReply("HELLO was answered with \(String(describing: frames.first?.code))")
        }
    }

    // MARK: Saying

    static func greeting(window: UInt32 = 0, authorization: String? = nil, adminToken: String? = nil) -> [UInt8] {
        var bytes = Magic.bytes
        var hello = Hello(features: [.digest, .events], window: window)
        if let authorization { hello.metadata.set(.authorization, authorization) }
        if let adminToken { hello.metadata.set(.adminToken, adminToken) }
        hello.append(to: &bytes)
        return bytes
    }

    static func asking(_ id: UInt64, _ chat: Chat, options: AskOptions = []) -> [UInt8] {
        var bytes: [UInt8] = []
        Ask(.chat, options: options).append(id: id, body: Array(chat.body.utf8).span.bytes, to: &bytes)
        return bytes
    }

    static func cancelling(_ id: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        Frames.appendCancel(id: id, to: &bytes)
        return bytes
    }

    func ask(_ id: UInt64, _ chat: Chat, options: AskOptions = []) {
        raw.send(Self.asking(id, chat, options: options))
    }

    func cancel(_ id: UInt64) { raw.send(Self.cancelling(id)) }

    func credit(_ id: UInt64, _ byteCount: UInt32) {
        var bytes: [UInt8] = []
        Frames.appendWindow(id: id, credit: byteCount, to: &bytes)
        raw.send(bytes)
    }

    func ping() {
        var bytes: [UInt8] = []
        Frames.append(.ping, cookie: PingCookie(7), to: &bytes)
        raw.send(bytes)
    }

    // MARK: Hearing

    /// Reads until this is so; false when the server closes or the time passes before.
    func waits(within length: Duration = .patience, until condition: (BinaryClient) -> Bool) -> Bool {
        raw.reads(within: length) { _ in
            cut()
            return disbelieved != nil || condition(self)
        } && disbelieved == nil
    }

    /// The whole reply to this id, however it ended. Forgets it, so that the id may be used again.
    func reply(to id: UInt64, within length: Duration = .patience) throws -> BinaryReply {
        guard waits(within: length, until: { $0.frames.contains { $0.id == id && $0.isEnd } }) else {
            throw HarnessError.noReply(
                "to \(id); closed: \(raw.isClosedByPeer); got \(frames.suffix(5)); \(disbelieved ?? "")")
        }
        let reply = BinaryReply(frames.filter { $0.id == id })
        frames.removeAll { $0.id == id }
        return reply
    }

    /// Whether the server closes, whatever it says before.
    func closes(within length: Duration = .patience) -> Bool {
        let isClosed = raw.closes(within: length)
        cut()
        return isClosed
    }

    /// What ended the connection, if it was said.
    var connectionError: ErrorCode? { frames.last { $0.id == 0 && $0.opcode == .error }?.code }

    private func cut() {
        let bytes = raw.received
        while disbelieved == nil, let event = decoder.next(bytes.span.bytes, at: &offset) {
            guard case .frame(let header, let payload) = event else {
                disbelieved = "\(event)"
                return
            }
            frames.append(Frame(header: header, payload: Array(bytes[payload])))
        }
    }
}

/// The frames of one reply, in their order.
struct BinaryReply {
    let frames: [BinaryClient.Frame]

    init(_ frames: [BinaryClient.Frame]) { self.frames = frames }

    var head: AnswerHead? { frames.first?.head }
    var code: ErrorCode? { frames.last?.code }
    var bytes: [UInt8] { frames.flatMap(\.bytes) }
    var endCount: Int { frames.count { $0.isEnd } }

    /// As an HTTP reply, for whoever checks those.
    var asHTTP: HTTPReply {
        var reply = HTTPReply()
        reply.status = code.map { $0.status } ?? 200
        reply.headers = [("content-type", head?.form == .stream ? "text/event-stream" : "application/json")]
        reply.body = bytes
        reply.isWhole = code == nil && endCount == 1
        return reply
    }
}

/// How the binary port is reached, and who drives it.
struct BinaryPort: CustomStringConvertible, Sendable {
    let driver: String
    let isUnix: Bool

    static let overTCP = ["epoll", "nio"].map { BinaryPort(driver: $0, isUnix: false) }
    static let all = overTCP + ["epoll", "nio"].map { BinaryPort(driver: $0, isUnix: true) }

    var description: String { "\(driver) over \(isUnix ? "a Unix socket" : "TCP")" }
}

/// A provider and a sidecar before it with a binary port.
struct BinaryScene {
    static let adminToken = "administrators-token"

    let provider: Provider
    let sidecar: Sidecar
    let address: SocketAddress
    private let folder: TemporaryFolder

    init(
        _ port: BinaryPort, _ flags: String..., under launcher: [String] = [],
        change: (inout SidecarSettings) -> Void = { _ in }
    ) throws {
        let folder = try TemporaryFolder()
        self.folder = folder
        provider = try Provider(flags)
        let settings = SidecarSettings(upstream: provider.url).with {
            $0.listen["binary_driver"] = port.driver
            if port.isUnix { $0.listen["binary"] = "unix:\(folder.file("binary.sock"))" }
            change(&$0)
        }
        sidecar = try Sidecar(settings, environment: ["SAMOVAR_ADMIN_TOKEN": Self.adminToken], under: launcher)
        address = sidecar.binary
    }

    func client(window: UInt32 = 0, receiveBuffer: Int32? = nil, authorization: String? = nil) throws -> BinaryClient {
        try BinaryClient(to: address, receiveBuffer: receiveBuffer, window: window, authorization: authorization)
    }

    /// On a connection of its own.
    func ask(_ chat: Chat) throws -> BinaryReply {
        let client = try client()
        client.ask(1, chat)
        client.credit(1, 1 << 30)
        return try client.reply(to: 1)
    }

    var calls: Int { get throws { try provider.counts().calls } }
    var connectionCount: Int { get throws { try sidecar.stats()["connections"].int ?? -1 } }

    /// What the process does in so much time in which it has nothing to do, in seconds of a processor.
    func processorTime(during length: Duration) throws -> Double {
        let before = try sidecar.processorTime()
        _ = eventually(within: length) { false }
        return try sidecar.processorTime() - before
    }
}
