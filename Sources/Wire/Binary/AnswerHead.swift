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
/// A hit is header, head and bytes in one frame: kept as it is sent, copied, and patched (`patch`).
public struct AnswerHead: Hashable, Sendable {
    public var form: Form
    public var provenance: Provenance
    /// The answer's bytes in all its frames, where that is known.
    public var total: UInt32?

    public static let byteCount = FixedPart.byteCount

    public init(_ provenance: Provenance, form: Form, total: Int? = nil) {
        self.provenance = provenance
        self.form = form
        self.total = total.flatMap(UInt32.init(exactly:))
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
        func part(_ fact: AnswerFacts, _ value: UInt32) throws(ProtocolError) -> UInt32? {
            if facts.contains(fact) { return value }
            guard value == 0 else { throw .malformed(.absent) }
            return nil
        }
        let age = try part(.hasAge, UInt32(truncatingIfNeeded: words.low >> 32))
        let remaining = try part(.hasRemaining, UInt32(truncatingIfNeeded: words.high))
        let total = try part(.hasTotal, UInt32(truncatingIfNeeded: words.high >> 32))
        let provenance = Provenance(
            result: result, age: age.map { .seconds($0) },
            remaining: remaining.map { .seconds(Int32(bitPattern: $0)) },
            stored: facts.contains(.storedKnown) ? facts.contains(.stored) : nil)
        let head = AnswerHead(
            provenance, form: facts.contains(.stream) ? .stream : .body, total: total.map(Int.init))
        let (metadata, end) = try Metadata.section(
            of: payload, from: byteCount, allowed: Metadata.Field.ofAnswer, limits: limits)
        return (head, metadata, end..<payload.byteCount)
    }

    /// The fixed part, with the length of the metadata that follow it. Times are whole seconds, held at their bounds.
    public func words(metadataByteCount: Int = 0) -> FixedPart {
        var facts: AnswerFacts = []
        if form == .stream { facts.insert(.stream) }
        if provenance.age != nil { facts.insert(.hasAge) }
        if provenance.remaining != nil { facts.insert(.hasRemaining) }
        if total != nil { facts.insert(.hasTotal) }
        if let stored = provenance.stored { facts.insert(stored ? [.storedKnown, .stored] : .storedKnown) }
        let age = UInt32(clamping: provenance.age?.components.seconds ?? 0)
        let remaining = Int32(clamping: provenance.remaining?.components.seconds ?? 0)
        return FixedPart(
            UInt64(provenance.result.wireCode) | UInt64(facts.rawValue) << 8 | UInt64(UInt16(metadataByteCount)) << 16
                | UInt64(age) << 32,
            UInt64(UInt32(bitPattern: remaining)) | UInt64(total ?? 0) << 32)
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
    public func patch(_ frame: UnsafeMutableRawBufferPointer, id: UInt64) {
        frame.storeBytes(of: id.littleEndian, toByteOffset: 8, as: UInt64.self)
        words().store(to: frame, at: FrameHeader.byteCount)
    }
}

/// The bits of an answer's facts (Protocol.md §7.1).
struct AnswerFacts: OptionSet, Hashable, Sendable {
    let rawValue: UInt8

    static let stream = AnswerFacts(rawValue: 0x01)
    static let hasAge = AnswerFacts(rawValue: 0x02)
    static let hasRemaining = AnswerFacts(rawValue: 0x04)
    static let hasTotal = AnswerFacts(rawValue: 0x08)
    static let storedKnown = AnswerFacts(rawValue: 0x10)
    static let stored = AnswerFacts(rawValue: 0x20)

    static let all = AnswerFacts(rawValue: 0x3F)
}

extension ServeResult {
    /// The result's number (Protocol.md §7.1). An error is no answer; it has its own frame.
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
