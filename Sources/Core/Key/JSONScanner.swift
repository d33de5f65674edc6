/// Why a request body is no JSON text that we accept, and at which byte.
///
/// Never carries a piece of the body: these texts go into replies and logs, and a prompt may not.
public enum BodyError: Error, Hashable, Sendable {
    case invalidUTF8(at: Int)
    case unexpected(_ what: String, at: Int)
    case duplicateMember(at: Int)
    case depthMax(at: Int)
    case nonFiniteNumber(at: Int)
    case loneSurrogate(at: Int)
    case controlCharacter(at: Int)
    /// A member that we read ourselves has a value of a type that it may not have.
    case wrongType(member: String, expected: String)

    public var message: String {
        switch self {
        case .invalidUTF8(let index): "the body is not valid UTF-8 at byte \(index)"
        case .unexpected(let what, let index): "the body is not valid JSON at byte \(index): \(what)"
        case .duplicateMember(let index): "the body names a member twice at byte \(index)"
        case .depthMax(let index): "the body is nested deeper than \(JSONScanner.depthMax) at byte \(index)"
        case .nonFiniteNumber(let index): "the body has a number beyond the range of a double at byte \(index)"
        case .loneSurrogate(let index): "the body has half a surrogate pair at byte \(index)"
        case .controlCharacter(let index): "the body has a control character inside a string at byte \(index)"
        case .wrongType(let member, let expected): "'\(member)' must be \(expected)"
        }
    }
}

/// Reads the tokens of one JSON text (RFC 8259), strictly and in one pass.
///
/// Bytes outside strings are checked by the grammar; the whole text must have been checked as UTF-8
/// before. O(bytes). Knows nothing of what the members mean.
package struct JSONScanner {
    /// How deep arrays and objects may nest.
    package static let depthMax = 64

    package let bytes: [UInt8]
    package var index: Int
    package let end: Int
    /// A provider may split a surrogate pair between two chunks, so answers are allowed halves; requests are not.
    package var allowsHalfSurrogates = false

    package init(_ bytes: [UInt8]) {
        self.init(bytes, in: 0..<bytes.count)
    }

    /// Reads only `range` of the text, which an earlier scan has found to be one value.
    package init(_ bytes: [UInt8], in range: Range<Int>) {
        self.bytes = bytes
        self.index = range.lowerBound
        self.end = range.upperBound
    }

    /// The byte at the cursor, or 0 at the end (0 is no token anywhere in JSON).
    package var current: UInt8 { index < end ? bytes[index] : 0 }

    @inline(__always)
    package mutating func skipSpace() {
        while index < end {
            let byte = bytes[index]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            index += 1
        }
    }

    package mutating func expect(_ byte: UInt8, _ what: String) throws(BodyError) {
        guard current == byte, index < end else { throw .unexpected("expected \(what)", at: index) }
        index += 1
    }

    /// Where a string's text stands, quotes left out, and whether it has escapes.
    package struct StringToken {
        package let range: Range<Int>
        package let hasEscapes: Bool
    }

    /// Reads a string; the cursor is on its opening quote. Escapes are checked, not decoded.
    package mutating func scanString() throws(BodyError) -> StringToken {
        try expect(UInt8(ascii: "\""), "a string")
        let start = index
        var hasEscapes = false
        while index < end {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") {
                defer { index += 1 }
                return StringToken(range: start..<index, hasEscapes: hasEscapes)
            }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                try scanEscape()
            } else if byte < 0x20 {
                throw .controlCharacter(at: index)
            } else {
                index += 1
            }
        }
        throw .unexpected("the string has no end", at: start - 1)
    }

    private mutating func scanEscape() throws(BodyError) {
        let start = index
        index += 1
        switch current {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            index += 1
        case UInt8(ascii: "u"):
            index += 1
            let unit = try scanFourHexDigits()
            guard unit & 0xF800 == 0xD800, !allowsHalfSurrogates else { return }
            // A high half must be followed by a low half, and a low half never comes first.
            guard unit < 0xDC00, current == UInt8(ascii: "\\"), index + 1 < end, bytes[index + 1] == UInt8(ascii: "u")
            else { throw .loneSurrogate(at: start) }
            index += 2
            let low = try scanFourHexDigits()
            guard low & 0xFC00 == 0xDC00 else { throw .loneSurrogate(at: start) }
        default:
            throw .unexpected("unknown escape", at: start)
        }
    }

    mutating func scanFourHexDigits() throws(BodyError) -> UInt32 {
        guard index + 4 <= end else { throw .unexpected("expected four hex digits", at: index) }
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = bytes[index].hexDigit else { throw .unexpected("expected a hex digit", at: index) }
            unit = unit << 4 | UInt32(digit)
            index += 1
        }
        return unit
    }

    /// Reads a number and returns where it stands.
    package mutating func scanNumber() throws(BodyError) -> Range<Int> {
        let start = index
        if current == UInt8(ascii: "-") { index += 1 }
        if current == UInt8(ascii: "0") {
            index += 1
        } else {
            try scanDigits()
        }
        if current == UInt8(ascii: ".") {
            index += 1
            try scanDigits()
        }
        if current | 0x20 == UInt8(ascii: "e") {
            index += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { index += 1 }
            try scanDigits()
        }
        return start..<index
    }

    private mutating func scanDigits() throws(BodyError) {
        let start = index
        while index < end, bytes[index] &- UInt8(ascii: "0") < 10 { index += 1 }
        guard index > start else { throw .unexpected("expected a digit", at: index) }
    }

    /// Reads `true`, `false` or `null`.
    package mutating func scanLiteral() throws(BodyError) -> Range<Int> {
        let start = index
        let word: StaticString =
            switch current {
            case UInt8(ascii: "t"): "true"
            case UInt8(ascii: "f"): "false"
            case UInt8(ascii: "n"): "null"
            default: throw .unexpected("expected a value", at: index)
            }
        let count = word.utf8CodeUnitCount
        guard index + count <= end, word.withUTF8Buffer({ bytes[start..<start + count].elementsEqual($0) }) else {
            throw .unexpected("expected a value", at: index)
        }
        index += count
        return start..<index
    }
}

extension UInt8 {
    var hexDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
