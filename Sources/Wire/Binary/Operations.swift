import SamovarCore

/// PUT: an answer that the client has, to be stored as if an upstream had given it (Protocol.md §9.1).
///
///     0       1       2               4               8               12              16
///     ┌───────┬───────┬───────────────┬───────────────┬───────────────┬───────────────┬──────────┬──────┬────────┐
///     │ kind  │ form  │   metadata    │      ttl      │  body length  │   reserved    │ metadata │ body │ answer │
///     └───────┴───────┴───────────────┴───────────────┴───────────────┴───────────────┴──────────┴──────┴────────┘
public struct Put: Hashable, Sendable {
    public var kind: APIKind
    public var form: Form
    /// In seconds; 0 is the route's.
    public var ttl: UInt32
    public var metadata: Metadata

    static let fixedByteCount = 16

    public init(_ kind: APIKind, form: Form, ttl: UInt32 = 0, metadata: Metadata = Metadata()) {
        self.kind = kind
        self.form = form
        self.ttl = ttl
        self.metadata = metadata
    }

    /// Reads a payload of at least the fixed part.
    ///
    /// - Returns: what it is, and where in the payload body and answer stand.
    public static func read(
        _ payload: RawSpan, limits: BinaryLimits
    ) throws(ProtocolError) -> (put: Put, body: Range<Int>, answer: Range<Int>) {
        guard let kind = APIKind(wireCode: payload.byte(at: 0)) else { throw ProtocolError(.unknownKind, .kind) }
        guard let form = Form(wireCode: payload.byte(at: 1)), form == .body || kind.hasStreams else {
            throw .malformed(.form)
        }
        guard payload.half(at: 12) == 0 else { throw .malformed(.reserved) }
        let (metadata, end) = try Metadata.section(
            of: payload, from: fixedByteCount, allowed: Metadata.Field.headers, limits: limits)
        // A u32 fits Int, and is compared before anything is added to it.
        let bodyByteCount = Int(payload.half(at: 8))
        guard bodyByteCount <= payload.byteCount - end else { throw .malformed(.bodyOverrun) }
        guard bodyByteCount <= limits.bodySizeMax else { throw ProtocolError(.bodyTooLarge, .bodyOverMax) }
        guard kind != .models || bodyByteCount == 0 else { throw .malformed(.bodyUnexpected) }
        let put = Put(kind, form: form, ttl: payload.half(at: 4), metadata: metadata)
        return (put, end..<end + bodyByteCount, end + bodyByteCount..<payload.byteCount)
    }

    public func append(id: UInt64, body: RawSpan, answer: RawSpan, to output: inout (some FrameOutput & ~Copyable)) {
        let metadataByteCount = metadata.byteCount
        let length = Self.fixedByteCount + metadataByteCount + body.byteCount + answer.byteCount
        FrameHeader(.put, id: id, length: length).append(to: &output)
        output.write(
            FixedPart(
                UInt64(kind.wireCode) | UInt64(form.wireCode) << 8 | UInt64(metadataByteCount) << 16
                    | UInt64(ttl) << 32, UInt64(UInt32(body.byteCount))))
        metadata.append(to: &output)
        output.write(body)
        output.write(answer)
    }
}

extension APIKind {
    /// Whether there are streamed answers of this kind.
    fileprivate var hasStreams: Bool { self == .chat || self == .completions }
}

extension Form {
    /// The form's number (Protocol.md §9.1).
    public var wireCode: UInt8 { self == .body ? 1 : 2 }

    public init?(wireCode: UInt8) {
        switch wireCode {
        case 1: self = .body
        case 2: self = .stream
        default: return nil
        }
    }
}

/// INVALIDATE: what is to be made unusable (Protocol.md §9.2).
///
///     0       1       2               4               8
///     ┌───────┬───────┬───────────────┬───────────────┬──────────┬──────┐
///     │target │ kind  │   metadata    │   reserved    │ metadata │ what │
///     └───────┴───────┴───────────────┴───────────────┴──────────┴──────┘
public struct Invalidate: Hashable, Sendable {
    public enum Target: Hashable, Sendable {
        /// The entry of one request of the connection's own tenant: the body that follows.
        case body(APIKind, Metadata)
        /// One namespace of the connection's own tenant.
        case namespace
        /// What one model has answered, for all tenants.
        case model
        /// All of one listener's tenant; without a name, of the connection's own.
        case tenant
    }

    public var target: Target

    static let fixedByteCount = 8
    private static let namespaceByteMax = 256
    private static let modelByteMax = 512
    private static let tenantByteMax = 256

    public init(_ target: Target) { self.target = target }

    /// Reads a payload of at least the fixed part.
    ///
    /// - Returns: the target, and where in the payload its body or name stands.
    public static func read(
        _ payload: RawSpan, limits: BinaryLimits
    ) throws(ProtocolError) -> (invalidate: Invalidate, what: Range<Int>) {
        guard payload.half(at: 4) == 0 else { throw .malformed(.reserved) }
        if payload.byte(at: 0) == 1 { return try readBody(payload, limits: limits) }
        let target: Target
        let sizes: ClosedRange<Int>
        switch payload.byte(at: 0) {
        case 2: (target, sizes) = (.namespace, 1...namespaceByteMax)
        case 3: (target, sizes) = (.model, 1...modelByteMax)
        case 4: (target, sizes) = (.tenant, 0...tenantByteMax)
        default: throw .malformed(.target)
        }
        guard payload.byte(at: 1) == 0, payload.quarter(at: 2) == 0 else { throw .malformed(.absent) }
        let what = fixedByteCount..<payload.byteCount
        guard sizes.contains(what.count), String(validating: payload.array(what), as: UTF8.self) != nil else {
            throw .malformed(.text)
        }
        return (Invalidate(target), what)
    }

    private static func readBody(
        _ payload: RawSpan, limits: BinaryLimits
    ) throws(ProtocolError) -> (invalidate: Invalidate, what: Range<Int>) {
        guard let kind = APIKind(wireCode: payload.byte(at: 1)) else { throw ProtocolError(.unknownKind, .kind) }
        let (metadata, end) = try Metadata.section(
            of: payload, from: fixedByteCount, allowed: Metadata.Field.headers, limits: limits)
        let what = end..<payload.byteCount
        guard what.count <= limits.bodySizeMax else { throw ProtocolError(.bodyTooLarge, .bodyOverMax) }
        guard kind != .models || what.isEmpty else { throw .malformed(.bodyUnexpected) }
        return (Invalidate(.body(kind, metadata)), what)
    }

    public func append(id: UInt64, what: RawSpan, to output: inout (some FrameOutput & ~Copyable)) {
        let (code, kind, metadata): (UInt8, UInt8, Metadata) =
            switch target {
            case .body(let kind, let metadata): (1, kind.wireCode, metadata)
            case .namespace: (2, 0, Metadata())
            case .model: (3, 0, Metadata())
            case .tenant: (4, 0, Metadata())
            }
        let metadataByteCount = metadata.byteCount
        let length = Self.fixedByteCount + metadataByteCount + what.byteCount
        FrameHeader(.invalidate, id: id, length: length).append(to: &output)
        output.write(UInt64(code) | UInt64(kind) << 8 | UInt64(metadataByteCount) << 16)
        metadata.append(to: &output)
        output.write(what)
    }
}

/// DONE: how PUT, INVALIDATE or WARM ended (Protocol.md §9.5).
///
///     0       1       2               4               8                               16
///     ┌───────┬───────┬───────────────┬───────────────┬───────────────────────────────┬──────────┐
///     │outcome│   0   │   metadata    │   reserved    │             count             │ metadata │
///     └───────┴───────┴───────────────┴───────────────┴───────────────────────────────┴──────────┘
public struct Done: Hashable, Sendable {
    public enum Outcome: UInt8, CaseIterable, Hashable, Sendable {
        case stored = 1
        /// It was there already: nothing was called.
        case cached = 2
        /// An answer was made and not kept.
        case notStored = 3
        case invalidated = 4
    }

    public var outcome: Outcome
    /// Of entries stored or removed in this process.
    public var count: UInt64
    public var metadata: Metadata

    static let fixedByteCount = 16

    public init(_ outcome: Outcome, count: UInt64, metadata: Metadata = Metadata()) {
        self.outcome = outcome
        self.count = count
        self.metadata = metadata
    }

    /// - Parameter payload: at least the fixed part.
    public init(_ payload: RawSpan, limits: BinaryLimits) throws(ProtocolError) {
        guard let outcome = Outcome(rawValue: payload.byte(at: 0)) else { throw .malformed(.outcome) }
        guard payload.byte(at: 1) == 0, payload.half(at: 4) == 0 else { throw .malformed(.reserved) }
        self.outcome = outcome
        count = payload.word(at: 8)
        let end: Int
        (metadata, end) = try Metadata.section(
            of: payload, from: Self.fixedByteCount, allowed: Metadata.Field.ofDone, limits: limits)
        guard end == payload.byteCount else { throw .malformed(.trailing) }
    }

    public func append(id: UInt64, to output: inout (some FrameOutput & ~Copyable)) {
        let metadataByteCount = metadata.byteCount
        FrameHeader(.done, id: id, length: Self.fixedByteCount + metadataByteCount, flags: .end).append(to: &output)
        output.write(FixedPart(UInt64(outcome.rawValue) | UInt64(metadataByteCount) << 16, count))
        metadata.append(to: &output)
    }
}
