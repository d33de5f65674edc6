/// What is wrong with a text that should have been JSON.
enum JSONFault: Error, Equatable {
    case unexpected(at: Int)
    case unexpectedEnd
    case tooDeep
    case notUTF8(at: Int)
}

/// Reads JSON text (RFC 8259), strictly, in one pass. O(bytes).
struct JSONReader {
    static let depthMax = 128

    private let bytes: [UInt8]
    private var index = 0

    static func read(_ bytes: [UInt8]) throws(JSONFault) -> JSON {
        var reader = JSONReader(bytes: bytes)
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.index == bytes.count else { throw .unexpected(at: reader.index) }
        return value
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private mutating func value(depth: Int) throws(JSONFault) -> JSON {
        guard depth < Self.depthMax else { throw .tooDeep }
        skipSpace()
        switch try peek() {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func object(depth: Int) throws(JSONFault) -> JSON {
        index += 1
        var members: [JSON.Member] = []
        if try takeNext(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            let name = try string()
            try expectNext(UInt8(ascii: ":"))
            members.append(JSON.Member(name: name, value: try value(depth: depth + 1)))
            if try takeNext(UInt8(ascii: "}")) { return .object(members) }
            try expectNext(UInt8(ascii: ","))
        }
    }

    private mutating func array(depth: Int) throws(JSONFault) -> JSON {
        index += 1
        var elements: [JSON] = []
        if try takeNext(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            elements.append(try value(depth: depth + 1))
            if try takeNext(UInt8(ascii: "]")) { return .array(elements) }
            try expectNext(UInt8(ascii: ","))
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONFault) -> JSON {
        for offset in 0..<word.utf8CodeUnitCount {
            guard try peek() == word.utf8Start[offset] else { throw .unexpected(at: index) }
            index += 1
        }
        return value
    }

    private mutating func number() throws(JSONFault) -> Double {
        let start = index
        if try peek() == UInt8(ascii: "-") { index += 1 }
        if try peek() == UInt8(ascii: "0") { index += 1 } else { try digits() }
        if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
            index += 1
            try digits()
        }
        if index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") {
            index += 1
            let sign = try peek()
            if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { index += 1 }
            try digits()
        }
        guard let number = Double(String(decoding: bytes[start..<index], as: UTF8.self)) else {
            throw .unexpected(at: start)
        }
        return number
    }

    /// At least one.
    private mutating func digits() throws(JSONFault) {
        let start = index
        while index < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) { index += 1 }
        if index == start { throw index < bytes.count ? .unexpected(at: index) : .unexpectedEnd }
    }

    private mutating func string() throws(JSONFault) -> String {
        guard try peek() == UInt8(ascii: "\"") else { throw .unexpected(at: index) }
        index += 1
        let start = index
        // Most strings hold no escape and are taken whole.
        while try peek() != UInt8(ascii: "\""), bytes[index] != UInt8(ascii: "\\"), bytes[index] >= 0x20 { index += 1 }
        var text: [UInt8] = []
        if bytes[index] != UInt8(ascii: "\"") {
            text = Array(bytes[start..<index])
            try unescape(into: &text)
        }
        defer { index += 1 }
        let whole = text.isEmpty ? bytes[start..<index] : text[...]
        guard let string = String(validating: whole, as: UTF8.self) else { throw .notUTF8(at: start) }
        return string
    }

    /// The rest of a string that holds escapes, up to its closing quote.
    private mutating func unescape(into text: inout [UInt8]) throws(JSONFault) {
        while try peek() != UInt8(ascii: "\"") {
            guard bytes[index] >= 0x20 else { throw .unexpected(at: index) }
            guard bytes[index] == UInt8(ascii: "\\") else {
                text.append(bytes[index])
                index += 1
                continue
            }
            index += 1
            let escape = try peek()
            index += 1
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "u"): text.append(contentsOf: String(try scalar()).utf8)
            default: throw .unexpected(at: index - 1)
            }
        }
    }

    /// What follows `\u`, with the second half of a surrogate pair. A half alone becomes U+FFFD.
    private mutating func scalar() throws(JSONFault) -> Unicode.Scalar {
        let first = try hex4()
        if let scalar = Unicode.Scalar(first) { return scalar }
        let isPair =
            first < 0xDC00 && index + 1 < bytes.count
            && bytes[index] == UInt8(ascii: "\\") && bytes[index + 1] == UInt8(ascii: "u")
        guard isPair else { return "\u{FFFD}" }
        let afterFirst = index
        index += 2
        let second = try hex4()
        guard (0xDC00...0xDFFF).contains(second) else {
            index = afterFirst
            return "\u{FFFD}"
        }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) ?? "\u{FFFD}"
    }

    private mutating func hex4() throws(JSONFault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(try peek())).hexDigitValue else { throw .unexpected(at: index) }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }

    private func peek() throws(JSONFault) -> UInt8 {
        guard index < bytes.count else { throw .unexpectedEnd }
        return bytes[index]
    }

    private mutating func skipSpace() {
        while index < bytes.count, Self.isSpace(bytes[index]) { index += 1 }
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    private mutating func takeNext(_ byte: UInt8) throws(JSONFault) -> Bool {
        skipSpace()
        guard try peek() == byte else { return false }
        index += 1
        return true
    }

    private mutating func expectNext(_ byte: UInt8) throws(JSONFault) {
        guard try takeNext(byte) else { throw .unexpected(at: index) }
    }
}
