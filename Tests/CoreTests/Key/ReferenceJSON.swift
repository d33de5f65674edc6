import TestSupport

/// JSON read and spelled canonically in the slowest and plainest way: scalar by scalar, into a tree, by the rules as they
/// are written. Shares nothing with what it is compared to. Takes valid texts only.
indirect enum ReferenceJSON: Equatable {
    case object([Member])
    case array([ReferenceJSON])
    case string([Unicode.Scalar])
    case number(String)
    case word(String)

    struct Member: Equatable {
        var name: [Unicode.Scalar]
        var value: ReferenceJSON
    }

    // MARK: Reading

    struct Invalid: Error {}

    init(parsing text: String) throws {
        var rest = Array(text.unicodeScalars)[...]
        self = try Self.value(&rest)
        Self.skipSpace(&rest)
        if !rest.isEmpty { throw Invalid() }
    }

    private static func skipSpace(_ rest: inout ArraySlice<Unicode.Scalar>) {
        rest = rest.drop { " \n\r\t".unicodeScalars.contains($0) }
    }

    private static func value(_ rest: inout ArraySlice<Unicode.Scalar>) throws -> ReferenceJSON {
        skipSpace(&rest)
        switch rest.first {
        case "{":
            return .object(
                try list(&rest, to: "}") { rest in
                    skipSpace(&rest)
                    let name = try string(&rest)
                    skipSpace(&rest)
                    guard rest.popFirst() == ":" else { throw Invalid() }
                    return Member(name: name, value: try value(&rest))
                })
        case "[": return .array(try list(&rest, to: "]", value))
        case "\"": return .string(try string(&rest))
        default:
            let spelled = rest.prefix { !",]} \n\r\t".unicodeScalars.contains($0) }
            rest = rest.dropFirst(spelled.count)
            let text = String(String.UnicodeScalarView(spelled))
            return ["true", "false", "null"].contains(text) ? .word(text) : .number(text)
        }
    }

    private static func list<Element>(
        _ rest: inout ArraySlice<Unicode.Scalar>, to close: Unicode.Scalar,
        _ element: (inout ArraySlice<Unicode.Scalar>) throws -> Element
    ) throws -> [Element] {
        rest = rest.dropFirst()
        var elements: [Element] = []
        skipSpace(&rest)
        while rest.first != close {
            elements.append(try element(&rest))
            skipSpace(&rest)
            if rest.first == "," { rest = rest.dropFirst() }
            if rest.isEmpty { throw Invalid() }
        }
        rest = rest.dropFirst()
        return elements
    }

    private static func string(_ rest: inout ArraySlice<Unicode.Scalar>) throws -> [Unicode.Scalar] {
        guard rest.popFirst() == "\"" else { throw Invalid() }
        var units: [UInt16] = []
        while let scalar = rest.popFirst(), scalar != "\"" {
            guard scalar == "\\" else {
                units += Array(String(scalar).utf16)
                continue
            }
            switch rest.popFirst() {
            case "b": units.append(8)
            case "t": units.append(9)
            case "n": units.append(10)
            case "f": units.append(12)
            case "r": units.append(13)
            case "u":
                guard let unit = UInt16(String(String.UnicodeScalarView(rest.prefix(4))), radix: 16) else {
                    throw Invalid()
                }
                units.append(unit)
                rest = rest.dropFirst(4)
            case let other?: units += Array(String(other).utf16)
            case nil: throw Invalid()
            }
        }
        return Array(String(decoding: units, as: UTF16.self).unicodeScalars)
    }

    // MARK: Spelling

    static let leftOut = ["stream", "stream_options", "cache"]

    /// The canonical text of a body.
    var canonicalBody: String {
        guard case .object(let members) = self else { return "" }
        let counted = members.filter { !Self.leftOut.contains(Self.text($0.name)) }
        return Self.sorted(counted) { name, value in
            switch value {
            case .number(let spelled): Self.exact(spelled)
            case .array(let messages) where name == "messages": Self.array(messages.map(\.message))
            default: value.kept
            }
        }
    }

    private var message: String {
        sortedObject { name, value in
            switch value {
            case .array(let parts) where name == "content":
                Self.array(parts.map { $0.sortedObject { _, value in value.kept } })
            case .array(let calls) where name == "tool_calls": Self.array(calls.map(\.toolCall))
            default: value.kept
            }
        }
    }

    private var toolCall: String {
        sortedObject { name, value in
            name == "function" ? value.sortedObject { _, value in value.kept } : value.kept
        }
    }

    private func sortedObject(_ spell: (String, ReferenceJSON) -> String) -> String {
        if case .object(let members) = self { Self.sorted(members, spell) } else { kept }
    }

    private static func sorted(_ members: [Member], _ spell: (String, ReferenceJSON) -> String) -> String {
        let spelled = members.map { (quoted($0.name), spell(text($0.name), $0.value)) }
        let inOrder = spelled.sorted { Array($0.0.utf8).lexicographicallyPrecedes(Array($1.0.utf8)) }
        return "{" + inOrder.map { $0.0 + ":" + $0.1 }.joined(separator: ",") + "}"
    }

    private static func array(_ elements: [String]) -> String { "[" + elements.joined(separator: ",") + "]" }

    /// With nothing sorted.
    private var kept: String {
        switch self {
        case .object(let members):
            "{" + members.map { Self.quoted($0.name) + ":" + $0.value.kept }.joined(separator: ",") + "}"
        case .array(let elements): Self.array(elements.map(\.kept))
        case .string(let scalars): Self.quoted(scalars)
        case .number(let spelled), .word(let spelled): spelled
        }
    }

    private static func text(_ scalars: [Unicode.Scalar]) -> String {
        String(String.UnicodeScalarView(scalars))
    }

    private static func quoted(_ scalars: [Unicode.Scalar]) -> String {
        let inside = scalars.map { scalar -> String in
            switch scalar {
            case "\"": "\\\""
            case "\\": "\\\\"
            case "\0"..<" ": "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: String(scalar)
            }
        }
        return "\"" + inside.joined() + "\""
    }

    /// Digits without zeros at either end, and the power of ten that makes up for it.
    private static func exact(_ spelled: String) -> String {
        let parts = spelled.lowercased().split(separator: "e")
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let fraction = mantissa.count > 1 ? String(mantissa[1]) : ""
        var digits = mantissa[0].drop { $0 == "-" } + fraction
        var power = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) - fraction.count
        while digits.first == "0" { digits.removeFirst() }
        while digits.last == "0" {
            digits.removeLast()
            power += 1
        }
        if digits.isEmpty { return "0" }
        return (spelled.hasPrefix("-") ? "-" : "") + digits + (power == 0 ? "" : "e\(power)")
    }
}
