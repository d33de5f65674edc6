/// The first bytes of every connection (Protocol.md §2.1).
public enum Magic {
    /// 0xC5 "SMV" CR LF SUB LF: no text begins like this, and no transport that rewrites line ends leaves it whole.
    public static let bytes: [UInt8] = [0xC5, 0x53, 0x4D, 0x56, 0x0D, 0x0A, 0x1A, 0x0A]
}

/// A client's first frame: what it speaks, what it would like, and who it is (Protocol.md §5.1).
///
///     0       1       2               4               8               12              16
///     ┌───────┬───────┬───────────────┬───────────────┬───────────────┬───────────────┬──────────┐
///     │version│version│   metadata    │   features    │    window     │   reserved    │ metadata │
///     │  min  │  max  │  length, u16  │      u32      │  u32, bytes   │      u32      │          │
///     └───────┴───────┴───────────────┴───────────────┴───────────────┴───────────────┴──────────┘
public struct Hello: Hashable, Sendable {
    public var versions: ClosedRange<UInt8>
    public var features: Features
    /// How many bytes of one answer the client takes in advance; 0 is as the server likes.
    public var window: UInt32
    public var metadata: Metadata

    static let fixedByteCount = 16

    public init(
        versions: ClosedRange<UInt8> = ProtocolVersion.spoken, features: Features = [], window: UInt32 = 0,
        metadata: Metadata = Metadata()
    ) {
        self.versions = versions
        self.features = features
        self.window = window
        self.metadata = metadata
    }

    /// - Parameter payload: at least the fixed part, as `FrameDecoder` has seen to.
    public init(_ payload: RawSpan, limits: BinaryLimits) throws(ProtocolError) {
        do throws(ProtocolError) {
            let (low, high) = (payload.byte(at: 0), payload.byte(at: 1))
            guard low >= 1, low <= high else { throw .malformed(.versionRange) }
            versions = low...high
            features = Features(rawValue: payload.half(at: 4))
            window = payload.half(at: 8)
            guard window == 0 || window >= BinaryLimits.windowSizeMin else { throw .malformed(.window) }
            guard payload.half(at: 12) == 0 else { throw .malformed(.reserved) }
            let end: Int
            (metadata, end) = try Metadata.section(
                of: payload, from: Self.fixedByteCount, allowed: Metadata.Field.ofHello, limits: limits)
            guard end == payload.byteCount else { throw .malformed(.trailing) }
        } catch {
            throw error.inControlFrame
        }
    }

    /// Writes the frame; `Magic.bytes` stand before it.
    public func append(to output: inout (some FrameOutput & ~Copyable)) {
        let metadataByteCount = metadata.byteCount
        FrameHeader(.hello, id: 0, length: Self.fixedByteCount + metadataByteCount).append(to: &output)
        output.write(
            FixedPart(
                UInt64(versions.lowerBound) | UInt64(versions.upperBound) << 8 | UInt64(metadataByteCount) << 16
                    | UInt64(features.rawValue) << 32, UInt64(window)))
        metadata.append(to: &output)
    }

    /// The version to speak: the highest of both (Protocol.md §5.2).
    public func agreedVersion() throws(ProtocolError) -> UInt8 {
        guard versions.overlaps(ProtocolVersion.spoken) else {
            throw ProtocolError(.noCommonVersion, .noCommonVersion)
        }
        return min(versions.upperBound, ProtocolVersion.spoken.upperBound)
    }
}
