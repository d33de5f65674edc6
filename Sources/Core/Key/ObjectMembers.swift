// Unsafe memory: borrows an array's bytes for one scan (see JSONScanner, which keeps the bounds).

extension JSONScanner {
    /// The members of the object at `range`, in the order in which they stand; throws where it is no object.
    package static func objectMembers(
        of bytes: [UInt8], in range: Range<Int>
    ) throws(BodyError) -> [CanonicalBody.Member] {
        try bytes.withUnsafeBufferPointer { bytes throws(BodyError) in try objectMembers(of: bytes, in: range) }
    }

    static func objectMembers(
        of bytes: UnsafeBufferPointer<UInt8>, in range: Range<Int>
    ) throws(BodyError) -> [CanonicalBody.Member] {
        var scanner = JSONScanner(bytes, in: range)
        var members: [CanonicalBody.Member] = []
        scanner.skipSpace()
        try scanner.expect(UInt8(ascii: "{"), "an object")
        scanner.skipSpace()
        while scanner.current != UInt8(ascii: "}") {
            let start = scanner.index
            let token = try scanner.scanString()
            scanner.skipSpace()
            try scanner.expect(UInt8(ascii: ":"), "':'")
            scanner.skipSpace()
            let value = try scanner.skipValue()
            let name = String(decoding: JSONString.decoded(token, of: bytes), as: UTF8.self)
            members.append(CanonicalBody.Member(name: name, source: start..<value.upperBound, value: value))
            scanner.skipSpace()
            if scanner.current == UInt8(ascii: ",") {
                scanner.index += 1
                scanner.skipSpace()
            }
        }
        return members
    }

    /// Passes over one value, whatever it is, and returns where it stands.
    package mutating func skipValue(depth: Int = 0) throws(BodyError) -> Range<Int> {
        let start = index
        switch current {
        case UInt8(ascii: "\""): _ = try scanString()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): _ = try scanNumber()
        case UInt8(ascii: "{"), UInt8(ascii: "["): try skipNested(depth: depth)
        default: _ = try scanLiteral()
        }
        return start..<index
    }

    private mutating func skipNested(depth: Int) throws(BodyError) {
        guard depth < Self.depthMax else { throw .depthMax(at: index) }
        let isObject = current == UInt8(ascii: "{")
        let close = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
        index += 1
        skipSpace()
        if current == close {
            index += 1
            return
        }
        while true {
            if isObject {
                _ = try scanString()
                skipSpace()
                try expect(UInt8(ascii: ":"), "':'")
                skipSpace()
            }
            _ = try skipValue(depth: depth + 1)
            skipSpace()
            guard current == UInt8(ascii: ",") else { break }
            index += 1
            skipSpace()
        }
        try expect(close, isObject ? "',' or '}'" : "',' or ']'")
    }
}
