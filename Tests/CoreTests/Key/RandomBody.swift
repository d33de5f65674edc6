import TestSupport

/// Random chat bodies as trees, spelled in random ways that mean the same.
struct RandomBody {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    private mutating func one<Element>(of elements: [Element]) -> Element { elements[below(elements.count)] }

    // MARK: Trees

    mutating func body() -> ReferenceJSON {
        var members: [ReferenceJSON.Member] = []
        let messages = (0..<below(5)).map { _ in message() }
        members.append(member("messages", .array(messages)))
        let others: [(String, ReferenceJSON)] = [
            ("model", .string(Array("m\(below(9))".unicodeScalars))), ("temperature", number()), ("seed", number()),
            ("stream", .word("true")), ("stream_options", object()), ("cache", object()), ("tools", .array([object()])),
            ("response_format", object()), ("user", string()), ("unknown \(below(9))", value(0)), ("a!", value(0)),
            ("a", value(0)), ("a\"", value(0)), ("n", .number("\(below(9))")), ("naïve", string()),
        ]
        for (name, value) in others where below(2) == 0 { members.append(member(name, value)) }
        return .object(members.shuffled(using: &random))
    }

    private func member(_ name: String, _ value: ReferenceJSON) -> ReferenceJSON.Member {
        ReferenceJSON.Member(name: Array(name.unicodeScalars), value: value)
    }

    private mutating func message() -> ReferenceJSON {
        if below(10) == 0 { return value(3) }
        var members = [member("role", .string(Array("user".unicodeScalars)))]
        members.append(member("content", below(2) == 0 ? string() : .array((0..<below(4)).map { _ in object() })))
        if below(3) == 0 { members.append(member("name", string())) }
        if below(3) == 0 { members.append(member("metadata", object())) }
        if below(3) == 0 {
            let call = ReferenceJSON.object([
                member("type", string()), member("id", string()), member("function", object()),
            ])
            members.append(member("tool_calls", below(5) == 0 ? call : .array([call, value(2)])))
        }
        return .object(members.shuffled(using: &random))
    }

    private mutating func value(_ depth: Int) -> ReferenceJSON {
        switch below(depth > 3 ? 3 : 5) {
        case 0: return string()
        case 1: return number()
        case 2: return .word(one(of: ["true", "false", "null"]))
        case 3: return .array((0..<below(4)).map { _ in value(depth + 1) })
        default: return object(depth + 1)
        }
    }

    private mutating func object(_ depth: Int = 1) -> ReferenceJSON {
        // Now and then more members than are compared as they come.
        let count = below(12) == 0 ? 15 + below(8) : below(6)
        let names = ["type", "text", "b", "ba", "b\u{1}", "b ", "image_url", "longer name 1", "longer name 2", "é"]
        return .object(
            (0..<count).map { number in
                member(number < names.count && count < 12 ? names[number] : "n\(number * 7 % 23)", value(depth + 1))
            }.shuffled(using: &random))
    }

    private mutating func string() -> ReferenceJSON {
        let pieces = [
            "a", " ", "plain prose of some length, ", "\"", "\\", "\n", "\t", "\u{0}", "\u{1F}", "é", "茶", "😀", "/",
            "\u{7F}", "e\u{301}", "\u{FFFF}", "{\"b\": 1}",
        ]
        return .string((0..<below(9)).flatMap { _ in Array(one(of: pieces).unicodeScalars) })
    }

    private mutating func number() -> ReferenceJSON {
        .number(
            one(of: [
                "0", "-0", "0.0", "1", "10", "100", "1.0", "0.7", "0.70", "7e-1", "-1.50", "1E+2", "9007199254740993",
                "12345678901234567890", "1e-400", "1.7976931348623157e308", "0.00100", "120e-2", "1000000.000001",
            ]))
    }

    // MARK: Spellings

    /// The same body spelled otherwise: white space, escapes, order where it does not count, numbers of the top object.
    mutating func spelled(_ body: ReferenceJSON) -> String {
        guard case .object(let members) = body else { return "" }
        return space()
            + object(members.shuffled(using: &random)) { (self, name, value) in
                if case .number(let spelled) = value { return self.otherwise(spelled) }
                guard name == "messages", case .array(let messages) = value else { return self.kept(value) }
                return self.array(messages.map { self.message($0) })
            } + space()
    }

    private mutating func message(_ message: ReferenceJSON) -> String {
        guard case .object(let members) = message else { return kept(message) }
        return object(members.shuffled(using: &random)) { (self, name, value) in
            guard case .array(let elements) = value else { return self.kept(value) }
            switch name {
            case "content": return self.array(elements.map { self.shuffledObject($0) })
            case "tool_calls": return self.array(elements.map { self.toolCall($0) })
            default: return self.kept(value)
            }
        }
    }

    private mutating func toolCall(_ call: ReferenceJSON) -> String {
        guard case .object(let members) = call else { return kept(call) }
        return object(members.shuffled(using: &random)) { (self, name, value) in
            name == "function" ? self.shuffledObject(value) : self.kept(value)
        }
    }

    private mutating func shuffledObject(_ value: ReferenceJSON) -> String {
        guard case .object(let members) = value else { return kept(value) }
        return object(members.shuffled(using: &random)) { (self, _, value) in self.kept(value) }
    }

    private mutating func kept(_ value: ReferenceJSON) -> String {
        switch value {
        case .object(let members): return object(members) { (self, _, value) in self.kept(value) }
        case .array(let elements): return array(elements.map { kept($0) })
        case .string(let scalars): return quoted(scalars)
        case .number(let spelled), .word(let spelled): return spelled
        }
    }

    private mutating func object(
        _ members: [ReferenceJSON.Member], _ spell: (inout RandomBody, String, ReferenceJSON) -> String
    ) -> String {
        let spelled = members.map { member in
            let name = String(String.UnicodeScalarView(member.name))
            return space() + quoted(member.name) + space() + ":" + space() + spell(&self, name, member.value) + space()
        }
        return "{" + (spelled.isEmpty ? space() : spelled.joined(separator: ",")) + "}"
    }

    private mutating func array(_ elements: [String]) -> String {
        let spelled = elements.map { space() + $0 + space() }
        return "[" + (spelled.isEmpty ? space() : spelled.joined(separator: ",")) + "]"
    }

    private mutating func space() -> String {
        below(3) == 0 ? one(of: [" ", "\n", "\t", "\r\n", "\n    ", "\n            ", "          "]) : ""
    }

    private mutating func quoted(_ scalars: [Unicode.Scalar]) -> String {
        "\"" + scalars.map { spelled($0) }.joined() + "\""
    }

    private mutating func spelled(_ scalar: Unicode.Scalar) -> String {
        let short: [Unicode.Scalar: String] = [
            "\"": "\\\"", "\\": "\\\\", "/": "\\/", "\u{8}": "\\b", "\u{C}": "\\f", "\n": "\\n", "\r": "\\r",
            "\t": "\\t",
        ]
        if let short = short[scalar], below(2) == 0 { return short }
        guard scalar < " " || scalar == "\"" || scalar == "\\" || below(8) == 0 else { return String(scalar) }
        return String(scalar).utf16.map { unit in
            let digits = String(unit, radix: 16, uppercase: below(2) == 0)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }.joined()
    }

    /// A number of the same value.
    private mutating func otherwise(_ spelled: String) -> String {
        guard !spelled.lowercased().contains("e") else { return spelled }
        switch below(4) {
        case 0: return spelled + (spelled.contains(".") ? "00" : ".0")
        case 1: return spelled + "e0"
        case 2: return spelled + "E+00"
        default: return spelled
        }
    }
}
