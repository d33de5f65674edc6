extension ConfigurationNode {
    /// The section with every key, in the order of the keys.
    init<Section>(rendering section: Section, _ keys: [ConfigurationKey<Section>]) {
        self.init(.mapping(keys.map { Member(key: $0.name, place: .nowhere, value: $0.node(section)) }))
    }

    /// The tree as YAML, in block style; lists of single values in one line.
    func yaml(indent: Int = 0) -> String {
        switch content {
        case .null, .scalar: inline + "\n"
        case .mapping(let members): members.map { $0.yaml(indent: indent) }.joined()
        case .list(let items): items.map { $0.yamlItem(indent: indent) }.joined()
        }
    }

    /// A list's item: its first line carries the hyphen in place of two spaces.
    private func yamlItem(indent: Int) -> String {
        String(repeating: " ", count: indent) + "- " + yaml(indent: indent + 2).dropFirst(indent + 2)
    }

    /// What fits behind a key, or nil where it goes on lines of its own.
    fileprivate var inlined: String? {
        switch content {
        case .null, .scalar: inline
        case .mapping(let members): members.isEmpty ? "{}" : nil
        case .list(let items): items.allSatisfy(\.isSingle) ? "[\(items.map(\.inline).joined(separator: ", "))]" : nil
        }
    }

    private var isSingle: Bool {
        switch content {
        case .null, .scalar: true
        case .list, .mapping: false
        }
    }

    private var inline: String {
        if case .scalar(let text) = content { Self.quotedIfNeeded(text) } else { "null" }
    }

    /// Quotes whatever a YAML reader could take for something else than this text.
    fileprivate static func quotedIfNeeded(_ text: String) -> String {
        let isPlain =
            text.utf8.first.map { isWord($0) || $0 == UInt8(ascii: "/") } == true && text != "null"
            && text.utf8.allSatisfy { isWord($0) || "./:+-".utf8.contains($0) } && !text.hasSuffix(":")
        guard !isPlain else { return text }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case _ where scalar.properties.generalCategory == .control:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"): true
        default: false
        }
    }
}

extension ConfigurationNode.Member {
    fileprivate func yaml(indent: Int) -> String {
        let start = String(repeating: " ", count: indent) + ConfigurationNode.quotedIfNeeded(key) + ":"
        if let inlined = value.inlined { return "\(start) \(inlined)\n" }
        return "\(start)\n\(value.yaml(indent: indent + 2))"
    }
}
