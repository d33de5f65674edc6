/// Where the parts of a request's head stand in its bytes. Trivial: made for every request, copied for nothing.
///
/// Only for the bytes it was read from, from the first byte of the request on. What must outlive them is taken out
/// with `RequestHead(_:in:)`.
public struct HeadFields: Sendable {
    /// A piece of the head.
    public struct Place: Hashable, Sendable {
        public var start: Int32
        public var count: Int32

        public static let none = Place(start: 0, count: -1)

        public var isThere: Bool { count >= 0 }
        public var range: Range<Int> { Int(start)..<Int(start) + Int(max(0, count)) }
    }

    /// Fields that decide how a request is read or answered.
    public enum Name: Int, CaseIterable, Sendable {
        case host, origin, connection, expect
        case contentLength, transferEncoding, contentEncoding
        case authorization
        /// Everything else that means something to us: `Cache-Control`, the keyed headers, our own. Most requests
        /// have none of it.
        case steering
    }

    public internal(set) var method = Place.none
    public internal(set) var target = Place.none
    public internal(set) var isHTTP11 = true
    /// How many field lines there are.
    public internal(set) var count = 0
    /// The bytes of the head, its empty line included.
    public internal(set) var byteCount = 0
    /// Where in the bytes the field lines begin.
    var linesStart = 0
    private var places = InlineArray<9, Place>(repeating: .none)
    private var repeated: UInt16 = 0

    init() {}

    /// Where the value of the first field of that name stands.
    public subscript(name: Name) -> Place { places[name.rawValue] }

    /// Whether there is more than one field of that name.
    public func isRepeated(_ name: Name) -> Bool { repeated & (1 << UInt16(name.rawValue)) != 0 }

    mutating func note(_ name: Name, at place: Place) {
        if places[name.rawValue].isThere {
            repeated |= 1 << UInt16(name.rawValue)
        } else {
            places[name.rawValue] = place
        }
    }
}

extension HeadFields.Name {
    /// Whether others are known not to take a tab beside its value, although RFC 9110, 5.5 would: then neither do
    /// we, as it says where a request ends or for whom it is.
    var isStrict: Bool { self == .contentLength || self == .transferEncoding || self == .host }

    /// Names are told apart by their length and then letter by letter, without case.
    init?(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        func isSame(_ text: StaticString) -> Bool {
            guard text.utf8CodeUnitCount == range.count else { return false }
            return text.withUTF8Buffer { text in
                for offset in 0..<range.count where bytes[range.lowerBound + offset] | 0x20 != text[offset] {
                    return false
                }
                return true
            }
        }
        func isSteering() -> Bool {
            isSame("cache-control") || isSame("openai-organization") || isSame("openai-project")
                || isSame("openai-beta") || isSame("anthropic-version") || isSame("anthropic-beta")
                || isSame("x-samovar-timeout") || isSame("x-samovar-show") || isSame("samovar-split-id")
                || isSame("samovar-class")
        }
        switch range.count {
        case 4 where isSame("host"): self = .host
        case 6 where isSame("origin"): self = .origin
        case 6 where isSame("expect"): self = .expect
        case 10 where isSame("connection"): self = .connection
        case 13 where isSame("authorization"): self = .authorization
        case 14 where isSame("content-length"): self = .contentLength
        case 16 where isSame("content-encoding"): self = .contentEncoding
        case 17 where isSame("transfer-encoding"): self = .transferEncoding
        default:
            guard (11...19).contains(range.count), isSteering() else { return nil }
            self = .steering
        }
    }
}
