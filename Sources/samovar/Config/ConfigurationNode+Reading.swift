extension ConfigurationNode {
    /// Reads a mapping into a section, key by key. Every key that nobody knows is an error.
    func read<Section>(
        into section: inout Section, _ keys: [ConfigurationKey<Section>], at path: String,
        _ findings: inout ConfigurationFindings
    ) {
        guard let members = mappingMembers(at: path, &findings) else { return }
        for member in members {
            let memberPath = keyPath(path, member.key)
            findings.written(memberPath, at: member.place)
            guard let key = keys.first(where: { $0.name == member.key }) else {
                member.unknown(at: path, among: keys.map(\.name), &findings)
                continue
            }
            key.read(member.value, memberPath, &section, &findings)
        }
    }

    /// What must be in a mapping, since it has no default.
    func require(_ names: [String], at path: String, _ findings: inout ConfigurationFindings) {
        guard let members else { return }
        for name in names where !members.contains(where: { $0.key == name }) {
            findings.error(keyPath(path, name), "is missing, and has no default")
        }
    }

    /// The members of a mapping, or nil after saying that it is none.
    func mappingMembers(at path: String, _ findings: inout ConfigurationFindings) -> [Member]? {
        // What has no path is the whole file.
        let place = path.isEmpty ? place : findings.place(of: path)
        guard let members else {
            findings.error(path, at: place, "expected a mapping; found \(kind)")
            return nil
        }
        guard members.count <= Self.memberCountMax else {
            findings.error(path, at: place, "has \(members.count) keys, more than \(Self.memberCountMax)")
            return nil
        }
        return members
    }

    /// The items of a list, or nil after saying that it is none.
    func listItems(at path: String, _ findings: inout ConfigurationFindings) -> [ConfigurationNode]? {
        guard let items else {
            let hint = if case .variable = place { "; lists are set in the file" } else { "" }
            findings.error(path, "expected a list; found \(kind)\(hint)")
            return nil
        }
        guard items.count <= Self.itemCountMax else {
            findings.error(path, "has \(items.count) items, more than \(Self.itemCountMax)")
            return nil
        }
        return items
    }

    /// Checks compare items and keys with each other, so their number is bounded.
    private static let itemCountMax = 1_000
    private static let memberCountMax = 10_000
}

extension ConfigurationNode.Member {
    fileprivate func unknown(at path: String, among known: [String], _ findings: inout ConfigurationFindings) {
        let nearest = NearestMatch.of(key, among: known)
        var hint = nearest.map { "; did you mean '\($0)'?" } ?? ""
        if let nearest, case .variable(let variable) = place {
            hint =
                EnvironmentOverlay.variable(variable, with: nearest, inside: path).map { "; did you mean '\($0)'?" }
                ?? hint
        }
        if nearest == nil { hint = "; known here: \(known.joined(separator: ", "))" }
        findings.error(keyPath(path, ConfigurationNode.shown(key: key)), at: place, "unknown key\(hint)")
    }
}
