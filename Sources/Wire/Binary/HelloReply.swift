import SamovarCore

/// A server's first frame: what holds on this connection (Protocol.md §5.3).
///
///     0       1       2               4               8               12              16
///     ┌───────┬───────┬───────────────┬───────────────┬───────────────┬───────────────┐
///     │version│   0   │   metadata    │   features    │ frame_size_max│ inflight_max  │
///     └───────┴───────┴───────────────┴───────────────┴───────────────┴───────────────┘
///     16              20              24              28              32
///     ┌───────────────┬───────────────┬───────────────┬───────────────┬──────────┐
///     │    window     │  chunk_size   │ idle_timeout  │ metadata_size_│ metadata │
///     └───────────────┴───────────────┴───────────────┴───────────────┴──────────┘
public struct HelloReply: Hashable, Sendable {
    public var version: UInt8
    public var features: Features
    public var frameSizeMax: UInt32
    public var inflightMax: UInt32
    /// The credit with which each reply begins, in bytes.
    public var window: UInt32
    public var chunkSize: UInt32
    public var idleTimeoutMilliseconds: UInt32
    public var metadataSizeMax: UInt32
    public var metadata: Metadata

    static let fixedByteCount = 32

    /// What a server answers to a HELLO that it accepts.
    ///
    /// - Parameters:
    ///   - offered: what this server can do; of these, what the client wants is on.
    ///   - isAdmin: the admin token was there and right.
    /// - Throws: NO_COMMON_VERSION.
    public init(
        to hello: Hello, offered: Features, isAdmin: Bool, limits: BinaryLimits, idleTimeout: Duration
    ) throws(ProtocolError) {
        version = try hello.agreedVersion()
        features = hello.features.intersection(offered).subtracting(.admin)
        if isAdmin { features.insert(.admin) }
        frameSizeMax = UInt32(clamping: limits.frameSizeMax)
        inflightMax = UInt32(clamping: limits.inflightMax)
        window = UInt32(clamping: limits.windowSize)
        if hello.window != 0 { window = min(window, hello.window) }
        chunkSize = UInt32(clamping: limits.chunkSize)
        idleTimeoutMilliseconds = UInt32(clamping: idleTimeout.milliseconds)
        metadataSizeMax = UInt32(clamping: limits.metadataSizeMax)
        metadata = Metadata()
    }

    /// - Parameter payload: at least the fixed part.
    public init(_ payload: RawSpan, limits: BinaryLimits) throws(ProtocolError) {
        do throws(ProtocolError) {
            version = payload.byte(at: 0)
            guard payload.byte(at: 1) == 0 else { throw .malformed(.reserved) }
            features = Features(rawValue: payload.half(at: 4))
            frameSizeMax = payload.half(at: 8)
            inflightMax = payload.half(at: 12)
            window = payload.half(at: 16)
            chunkSize = payload.half(at: 20)
            idleTimeoutMilliseconds = payload.half(at: 24)
            metadataSizeMax = payload.half(at: 28)
            guard frameSizeMax > 0, inflightMax > 0, window > 0, chunkSize > 0 else { throw .malformed(.zero) }
            let end: Int
            (metadata, end) = try Metadata.section(
                of: payload, from: Self.fixedByteCount, allowed: Metadata.Field.ofHelloReply, limits: limits)
            guard end == payload.byteCount else { throw .malformed(.trailing) }
        } catch {
            throw error.inControlFrame
        }
    }

    public func append(to output: inout (some FrameOutput & ~Copyable)) {
        let metadataByteCount = metadata.byteCount
        FrameHeader(.helloReply, id: 0, length: Self.fixedByteCount + metadataByteCount).append(to: &output)
        output.write(
            FixedPart(
                UInt64(version) | UInt64(metadataByteCount) << 16 | UInt64(features.rawValue) << 32,
                UInt64(frameSizeMax) | UInt64(inflightMax) << 32))
        output.write(
            FixedPart(
                UInt64(window) | UInt64(chunkSize) << 32,
                UInt64(idleTimeoutMilliseconds) | UInt64(metadataSizeMax) << 32))
        metadata.append(to: &output)
    }
}
