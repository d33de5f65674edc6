/// The frames that are little more than a header (Protocol.md §6.3, §7.2, §8, §9.4, §10).
public enum Frames {
    /// DATA: the next bytes of an answer, at most `chunk_size`.
    public static func appendData(
        id: UInt64, flags: FrameFlags, bytes: RawSpan, to output: inout (some FrameOutput & ~Copyable)
    ) {
        FrameHeader(.data, id: id, length: bytes.byteCount, flags: flags).append(to: &output)
        output.write(bytes)
    }

    /// BODY_NEEDED: the digest is not known here, or nothing usable is stored.
    public static func appendBodyNeeded(id: UInt64, to output: inout (some FrameOutput & ~Copyable)) {
        FrameHeader(.bodyNeeded, id: id, length: 0, flags: .end).append(to: &output)
    }

    /// CANCEL: the client wants no more of it.
    public static func appendCancel(id: UInt64, to output: inout (some FrameOutput & ~Copyable)) {
        FrameHeader(.cancel, id: id, length: 0).append(to: &output)
    }

    public static func appendStats(id: UInt64, to output: inout (some FrameOutput & ~Copyable)) {
        FrameHeader(.stats, id: id, length: 0).append(to: &output)
    }

    /// PING, or the PONG that answers it, with the same eight bytes.
    public static func append(_ opcode: Opcode, cookie: PingCookie, to output: inout (some FrameOutput & ~Copyable)) {
        precondition(opcode == .ping || opcode == .pong, "only PING and PONG have a cookie")
        FrameHeader(opcode, id: 0, length: PingCookie.byteCount).append(to: &output)
        output.write(cookie.word)
    }

    /// WINDOW: so many more bytes of this answer may come.
    ///
    /// - Precondition: `credit > 0`.
    public static func appendWindow(id: UInt64, credit: UInt32, to output: inout (some FrameOutput & ~Copyable)) {
        precondition(credit > 0, "a credit of 0 is malformed")
        FrameHeader(.window, id: id, length: 4).append(to: &output)
        output.write(credit)
    }

    /// Reads WINDOW's 4 bytes.
    public static func readCredit(_ payload: RawSpan) throws(ProtocolError) -> UInt32 {
        let credit = payload.half(at: 0)
        guard credit > 0 else { throw ProtocolError(.malformedFrame, .credit) }
        return credit
    }
}

/// The eight bytes of a PING: whatever its sender likes.
public struct PingCookie: Hashable, Sendable {
    public var word: UInt64

    static let byteCount = 8

    public init(_ word: UInt64) { self.word = word }

    /// - Parameter payload: 8 bytes.
    public init(_ payload: RawSpan) { word = payload.word(at: 0) }
}

/// GOAWAY: no new requests here (Protocol.md §10.4).
///
///     0       1       2               4               8
///     ┌───────┬───────┬───────────────┬───────────────┐
///     │reason │   0   │       0       │   grace, ms   │
///     └───────┴───────┴───────────────┴───────────────┘
public struct GoAway: Hashable, Sendable {
    /// 1 draining, 2 idle, 3 reloaded; others mean the same to a client.
    public var reason: UInt8
    /// How long what is in flight may take.
    public var graceMilliseconds: UInt32

    public static let draining: UInt8 = 1
    public static let idle: UInt8 = 2
    public static let reloaded: UInt8 = 3

    public init(reason: UInt8, graceMilliseconds: UInt32 = 0) {
        self.reason = reason
        self.graceMilliseconds = graceMilliseconds
    }

    /// - Parameter payload: 8 bytes.
    public init(_ payload: RawSpan) throws(ProtocolError) {
        let word = payload.word(at: 0)
        guard word & 0xFFFF_FF00 == 0 else { throw ProtocolError(.malformedFrame, .reserved) }
        reason = UInt8(truncatingIfNeeded: word)
        graceMilliseconds = UInt32(truncatingIfNeeded: word >> 32)
    }

    public func append(to output: inout (some FrameOutput & ~Copyable)) {
        FrameHeader(.goAway, id: 0, length: 8).append(to: &output)
        output.write(UInt64(reason) | UInt64(graceMilliseconds) << 32)
    }
}
