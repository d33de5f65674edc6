import SamovarCore

/// A question, without its body: the fixed part and metadata of ASK, ASK_DIGEST and WARM (Protocol.md §6.2).
///
///     0       1       2               4               8               12              16
///     ┌───────┬───────┬───────────────┬───────────────┬───────────────┬───────────────┬──────────┬──────┐
///     │ kind  │options│   metadata    │   deadline    │    max-age    │   max-stale   │ metadata │ body │
///     │  u8   │  u8   │  length, u16  │    u32, ms    │  u32, seconds │  u32, seconds │          │      │
///     └───────┴───────┴───────────────┴───────────────┴───────────────┴───────────────┴──────────┴──────┘
///
/// The body is no part of it: readers are told where it stands in the payload, writers hand it over.
public struct Ask: Hashable, Sendable {
    public var kind: APIKind
    public var options: AskOptions
    /// How long the caller waits from the frame's arrival; 0 is for ever.
    public var deadlineMilliseconds: UInt32
    /// In seconds; 0 without HAS_MAX_AGE.
    public var maxAge: UInt32
    /// In seconds, 0xFFFFFFFF is without end; 0 without HAS_MAX_STALE.
    public var maxStale: UInt32
    public var metadata: Metadata

    static let fixedByteCount = 16

    public init(
        _ kind: APIKind, options: AskOptions = [], deadlineMilliseconds: UInt32 = 0, maxAge: UInt32 = 0,
        maxStale: UInt32 = 0, metadata: Metadata = Metadata()
    ) {
        self.kind = kind
        self.options = options
        self.deadlineMilliseconds = deadlineMilliseconds
        self.maxAge = maxAge
        self.maxStale = maxStale
        self.metadata = metadata
    }

    /// Reads a payload of at least the fixed part. O(metadata), whatever the body's size.
    ///
    /// - Parameter features: what was agreed on.
    /// - Returns: the question, and where in the payload the body stands.
    public static func read(
        _ payload: RawSpan, features: Features, limits: BinaryLimits
    ) throws(ProtocolError) -> (ask: Ask, body: Range<Int>) {
        let (ask, body) = try readHead(payload, allowed: Metadata.Field.ofAsk, limits: limits)
        if ask.options.contains(.events), !features.contains(.events) {
            throw ProtocolError(.featureNotAgreed, .options)
        }
        guard body.count <= limits.bodySizeMax else { throw ProtocolError(.bodyTooLarge, .bodyOverMax) }
        guard ask.kind != .models || body.isEmpty else { throw .malformed(.bodyUnexpected) }
        return (ask, body)
    }

    /// Reads ASK_DIGEST (Protocol.md §6.3).
    ///
    /// - Returns: the question, and where in the payload the 32 bytes of the digest stand.
    public static func readDigest(
        _ payload: RawSpan, features: Features, limits: BinaryLimits
    ) throws(ProtocolError) -> (ask: Ask, digest: Range<Int>) {
        let (ask, digest) = try readHead(payload, allowed: Metadata.Field.headers, limits: limits)
        if ask.options.contains(.events), !features.contains(.events) {
            throw ProtocolError(.featureNotAgreed, .options)
        }
        guard ask.kind != .models else { throw .malformed(.digestUnexpected) }
        guard digest.count == SentBodyDigest.byteCount else { throw .malformed(.length) }
        return (ask, digest)
    }

    /// Reads WARM (Protocol.md §9.3), of which nobody sees the answer.
    public static func readWarm(
        _ payload: RawSpan, limits: BinaryLimits
    ) throws(ProtocolError) -> (ask: Ask, body: Range<Int>) {
        let (ask, body) = try read(payload, features: .events, limits: limits)
        guard ask.options.isSubset(of: .ofWarm) else { throw .malformed(.options) }
        return (ask, body)
    }

    private static func readHead(
        _ payload: RawSpan, allowed: [Metadata.Field], limits: BinaryLimits
    ) throws(ProtocolError) -> (ask: Ask, rest: Range<Int>) {
        let words = FixedPart(payload, at: 0)
        guard let kind = APIKind(wireCode: UInt8(truncatingIfNeeded: words.low)) else {
            throw ProtocolError(.unknownKind, .kind)
        }
        var ask = Ask(
            kind, options: AskOptions(rawValue: UInt8(truncatingIfNeeded: words.low >> 8)),
            deadlineMilliseconds: UInt32(truncatingIfNeeded: words.low >> 32),
            maxAge: UInt32(truncatingIfNeeded: words.high), maxStale: UInt32(truncatingIfNeeded: words.high >> 32))
        guard ask.options.isSubset(of: .all) else { throw .malformed(.options) }
        guard ask.options.contains(.hasMaxAge) || ask.maxAge == 0,
            ask.options.contains(.hasMaxStale) || ask.maxStale == 0
        else { throw .malformed(.absent) }
        let end: Int
        (ask.metadata, end) = try Metadata.section(of: payload, from: fixedByteCount, allowed: allowed, limits: limits)
        return (ask, end..<payload.byteCount)
    }

    /// Writes the frame.
    ///
    /// - Parameters:
    ///   - opcode: ASK, ASK_DIGEST or WARM.
    ///   - body: for ASK_DIGEST the digest's 32 bytes.
    public func append(
        _ opcode: Opcode = .ask, id: UInt64, body: RawSpan, to output: inout (some FrameOutput & ~Copyable)
    ) {
        let metadataByteCount = metadata.byteCount
        let length = Self.fixedByteCount + metadataByteCount + body.byteCount
        FrameHeader(opcode, id: id, length: length).append(to: &output)
        output.write(
            FixedPart(
                UInt64(kind.wireCode) | UInt64(options.rawValue) << 8 | UInt64(metadataByteCount) << 16
                    | UInt64(deadlineMilliseconds) << 32, UInt64(maxAge) | UInt64(maxStale) << 32))
        metadata.append(to: &output)
        output.write(body)
    }
}

/// The bits of a question's options (Protocol.md §6.2).
public struct AskOptions: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let noCache = AskOptions(rawValue: 0x01)
    public static let noStore = AskOptions(rawValue: 0x02)
    public static let onlyIfCached = AskOptions(rawValue: 0x04)
    public static let hasMaxAge = AskOptions(rawValue: 0x08)
    public static let hasMaxStale = AskOptions(rawValue: 0x10)
    public static let showTenant = AskOptions(rawValue: 0x20)
    public static let events = AskOptions(rawValue: 0x40)

    static let all = AskOptions(rawValue: 0x7F)
    static let ofWarm: AskOptions = [.noCache, .hasMaxAge, .showTenant]
}

extension Ask {
    /// What HTTP's Cache-Control says. The body's `cache` member is merged in when the body is read.
    public var controls: Controls {
        var controls = Controls()
        controls.noCache = options.contains(.noCache)
        controls.noStore = options.contains(.noStore)
        controls.onlyIfCached = options.contains(.onlyIfCached)
        if options.contains(.hasMaxAge) { controls.maxAge = .seconds(maxAge) }
        if options.contains(.hasMaxStale) { controls.maxStale = .seconds(maxStale) }
        return controls
    }

    public var timeout: Duration? {
        deadlineMilliseconds == 0 ? nil : .milliseconds(deadlineMilliseconds)
    }
}

extension APIKind {
    /// The kind's number (Protocol.md §6.2).
    public var wireCode: UInt8 {
        switch self {
        case .chat: 1
        case .completions: 2
        case .embeddings: 3
        case .models: 4
        }
    }

    public init?(wireCode: UInt8) {
        switch wireCode {
        case 1: self = .chat
        case 2: self = .completions
        case 3: self = .embeddings
        case 4: self = .models
        default: return nil
        }
    }
}
