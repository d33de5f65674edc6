// Unsafe memory: borrows an array's bytes for one scan (see JSONScanner, which keeps the bounds).

/// Strings of JSON, decoded and spelled again in the one canonical way.
///
/// Two strings are the same when their code points are: `\u00e9` is `é`. There is no Unicode
/// normalisation, and JSON held inside a string is not looked into.
package enum JSONString {
    /// The decoded text of a JSON value, or nil where it is no string.
    package static func text(of value: [UInt8], allowsHalfSurrogates: Bool = false) -> String? {
        value.withUnsafeBufferPointer { text(of: $0, allowsHalfSurrogates: allowsHalfSurrogates) }
    }

    static func text(of value: UnsafeBufferPointer<UInt8>, allowsHalfSurrogates: Bool = false) -> String? {
        var scanner = JSONScanner(value)
        scanner.allowsHalfSurrogates = allowsHalfSurrogates
        guard let token = try? scanner.scanString() else { return nil }
        if !token.hasEscapes { return String(decoding: value[token.range], as: UTF8.self) }
        return String(decoding: decoded(token, of: value), as: UTF8.self)
    }

    /// The decoded UTF-8 of a scanned string. Half a surrogate pair, where the scanner let one pass, becomes U+FFFD.
    package static func decoded(_ token: JSONScanner.StringToken, of bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        guard token.hasEscapes else { return Array(bytes[token.range]) }
        var output: [UInt8] = []
        output.reserveCapacity(token.range.count)
        var scanner = JSONScanner(bytes, in: token.range)
        scanner.allowsHalfSurrogates = true
        while scanner.index < scanner.end {
            if scanner.current == UInt8(ascii: "\\"), let scalar = try? scanner.scanEscape() {
                output.append(
                    contentsOf: UTF8.encode(Unicode.Scalar(scalar) ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter)
            } else {
                output.append(scanner.current)
                scanner.index += 1
            }
        }
        return output
    }

    /// A text as a JSON value, with its quotes.
    package static func spelled(_ text: String) -> [UInt8] {
        var output = Scratch()
        output.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars { append(scalar.value, to: &output) }
        output.append(UInt8(ascii: "\""))
        return Array(output.bytes(0..<output.count))
    }

    /// Appends one code point of an escape, canonically spelled: only `"`, `\` and control characters are escaped.
    static func append(_ scalar: UInt32, to output: inout Scratch) {
        switch scalar {
        case 0x22, 0x5C:
            output.append(UInt8(ascii: "\\"))
            output.append(UInt8(truncatingIfNeeded: scalar))
        case 0..<0x20:
            output.append(JSONWords.escapedControl(UInt8(truncatingIfNeeded: scalar)), count: 6)
        case 0x20..<0x80:
            output.append(UInt8(truncatingIfNeeded: scalar))
        case 0x80..<0x800:
            output.append(0xC0 | UInt8(truncatingIfNeeded: scalar >> 6))
            output.append(continuation(scalar))
        case 0x800..<0x10000:
            output.append(0xE0 | UInt8(truncatingIfNeeded: scalar >> 12))
            output.append(continuation(scalar >> 6))
            output.append(continuation(scalar))
        default:
            output.append(0xF0 | UInt8(truncatingIfNeeded: scalar >> 18))
            output.append(continuation(scalar >> 12))
            output.append(continuation(scalar >> 6))
            output.append(continuation(scalar))
        }
    }

    @inline(__always)
    private static func continuation(_ scalar: UInt32) -> UInt8 {
        0x80 | UInt8(truncatingIfNeeded: scalar & 0x3F)
    }
}
