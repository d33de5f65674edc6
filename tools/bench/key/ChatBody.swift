/// A chat request of a given size, as SDKs send it.
struct ChatBody {
    let style: Style
    let kibibytes: Int
    let bytes: [UInt8]

    enum Style: String, CaseIterable {
        /// No white space outside strings.
        case compact
        /// Two spaces for each level, as people send it.
        case pretty
        /// Compact, and text of three bytes a character.
        case chinese
    }

    init(style: Style, kibibytes: Int) {
        self.style = style
        self.kibibytes = kibibytes
        let size = kibibytes << 10
        var turns: [String] = []
        var body = Self.body(turns, style)
        while true {
            let next = turns + [Self.turn(turns.count, style, of: 600)]
            let longer = Self.body(next, style)
            if longer.utf8.count > size { break }
            (turns, body) = (next, longer)
        }
        turns.append(Self.turn(turns.count, style, of: 1))
        let missing = size - Self.body(turns, style).utf8.count
        if missing > 0 {
            turns[turns.count - 1] = Self.turn(turns.count - 1, style, of: 1 + missing)
            body = Self.body(turns, style)
        }
        bytes = Array(body.utf8)
    }

    private static func body(_ turns: [String], _ style: Style) -> String {
        let messages = turns.enumerated().map { number, text in
            object([("role", number % 2 == 0 ? "\"user\"" : "\"assistant\""), ("content", "\"\(text)\"")], style, 2)
        }
        let list =
            style == .pretty
            ? "[\n    \(messages.joined(separator: ",\n    "))\n  ]" : "[\(messages.joined(separator: ","))]"
        let members = [
            ("messages", list), ("model", "\"deepseek-chat\""), ("temperature", "0.7"), ("max_tokens", "1024"),
            ("stream", "true"),
        ]
        return object(members, style, 0)
    }

    private static func object(_ members: [(String, String)], _ style: Style, _ level: Int) -> String {
        guard style == .pretty else {
            return "{\(members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ","))}"
        }
        let indent = String(repeating: "  ", count: level)
        let lines = members.map { "\(indent)  \"\($0.0)\": \($0.1)" }
        return "{\n\(lines.joined(separator: ",\n"))\n\(indent)}"
    }

    /// Prose with a line break and a quotation every few sentences, of so many bytes.
    private static func turn(_ number: Int, _ style: Style, of size: Int) -> String {
        let sentence =
            style == .chinese
            ? "请告诉我一些关于茶的事情，以及人们为什么喜欢喝茶。"
            : "Tell me about tea, turn \(number), and why people like it so much in the morning. "
        var text = ""
        while text.utf8.count < size {
            text += text.utf8.count % 5 == 0 ? "\\n\\nThey said: \\\"\(sentence)\\\"" : sentence
        }
        var bytes = Array(text.utf8.prefix(size))
        // Cut between characters and escapes, and fill up.
        while let last = bytes.last, last >= 0x80 || last == UInt8(ascii: "\\") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self) + String(repeating: ".", count: size - bytes.count)
    }
}
