/// What stands before every payload (Protocol.md §3.1).
///
///     0               4       5       6       8                               16
///     ┌───────────────┬───────┬───────┬───────┬───────────────────────────────┐
///     │    length     │version│opcode │ flags │          request id           │
///     │ u32, payload  │  u8   │  u8   │  u16  │              u64              │
///     └───────────────┴───────┴───────┴───────┴───────────────────────────────┘
///
/// Little-endian: as two words, the id is the second. Reading and writing it cannot fail; `FrameDecoder` judges it.
@frozen
public struct FrameHeader: Hashable, Sendable {
    /// Bytes of payload.
    public var length: UInt32
    public var version: UInt8
    /// As sent, whether it is known or not.
    public var opcode: UInt8
    public var flags: FrameFlags
    public var id: UInt64

    public static let byteCount = FixedPart.byteCount

    @inlinable
    public init(
        _ opcode: Opcode, id: UInt64, length: Int, flags: FrameFlags = [], version: UInt8 = ProtocolVersion.first
    ) {
        self.length = UInt32(length)
        self.version = version
        self.opcode = opcode.rawValue
        self.flags = flags
        self.id = id
    }

    /// Reads the 16 bytes at an offset.
    ///
    /// - Precondition: they are there.
    @inlinable
    public init(_ bytes: RawSpan, at offset: Int = 0) { self.init(FixedPart(bytes, at: offset)) }

    @inlinable
    public init(_ words: FixedPart) {
        length = UInt32(truncatingIfNeeded: words.low)
        version = UInt8(truncatingIfNeeded: words.low >> 32)
        opcode = UInt8(truncatingIfNeeded: words.low >> 40)
        flags = FrameFlags(rawValue: UInt16(truncatingIfNeeded: words.low >> 48))
        id = words.high
    }

    @inlinable
    public var words: FixedPart {
        let kind = UInt64(version) << 32 | UInt64(opcode) << 40 | UInt64(flags.rawValue) << 48
        return FixedPart(UInt64(length) | kind, id)
    }

    @inlinable
    public func append(to output: inout (some FrameOutput & ~Copyable)) { output.write(words) }

    /// Header and payload.
    public var frameByteCount: Int { Self.byteCount + Int(length) }
}

/// What the versions are (Protocol.md §3.2, §5.2).
public enum ProtocolVersion {
    /// In which HELLO and HELLO_REPLY are written for ever.
    public static let first: UInt8 = 1
    /// What this code speaks.
    public static let spoken: ClosedRange<UInt8> = 1...1
}

/// The bits of a header that only servers set (Protocol.md §3.4).
@frozen
public struct FrameFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The last frame of the reply to this id. Exactly one frame per request has it.
    public static let end = FrameFlags(rawValue: 0x0001)
    /// An event of the stream ends with this frame.
    public static let eventEnd = FrameFlags(rawValue: 0x0002)
}
