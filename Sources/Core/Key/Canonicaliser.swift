// Unsafe memory: borrows the caller's bytes while it reads them (see JSONScanner) and owns what it writes (see
// Scratch); touches neither but through those two, which keep the bounds. It has one owner and cannot be copied, and it
// holds no pointer to a body when none is being read: hence @unchecked Sendable.

/// Writes the canonical form of a body while it reads it, into memory that serves one body after the other.
///
/// Make one for each event loop and pass it along `inout`. What it holds is the last body's: read, ask, forget. One
/// pass; O(bytes), and O(members log members) for an object whose members are out of order. What canonical means is
/// said at `CanonicalBody`.
public struct Canonicaliser: ~Copyable, @unchecked Sendable {
    /// The members of the top object as `"name":value`, in the caller's order, between braces and commas.
    var output = Scratch()
    /// Members on their way to another place, and the text that is hashed.
    var aside = Scratch()
    /// The members of the objects that are open, innermost last. After a body was read: those of its top object.
    var members = MemberStack()
    /// Whether the members of the top object came in canonical order.
    private(set) var isInOrder = true
    private var scanner = JSONScanner(UnsafeBufferPointer(start: nil, count: 0))
    private var depth = 0

    public init() {}

    /// Reads a body. Afterwards `members` are those of its top object.
    mutating func read(_ bytes: [UInt8]) throws(BodyError) {
        try bytes.withUnsafeBufferPointer { bytes throws(BodyError) in try read(bytes) }
    }

    mutating func read(_ bytes: UnsafeBufferPointer<UInt8>) throws(BodyError) {
        forget()
        // The borrowed bytes are gone after this call; nothing may be left that points to them.
        defer { scanner = JSONScanner(UnsafeBufferPointer(start: nil, count: 0)) }
        try Self.checkUTF8(bytes)
        scanner = JSONScanner(bytes)
        output.reserve(bytes.count + bytes.count / 4 + 64)
        scanner.skipSpace()
        guard scanner.current == UInt8(ascii: "{") else {
            throw .unexpected("the body must be an object", at: scanner.index)
        }
        try object(.top)
        scanner.skipSpace()
        guard scanner.index == scanner.end else {
            throw .unexpected("the body goes on after its object", at: scanner.index)
        }
    }

    private mutating func forget() {
        output.trim()
        aside.trim()
        members.trim()
        isInOrder = true
        depth = 0
    }

    private static func checkUTF8(_ bytes: UnsafeBufferPointer<UInt8>) throws(BodyError) {
        do {
            _ = try UTF8Span(validating: Span(_unsafeElements: bytes))
        } catch {
            throw .invalidUTF8(at: error.byteOffsets.lowerBound)
        }
    }

    // MARK: Values

    private mutating func value(_ place: CanonicalPlace) throws(BodyError) {
        switch scanner.current {
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "{"): try object(place)
        case UInt8(ascii: "["): try array(place)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number(place)
        default: output.append(slice(try scanner.scanLiteral()))
        }
    }

    private mutating func string() throws(BodyError) {
        let start = scanner.index
        try scanner.expect(UInt8(ascii: "\""), "a string")
        output.append(UInt8(ascii: "\""))
        while true {
            scanner.copyPlainText(to: &output)
            switch scanner.current {
            case UInt8(ascii: "\""):
                scanner.index += 1
                return output.append(UInt8(ascii: "\""))
            case UInt8(ascii: "\\"):
                if !scanner.copyShortEscape(to: &output) { JSONString.append(try scanner.scanEscape(), to: &output) }
            default:
                guard scanner.index < scanner.end else { throw .unexpected("the string has no end", at: start) }
                throw .controlCharacter(at: scanner.index)
            }
        }
    }

    private mutating func number(_ place: CanonicalPlace) throws(BodyError) {
        let range = try scanner.scanNumber()
        let text = slice(range)
        guard CanonicalNumber.isFinite(text) else { throw .nonFiniteNumber(at: range.lowerBound) }
        if place.hasExactNumbers {
            CanonicalNumber.append(text, to: &output)
        } else {
            output.append(text)
        }
    }

    private mutating func array(_ place: CanonicalPlace) throws(BodyError) {
        try enter()
        scanner.index += 1
        output.append(UInt8(ascii: "["))
        scanner.skipSpace()
        if scanner.current == UInt8(ascii: "]") {
            scanner.index += 1
        } else {
            while true {
                try value(place.element)
                scanner.skipSpace()
                guard scanner.current == UInt8(ascii: ",") else { break }
                scanner.index += 1
                output.append(UInt8(ascii: ","))
                scanner.skipSpace()
            }
            try scanner.expect(UInt8(ascii: "]"), "',' or ']'")
        }
        output.append(UInt8(ascii: "]"))
        depth -= 1
    }

    // MARK: Objects

    private mutating func object(_ place: CanonicalPlace) throws(BodyError) {
        try enter()
        scanner.index += 1
        output.append(UInt8(ascii: "{"))
        let first = members.count
        var isInOrder = true
        scanner.skipSpace()
        if scanner.current == UInt8(ascii: "}") {
            scanner.index += 1
        } else {
            while true {
                let follows = try name(since: first, in: place)
                isInOrder = isInOrder && follows
                let last = members.count - 1
                members[last].source.value = scanner.index
                try value(place.value(of: members[last], in: output))
                members[last].end = output.count
                members[last].source.end = scanner.index
                scanner.skipSpace()
                guard scanner.current == UInt8(ascii: ",") else { break }
                scanner.index += 1
                output.append(UInt8(ascii: ","))
                scanner.skipSpace()
            }
            try scanner.expect(UInt8(ascii: "}"), "',' or '}'")
        }
        try refuseDuplicates(since: first, at: scanner.index)
        output.append(UInt8(ascii: "}"))
        depth -= 1
        if place == .top {
            self.isInOrder = isInOrder
        } else {
            if place.sorts, !isInOrder { sort(since: first) }
            members.cut(to: first)
        }
    }

    /// Reads `"name":` and says whether the name comes after that of the member before it.
    private mutating func name(since first: Int, in place: CanonicalPlace) throws(BodyError) -> Bool {
        let source = scanner.index
        let start = output.count
        try string()
        var member = CanonicalMember(name: start..<output.count, source: source, in: output)
        if place == .top { member.known = KnownMember(member, in: output) }
        scanner.skipSpace()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        output.append(UInt8(ascii: ":"))
        scanner.skipSpace()
        // Objects of many members are checked once at their end, by sorting; few are compared as they come.
        if members.count - first < Self.comparedAsTheyCome {
            for index in first..<members.count where member.hasName(of: members[index], in: output) {
                throw .duplicateMember(at: source)
            }
        }
        let follows = members.count == first || members[members.count - 1].precedes(member, in: output)
        members.append(member)
        return follows
    }

    static let comparedAsTheyCome = 16

    private func slice(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: scanner.bytes[range])
    }

    private mutating func enter() throws(BodyError) {
        depth += 1
        guard depth <= JSONScanner.depthMax else { throw .depthMax(at: scanner.index) }
    }
}
