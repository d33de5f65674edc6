// Raw bytes: what differs between two hits on one entry is overwritten in a copy of the stored frame.

import SamovarCore

/// Where an answer came from and how long it is: the fixed part of ANSWER (Protocol.md §7.1).
///
///     0       1       2               4               8               12              16
///     ┌───────┬───────┬───────────────┬───────────────┬───────────────┬───────────────┬──────────┬───────┐
///     │result │ facts │   metadata    │      age      │   remaining   │     total     │ metadata │ bytes │
///     │  u8   │  u8   │  length, u16  │  u32, seconds │  i32, seconds │  u32, bytes   │          │       │
///     └───────┴───────┴───────────────┴───────────────┴───────────────┴───────────────┴──────────┴───────┘
///
/// A hit is header, head and bytes in one frame: kept as it is sent, copied, and patched (`patch`). Times are whole
/// seconds here and nowhere else: a `Duration` is 128 bits, and dividing those costs more than the rest of a hit.
@frozen
public struct AnswerHead: Hashable, Sendable {
    public var result: ServeResult
    public var form: Form
    /// How long ago the answer was made, in seconds; nil for one that was made now.
    public var age: UInt32?
    /// How long it is still fresh, in seconds; negative for a stale one.
    public var remaining: Int32?
    /// The answer's bytes in all its frames, where that is known.
    public var total: UInt32?
    /// Whether the answer is kept, where that is decided.
    public var stored: Bool?

    public static let byteCount = FixedPart.byteCount

    @inlinable
    public init(
        _ result: ServeResult, form: Form, age: UInt32? = nil, remaining: Int32? = nil, total: UInt32? = nil,
        stored: Bool? = nil
    ) {
        self.result = result
        self.form = form
        self.age = age
        self.remaining = remaining
        self.total = total
        self.stored = stored
    }

    /// Times are cut to whole seconds and held at their bounds.
    public init(_ provenance: Provenance, form: Form, total: Int? = nil) {
        self.init(
            provenance.result, form: form, age: provenance.age.map { UInt32(clamping: $0.components.seconds) },
            remaining: provenance.remaining.map { Int32(clamping: $0.components.seconds) },
            total: total.flatMap(UInt32.init(exactly:)), stored: provenance.stored)
    }

    public var provenance: Provenance {
        Provenance(
            result: result, age: age.map { .seconds($0) }, remaining: remaining.map { .seconds($0) }, stored: stored)
    }

    /// Reads ANSWER's payload, of at least the fixed part.
    ///
    /// - Returns: the head, the fields, and where in the payload the first bytes of the answer stand.
    public static func read(
        _ payload: RawSpan, limits: BinaryLimits
    ) throws(ProtocolError) -> (head: AnswerHead, metadata: Metadata, bytes: Range<Int>) {
        let words = FixedPart(payload, at: 0)
        guard let result = ServeResult(wireCode: UInt8(truncatingIfNeeded: words.low)) else {
            throw .malformed(.result)
        }
        let facts = AnswerFacts(rawValue: UInt8(truncatingIfNeeded: words.low >> 8))
        guard facts.isSubset(of: .all), facts.contains(.storedKnown) || !facts.contains(.stored) else {
            throw .malformed(.facts)
        }
        func part(_ fact: AnswerFacts, _ value: UInt64) throws(ProtocolError) -> UInt32? {
            let value = UInt32(truncatingIfNeeded: value)
            if facts.contains(fact) { return value }
            guard value == 0 else { throw .malformed(.absent) }
            return nil
        }
        let head = AnswerHead(
            result, form: facts.contains(.stream) ? .stream : .body, age: try part(.hasAge, words.low >> 32),
            remaining: try part(.hasRemaining, words.high).map(Int32.init(bitPattern:)),
            total: try part(.hasTotal, words.high >> 32),
            stored: facts.contains(.storedKnown) ? facts.contains(.stored) : nil)
        let (metadata, end) = try Metadata.section(
            of: payload, from: byteCount, allowed: Metadata.Field.ofAnswer, limits: limits)
        return (head, metadata, end..<payload.byteCount)
    }

    /// The fixed part, with the length of the metadata that follow it.
    @inlinable
    public func words(metadataByteCount: Int = 0) -> FixedPart {
        var facts: UInt8 = form == .stream ? AnswerFacts.stream.rawValue : 0
        if age != nil { facts |= AnswerFacts.hasAge.rawValue }
        if remaining != nil { facts |= AnswerFacts.hasRemaining.rawValue }
        if total != nil { facts |= AnswerFacts.hasTotal.rawValue }
        if let stored {
            facts |= AnswerFacts.storedKnown.rawValue | (stored ? AnswerFacts.stored.rawValue : 0)
        }
        let low = UInt64(result.wireCode) | UInt64(facts) << 8 | UInt64(UInt16(metadataByteCount)) << 16
        return FixedPart(
            low | UInt64(age ?? 0) << 32, UInt64(UInt32(bitPattern: remaining ?? 0)) | UInt64(total ?? 0) << 32)
    }

    /// Writes the frame, with the first or all bytes of the answer.
    public func append(
        id: UInt64, flags: FrameFlags, metadata: Metadata = Metadata(), bytes: RawSpan,
        to output: inout (some FrameOutput & ~Copyable)
    ) {
        let metadataByteCount = metadata.byteCount
        let length = Self.byteCount + metadataByteCount + bytes.byteCount
        FrameHeader(.answer, id: id, length: length, flags: flags).append(to: &output)
        output.write(words(metadataByteCount: metadataByteCount))
        metadata.append(to: &output)
        output.write(bytes)
    }

    /// Writes fixed part and metadata: what stands between the header and the answer's bytes.
    public func append(metadata: Metadata = Metadata(), to output: inout (some FrameOutput & ~Copyable)) {
        output.write(words(metadataByteCount: metadata.byteCount))
        metadata.append(to: &output)
    }

    /// Makes a copy of a stored frame, without metadata, this request's reply: its id, and this head.
    ///
    /// - Precondition: the frame has its header and head.
    @inlinable
    public func patch(_ frame: UnsafeMutableRawBufferPointer, id: UInt64) {
        frame.storeBytes(of: id.littleEndian, toByteOffset: 8, as: UInt64.self)
        words().store(to: frame, at: FrameHeader.byteCount)
    }
}

/// The bits of an answer's facts (Protocol.md §7.1).
@frozen
public struct AnswerFacts: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    @inlinable public static var stream: AnswerFacts { AnswerFacts(rawValue: 0x01) }
    @inlinable public static var hasAge: AnswerFacts { AnswerFacts(rawValue: 0x02) }
    @inlinable public static var hasRemaining: AnswerFacts { AnswerFacts(rawValue: 0x04) }
    @inlinable public static var hasTotal: AnswerFacts { AnswerFacts(rawValue: 0x08) }
    @inlinable public static var storedKnown: AnswerFacts { AnswerFacts(rawValue: 0x10) }
    @inlinable public static var stored: AnswerFacts { AnswerFacts(rawValue: 0x20) }

    static let all = AnswerFacts(rawValue: 0x3F)
}

extension ServeResult {
    /// The result's number (Protocol.md §7.1). An error is no answer; it has its own frame.
    @inlinable
    public var wireCode: UInt8 {
        switch self {
        case .l1Hit: 1
        case .l2Hit: 2
        case .coalesced: 3
        case .miss: 4
        case .stale: 5
        case .fallback: 6
        case .bypass, .error: 7
        }
    }

    public init?(wireCode: UInt8) {
        switch wireCode {
        case 1: self = .l1Hit
        case 2: self = .l2Hit
        case 3: self = .coalesced
        case 4: self = .miss
        case 5: self = .stale
        case 6: self = .fallback
        case 7: self = .bypass
        default: return nil
        }
    }
}
