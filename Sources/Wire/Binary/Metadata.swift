import SamovarCore

/// What is seldom there: a message's fields, each at most once (Protocol.md §4).
///
///     0       1               3               3 + size
///     ┌───────┬───────────────┬───────────────┬── next field …
///     │ type  │     size      │     value     │
///     └───────┴───────────────┴───────────────┘
///
/// Values may be credentials: it describes itself by its count. Empty metadata allocate nothing.
public struct Metadata: Hashable, Sendable {
    /// The types of fields, in the order in which they are written.
    public enum Field: UInt8, CaseIterable, Hashable, Sendable {
        case authorization = 1
        case adminToken = 2
        case accessToken = 3
        case software = 4
        case openAIOrganization = 16
        case openAIProject = 17
        case openAIBeta = 18
        case anthropicVersion = 19
        case anthropicBeta = 20
        case bodyDigest = 24
        case tenant = 32
        case model = 33
    }

    /// From here on a type that is not known may be skipped.
    static let skippableFrom: UInt8 = 128

    private struct Entry: Hashable {
        let field: Field
        let value: [UInt8]
    }

    /// In ascending order.
    private var entries: [Entry] = []

    public init() {}

    public var isEmpty: Bool { entries.isEmpty }
    public var fields: [Field] { entries.map(\.field) }
    /// The size of the section.
    public var byteCount: Int { entries.reduce(0) { $0 + Self.prefixByteCount + $1.value.count } }

    private static let prefixByteCount = 3

    public subscript(field: Field) -> [UInt8]? {
        get { entries.first { $0.field == field }?.value }
        set {
            let place = entries.firstIndex { $0.field.rawValue >= field.rawValue } ?? entries.endIndex
            let isThere = place < entries.endIndex && entries[place].field == field
            entries.replaceSubrange(
                place..<(isThere ? place + 1 : place), with: newValue.map { [Entry(field: field, value: $0)] } ?? [])
        }
    }

    /// A field's value as text.
    public func text(_ field: Field) -> String? {
        self[field].map { String(decoding: $0, as: UTF8.self) }
    }

    public mutating func set(_ field: Field, _ text: String) { self[field] = Array(text.utf8) }

    /// Writes the section. Its values must follow the rules of their types; the reader refuses them otherwise.
    ///
    /// - Precondition: `byteCount` is at most 65,535.
    func append(to output: inout (some FrameOutput & ~Copyable)) {
        for entry in entries {
            output.write(entry.field.rawValue)
            output.write(UInt16(entry.value.count))
            output.write(entry.value.span.bytes)
        }
    }
}

extension Metadata {
    /// Reads a section that fills these bytes. O(bytes).
    init(_ bytes: RawSpan, allowed: [Field], limits: BinaryLimits) throws(ProtocolError) {
        guard bytes.byteCount <= limits.metadataSizeMax else {
            throw ProtocolError(.metadataTooLarge, .metadataOverMax)
        }
        var offset = 0
        var last: UInt8?
        var count = 0
        while offset < bytes.byteCount {
            guard bytes.byteCount - offset >= Self.prefixByteCount else { throw .malformed(.fieldOverrun) }
            let type = bytes.byte(at: offset)
            let size = Int(bytes.quarter(at: offset + 1))
            offset += Self.prefixByteCount
            guard size <= bytes.byteCount - offset else { throw .malformed(.fieldOverrun) }
            if let last, type <= last { throw .malformed(.fieldOrder) }
            last = type
            count += 1
            guard count <= BinaryLimits.fieldCountMax else { throw ProtocolError(.metadataTooLarge, .fieldCount) }
            if let field = Field(rawValue: type) {
                guard allowed.contains(field) else { throw .malformed(.fieldMisplaced) }
                let value = bytes.array(offset..<offset + size)
                try field.check(value)
                entries.append(Entry(field: field, value: value))
            } else if type < Self.skippableFrom {
                throw ProtocolError(.unknownField, .fieldUnknown)
            }
            offset += size
        }
    }

    /// Reads the section whose length stands at offset 2 and which begins at `start`; returns where it ends.
    static func section(
        of payload: RawSpan, from start: Int, allowed: [Field], limits: BinaryLimits
    ) throws(ProtocolError) -> (metadata: Metadata, end: Int) {
        let length = Int(payload.quarter(at: 2))
        guard length > 0 else { return (Metadata(), start) }
        guard length <= payload.byteCount - start else { throw .malformed(.metadataOverrun) }
        let section = payload.extracting(start..<start + length)
        return (try Metadata(section, allowed: allowed, limits: limits), start + length)
    }
}

extension Metadata.Field {
    static let ofHello: [Self] = [.authorization, .adminToken, .accessToken, .software]
    static let ofHelloReply: [Self] = [.software]
    /// The headers that are forwarded and keyed, in the order of `KeyedHeaders.names`.
    static let headers: [Self] = [
        .openAIOrganization, .openAIProject, .openAIBeta, .anthropicVersion, .anthropicBeta,
    ]
    static let ofAsk = headers + [.bodyDigest]
    static let ofAnswer: [Self] = [.tenant, .model]
    static let ofDone: [Self] = [.tenant]

    private static let softwareByteMax = 64

    fileprivate func check(_ value: [UInt8]) throws(ProtocolError) {
        switch self {
        case .bodyDigest:
            guard value.count == SentBodyDigest.byteCount else { throw .malformed(.fieldSize) }
        case .tenant, .model:
            guard String(validating: value, as: UTF8.self) != nil else { throw .malformed(.text) }
        default:
            guard self != .software || value.count <= Self.softwareByteMax else { throw .malformed(.fieldSize) }
            guard Self.isFieldText(value) else { throw .malformed(.fieldText) }
        }
    }

    /// What may stand in a header that goes upstream (RFC 9110, 5.5): nothing that could end it there.
    private static func isFieldText(_ value: [UInt8]) -> Bool {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        guard let first = value.first, let last = value.last else { return true }
        return !isBlank(first) && !isBlank(last) && value.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x09 }
    }
}

extension Metadata {
    public init(_ headers: KeyedHeaders) {
        for (field, name) in zip(Field.headers, KeyedHeaders.names) {
            if let value = headers[name] { set(field, value) }
        }
    }

    /// The headers that are forwarded and keyed.
    public var keyedHeaders: KeyedHeaders {
        var headers = KeyedHeaders()
        for (field, name) in zip(Field.headers, KeyedHeaders.names) { headers[name] = text(field) }
        return headers
    }

    /// What the caller's Authorization or a token is; never to be seen.
    public func secret(_ field: Field) -> Secret? { text(field).map(Secret.init) }

    public var bodyDigest: SentBodyDigest? {
        get { self[.bodyDigest].map(SentBodyDigest.init(bytes:)) }
        set { self[.bodyDigest] = newValue?.bytes }
    }
}

extension Metadata: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "\(entries.count) fields" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
