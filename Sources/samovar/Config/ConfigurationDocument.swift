import Yams

/// The file's text, parsed: one YAML document of mappings, lists and single values, without anchors, aliases or tags.
///
/// The only place that knows Yams.
enum ConfigurationDocument {
    static let sizeMax = 1 << 20

    /// - Throws: the one thing that keeps the text from being parsed at all.
    static func parse(_ bytes: [UInt8]) throws(ConfigurationError) -> ConfigurationNode {
        guard bytes.count <= sizeMax else { throw whole("is larger than 1MiB") }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw whole("is not UTF-8") }
        try refuseAnchors(bytes)
        do {
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            guard let root = try parser.nextRoot() else { return ConfigurationNode(.null) }
            let node = try ConfigurationNode(root, depth: 0)
            if let second = try parser.nextRoot() {
                throw broken(second.mark?.line ?? 1, "a second document begins here; only one is read")
            }
            return node
        } catch let error as ConfigurationError {
            throw error
        } catch let error as YamlError {
            throw describe(error, in: text)
        } catch {
            throw whole("is not YAML")
        }
    }

    /// Yams puts what an anchor holds in place of every alias while it parses, and compares all keys of a mapping in
    /// full: a few hundred bytes of aliases to aliases, used as a key, cost hours. So anchors are looked for in the
    /// bytes, before parsing, wherever libyaml could begin a token: it makes no difference whether they stand in
    /// quotes or a comment, since telling that apart takes the parser itself. Without an anchor there is no alias.
    private static func refuseAnchors(_ bytes: [UInt8]) throws(ConfigurationError) {
        var line = 1
        for (index, byte) in bytes.enumerated() {
            if byte == UInt8(ascii: "\n") { line += 1 }
            guard byte == UInt8(ascii: "&"), index + 1 < bytes.count, isName(bytes[index + 1]) else { continue }
            if index == 0 || mayPrecedeToken(bytes[index - 1]) {
                throw broken(
                    line, "'&' before a word is an anchor to YAML, and anchors are not read, not even in quotes")
            }
        }
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }

    /// Space, an indicator or the end of a quoted text; and every byte outside ASCII, some of which are line breaks.
    private static func mayPrecedeToken(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte >= 0x80 || "[]{},:?'\"".utf8.contains(byte)
    }

    private static func describe(_ error: YamlError, in text: String) -> ConfigurationError {
        switch error {
        case .composer(_, "found undefined alias", let mark, _):
            return broken(
                mark.line, "'*' before a word is an alias to YAML, and aliases are not read; put the text in quotes")
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return broken(mark.line, "is not YAML: \(problem)")
        case .reader(let problem, let offset, _, _):
            let before = text.prefix(offset ?? 0)
            return broken(before.count { $0.isNewline } + 1, "is not YAML: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            return ConfigurationError(
                path: ConfigurationNode.shown(key: keys.first ?? ""), place: .file(line: context.mark.line),
                message: "this key appears more than once in its mapping")
        default:
            return whole("is not YAML")
        }
    }

    private static func whole(_ message: String) -> ConfigurationError {
        ConfigurationError(path: "", place: .nowhere, message: message)
    }

    private static func broken(_ line: Int, _ message: String) -> ConfigurationError {
        ConfigurationError(path: "", place: .file(line: line), message: message)
    }
}

extension ConfigurationNode {
    private static let depthMax = 16

    fileprivate init(_ node: Node, depth: Int) throws(ConfigurationError) {
        let place = ConfigurationError.Place.file(line: node.mark?.line ?? 1)
        guard depth <= Self.depthMax else {
            throw ConfigurationError(path: "", place: place, message: "is nested deeper than \(Self.depthMax)")
        }
        switch node {
        case .scalar(let scalar):
            try Self.refuseTag(scalar.tag, at: place)
            let isNull = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
            self.init(isNull ? .null : .scalar(scalar.string), at: place)
        case .sequence(let sequence):
            try Self.refuseTag(sequence.tag, at: place)
            var items: [ConfigurationNode] = []
            for item in sequence { items.append(try ConfigurationNode(item, depth: depth + 1)) }
            self.init(.list(items), at: place)
        case .mapping(let mapping):
            try Self.refuseTag(mapping.tag, at: place)
            var members: [Member] = []
            for (key, value) in mapping { members.append(try Self.member(key, value, depth: depth)) }
            self.init(.mapping(members), at: place)
        case .alias:
            throw ConfigurationError(path: "", place: place, message: "aliases are not read")
        }
    }

    private static func member(_ key: Node, _ value: Node, depth: Int) throws(ConfigurationError) -> Member {
        let place = ConfigurationError.Place.file(line: key.mark?.line ?? value.mark?.line ?? 1)
        guard let name = key.scalar?.string else {
            throw ConfigurationError(path: "", place: place, message: "a key is a single word")
        }
        return Member(key: name, place: place, value: try ConfigurationNode(value, depth: depth + 1))
    }

    private static func refuseTag(_ tag: Tag, at place: ConfigurationError.Place) throws(ConfigurationError) {
        // `str` is also what Yams says of every text in quotes.
        guard tag != .implicit, tag != Tag(.str) else { return }
        throw ConfigurationError(path: "", place: place, message: "'!' begins a tag to YAML, and tags are not read")
    }
}
