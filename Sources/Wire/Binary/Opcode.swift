/// What a frame is (Protocol.md §3.3). Bit 7 is set in what only servers send.
public enum Opcode: UInt8, CaseIterable, Hashable, Sendable {
    case hello = 0x01
    case ping = 0x02
    case pong = 0x03
    case ask = 0x10
    case askDigest = 0x11
    case cancel = 0x12
    case window = 0x13
    case put = 0x20
    case invalidate = 0x21
    case warm = 0x22
    case stats = 0x23
    case helloReply = 0x81
    case goAway = 0x84
    case answer = 0x90
    case data = 0x91
    case bodyNeeded = 0x92
    case done = 0xA0
    case error = 0xFF

    /// What it may weigh, payload only. The upper bound of what is open above is the frame limit.
    var byteCounts: ClosedRange<Int> {
        switch self {
        case .hello, .ask, .put, .warm, .answer, .done, .error: 16...Int(UInt32.max)
        case .askDigest: 16 + SentBodyDigest.byteCount...Int(UInt32.max)
        case .invalidate: 8...Int(UInt32.max)
        case .helloReply: 32...Int(UInt32.max)
        case .data: 0...Int(UInt32.max)
        case .ping, .pong, .goAway: 8...8
        case .window: 4...4
        case .cancel, .stats, .bodyNeeded: 0...0
        }
    }

    /// Whether it is about the connection, with id 0, or about a request; nil where either may be.
    var isAboutConnection: Bool? {
        switch self {
        case .hello, .ping, .pong, .helloReply, .goAway: true
        case .error: nil
        default: false
        }
    }

    public var isFromServer: Bool { rawValue & 0x80 != 0 || self == .ping || self == .pong }
    public var isFromClient: Bool { rawValue & 0x80 == 0 }

    /// From a client: what opens no request, and is an error of the connection where it is wrong.
    public var isControl: Bool {
        switch self {
        case .hello, .ping, .pong, .cancel, .window: true
        default: false
        }
    }

    /// From a client: what only an administrator may ask (Protocol.md §9).
    public var needsAdmin: Bool {
        switch self {
        case .put, .invalidate, .warm, .stats: true
        default: false
        }
    }
}

/// What both sides have to want before it may be used (Protocol.md §5.3).
public struct Features: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let digest = Features(rawValue: 0x0000_0001)
    public static let events = Features(rawValue: 0x0000_0002)
    /// Only in the server's reply: the admin token was right.
    public static let admin = Features(rawValue: 0x0000_0004)
}

/// SHA-256 of a body as it was sent (Protocol.md §6.3). No key of the cache.
public struct SentBodyDigest: Hashable, Sendable {
    /// 32 of them.
    public let bytes: [UInt8]

    public static let byteCount = 32

    /// - Precondition: `bytes.count == 32`.
    public init(bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount, "a digest has 32 bytes")
        self.bytes = bytes
    }
}
