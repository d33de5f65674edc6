// Unsafe memory: every request's body is read here, and a checked array costs several times the work. The scanner
// borrows the bytes for as long as the closure that made it runs. No byte is read at or beyond `end`: one byte is read
// after a comparison with `end`, a word only where eight bytes are left.

/// Reads the tokens of one JSON text (RFC 8259), strictly and in one pass.
///
/// Bytes outside strings are checked by the grammar; the whole text must have been checked as UTF-8
/// before. O(bytes), eight bytes a step inside strings and indentation. Knows nothing of what the members mean.
package struct JSONScanner {
    /// How deep arrays and objects may nest.
    package static let depthMax = 64

    package let bytes: UnsafeBufferPointer<UInt8>
    package var index: Int
    package let end: Int
    /// A provider may split a surrogate pair between two chunks, so answers are allowed halves; requests are not.
    package var allowsHalfSurrogates = false

    package init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.init(bytes, in: 0..<bytes.count)
    }

    /// Reads only `range` of the text, which an earlier scan has found to be one value.
    package init(_ bytes: UnsafeBufferPointer<UInt8>, in range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "the range lies in the text")
        self.bytes = bytes
        self.index = range.lowerBound
        self.end = range.upperBound
    }

    /// Runs a scan over an array's bytes, which are borrowed until it returns.
    package static func scan<Result>(
        _ bytes: [UInt8], _ scan: (inout JSONScanner) throws(BodyError) -> Result
    ) throws(BodyError) -> Result {
        try bytes.withUnsafeBufferPointer { bytes throws(BodyError) in
            var scanner = JSONScanner(bytes)
            return try scan(&scanner)
        }
    }

    /// The byte at the cursor, or 0 at the end (0 is no token anywhere in JSON).
    package var current: UInt8 {
        @inline(__always) get { index < end ? bytes[index] : 0 }
    }

    /// The eight bytes from the cursor on; nil where fewer are left.
    var word: UInt64? {
        @inline(__always) get {
            guard end - index >= 8 else { return nil }
            return UnsafeRawBufferPointer(bytes).loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
        }
    }

    @inline(__always)
    package mutating func skipSpace() {
        guard current <= 0x20 else { return }
        skipSpaces()
    }

    private mutating func skipSpaces() {
        while index < end {
            if let word {
                let count = JSONWords.spaceCount(word)
                index += count
                if count == 8 { continue }
            }
            let byte = bytes[index]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            index += 1
        }
    }

    @inline(__always)
    package mutating func expect(_ byte: UInt8, _ what: @autoclosure () -> String) throws(BodyError) {
        guard current == byte, index < end else { throw .unexpected("expected \(what())", at: index) }
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
        while true {
            skipPlainText()
            guard index < end else { throw .unexpected("the string has no end", at: start - 1) }
            switch bytes[index] {
            case UInt8(ascii: "\""):
                defer { index += 1 }
                return StringToken(range: start..<index, hasEscapes: hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                _ = try scanEscape()
            default:
                throw .controlCharacter(at: index)
            }
        }
    }

    /// Reads an escape and returns the code point that it stands for, or half a surrogate pair where those are allowed.
    mutating func scanEscape() throws(BodyError) -> UInt32 {
        let start = index
        index += 1
        let kind = current
        index += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt32(kind)
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"): return try scanUnit(startedAt: start)
        default: throw .unexpected("unknown escape", at: start)
        }
    }

    private mutating func scanUnit(startedAt start: Int) throws(BodyError) -> UInt32 {
        let unit = try scanFourHexDigits()
        guard unit & 0xF800 == 0xD800 else { return unit }
        // A high half must be followed by a low half, and a low half never comes first.
        let isPair =
            unit < 0xDC00 && end - index >= 2 && bytes[index] == UInt8(ascii: "\\")
            && bytes[index + 1] == UInt8(ascii: "u")
        guard isPair else {
            if allowsHalfSurrogates { return unit }
            throw .loneSurrogate(at: start)
        }
        let afterHigh = index
        index += 2
        let low = try scanFourHexDigits()
        if low & 0xFC00 == 0xDC00 { return 0x10000 + ((unit & 0x3FF) << 10 | (low & 0x3FF)) }
        guard allowsHalfSurrogates else { throw .loneSurrogate(at: start) }
        index = afterHigh
        return unit
    }

    private mutating func scanFourHexDigits() throws(BodyError) -> UInt32 {
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

    @inline(__always)
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
        guard count <= end - index else { throw .unexpected("expected a value", at: index) }
        for offset in 1..<count where bytes[start + offset] != word.utf8Start[offset] {
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
