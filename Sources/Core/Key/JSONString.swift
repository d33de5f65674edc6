/// Strings of JSON, decoded and spelled again in the one canonical way.
///
/// Two strings are the same when their code points are: `\u00e9` is `é`. There is no Unicode
/// normalisation, and JSON held inside a string is not looked into.
package enum JSONString {
    /// Appends the text of a scanned string, canonically spelled, without quotes.
    ///
    /// Only `"`, `\` and control characters are escaped, so a text without a backslash is copied as it stands.
    static func appendCanonical(_ token: JSONScanner.StringToken, of bytes: [UInt8], to output: inout [UInt8]) {
        guard token.hasEscapes else {
            output.append(contentsOf: bytes[token.range])
            return
        }
        decode(token.range, of: bytes) { byte in
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case 0..<0x20:
                output.append(contentsOf: "\\u00".utf8)
                output.append(byte >> 4 == 0 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
                output.append("0123456789abcdef".utf8.dropFirst(Int(byte & 15)).first ?? 0)
            default:
                output.append(byte)
            }
        }
    }

    /// The decoded UTF-8 of a scanned string.
    package static func decoded(_ token: JSONScanner.StringToken, of bytes: [UInt8]) -> [UInt8] {
        guard token.hasEscapes else { return Array(bytes[token.range]) }
        var output: [UInt8] = []
        output.reserveCapacity(token.range.count)
        decode(token.range, of: bytes) { output.append($0) }
        return output
    }

    /// Gives each byte of the decoded text in turn. The escapes have been checked by the scanner.
    private static func decode(_ range: Range<Int>, of bytes: [UInt8], _ emit: (UInt8) -> Void) {
        var index = range.lowerBound
        while index < range.upperBound {
            guard bytes[index] == UInt8(ascii: "\\") else {
                emit(bytes[index])
                index += 1
                continue
            }
            let kind = bytes[index + 1]
            index += 2
            switch kind {
            case UInt8(ascii: "b"): emit(0x08)
            case UInt8(ascii: "f"): emit(0x0C)
            case UInt8(ascii: "n"): emit(0x0A)
            case UInt8(ascii: "r"): emit(0x0D)
            case UInt8(ascii: "t"): emit(0x09)
            case UInt8(ascii: "u"):
                var unit = hexUnit(bytes, at: index)
                index += 4
                if unit & 0xFC00 == 0xD800 {
                    let low = hexUnit(bytes, at: index + 2)
                    index += 6
                    unit = 0x10000 + ((unit & 0x3FF) << 10 | (low & 0x3FF))
                }
                emitUTF8(unit, emit)
            default: emit(kind)
            }
        }
    }

    private static func hexUnit(_ bytes: [UInt8], at index: Int) -> UInt32 {
        var unit: UInt32 = 0
        for byte in bytes[index..<index + 4] { unit = unit << 4 | UInt32(byte.hexDigit ?? 0) }
        return unit
    }

    private static func emitUTF8(_ scalar: UInt32, _ emit: (UInt8) -> Void) {
        guard let scalar = Unicode.Scalar(scalar), let encoded = UTF8.encode(scalar) else { return }
        for byte in encoded { emit(byte) }
    }
}
