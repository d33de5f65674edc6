import SamovarCore

/// A JSON value as it was spelled: strings keep their escapes, numbers their digits, objects their order.
///
/// For answers, which are taken apart and put together again without a digit or an escape being changed.
package enum JSONValue: Hashable, Sendable {
    case object([Member])
    case array([JSONValue])
    /// What stands between the quotes, escapes and all.
    case string([UInt8])
    /// A number, `true`, `false` or `null`, as spelled.
    case literal([UInt8])

    package struct Member: Hashable, Sendable {
        /// What stands between the quotes of the name.
        package let name: [UInt8]
        package var value: JSONValue
    }

    /// Reads a whole text. O(bytes).
    package init(parsing bytes: [UInt8]) throws(BodyError) {
        self = try JSONScanner.scan(bytes) { scanner throws(BodyError) in
            scanner.allowsHalfSurrogates = true
            scanner.skipSpace()
            let value = try Self.read(&scanner, depth: 0)
            scanner.skipSpace()
            guard scanner.index == scanner.end else {
                throw .unexpected("the text goes on after its value", at: scanner.index)
            }
            return value
        }
    }

    private static func read(_ scanner: inout JSONScanner, depth: Int) throws(BodyError) -> JSONValue {
        guard depth <= JSONScanner.depthMax else { throw .depthMax(at: scanner.index) }
        switch scanner.current {
        case UInt8(ascii: "\""):
            return .string(Array(scanner.bytes[try scanner.scanString().range]))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return .literal(Array(scanner.bytes[try scanner.scanNumber()]))
        case UInt8(ascii: "["):
            return .array(try readElements(&scanner, depth: depth))
        case UInt8(ascii: "{"):
            return .object(try readMembers(&scanner, depth: depth))
        default:
            return .literal(Array(scanner.bytes[try scanner.scanLiteral()]))
        }
    }

    private static func readElements(_ scanner: inout JSONScanner, depth: Int) throws(BodyError) -> [JSONValue] {
        scanner.index += 1
        scanner.skipSpace()
        var elements: [JSONValue] = []
        if scanner.current != UInt8(ascii: "]") {
            while true {
                elements.append(try read(&scanner, depth: depth + 1))
                scanner.skipSpace()
                guard scanner.current == UInt8(ascii: ",") else { break }
                scanner.index += 1
                scanner.skipSpace()
            }
        }
        try scanner.expect(UInt8(ascii: "]"), "',' or ']'")
        return elements
    }

    private static func readMembers(_ scanner: inout JSONScanner, depth: Int) throws(BodyError) -> [Member] {
        scanner.index += 1
        scanner.skipSpace()
        var members: [Member] = []
        if scanner.current != UInt8(ascii: "}") {
            while true {
                let name = Array(scanner.bytes[try scanner.scanString().range])
                scanner.skipSpace()
                try scanner.expect(UInt8(ascii: ":"), "':'")
                scanner.skipSpace()
                members.append(Member(name: name, value: try read(&scanner, depth: depth + 1)))
                scanner.skipSpace()
                guard scanner.current == UInt8(ascii: ",") else { break }
                scanner.index += 1
                scanner.skipSpace()
            }
        }
        try scanner.expect(UInt8(ascii: "}"), "',' or '}'")
        return members
    }
}

extension JSONValue {
    package static let null = JSONValue.literal(Array("null".utf8))

    /// A string of ours, which needs no escapes.
    package static func plain(_ text: StaticString) -> JSONValue {
        .string(text.withUTF8Buffer { Array($0) })
    }

    package var isNull: Bool { self == .null }

    package var members: [Member] {
        if case .object(let members) = self { members } else { [] }
    }

    package var elements: [JSONValue] {
        if case .array(let elements) = self { elements } else { [] }
    }

    /// The member of that name; names are compared as spelled.
    package subscript(name: StaticString) -> JSONValue? {
        members.first { $0.isNamed(name) }?.value
    }

    /// A whole number that fits, or nil.
    package var integer: Int? {
        if case .literal(let digits) = self { Int(String(decoding: digits, as: UTF8.self)) } else { nil }
    }

    /// The text of a string, escapes undone; nil for other values.
    package var text: String? {
        guard case .string(let raw) = self else { return nil }
        guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
        return JSONString.text(of: [UInt8(ascii: "\"")] + raw + [UInt8(ascii: "\"")], allowsHalfSurrogates: true)
    }

    /// Writes the value without any white space.
    package func append(to output: inout [UInt8]) {
        switch self {
        case .literal(let spelled): output.append(contentsOf: spelled)
        case .string(let raw):
            output.append(UInt8(ascii: "\""))
            output.append(contentsOf: raw)
            output.append(UInt8(ascii: "\""))
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for (position, element) in elements.enumerated() {
                if position > 0 { output.append(UInt8(ascii: ",")) }
                element.append(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for (position, member) in members.enumerated() {
                if position > 0 { output.append(UInt8(ascii: ",")) }
                output.append(UInt8(ascii: "\""))
                output.append(contentsOf: member.name)
                output.append(contentsOf: [UInt8(ascii: "\""), UInt8(ascii: ":")])
                member.value.append(to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    package var bytes: [UInt8] {
        var output: [UInt8] = []
        append(to: &output)
        return output
    }
}

extension JSONValue.Member {
    package init(_ name: StaticString, _ value: JSONValue) {
        self.init(name: name.withUTF8Buffer { Array($0) }, value: value)
    }

    package func isNamed(_ text: StaticString) -> Bool {
        name.count == text.utf8CodeUnitCount && text.withUTF8Buffer { name.elementsEqual($0) }
    }
}
