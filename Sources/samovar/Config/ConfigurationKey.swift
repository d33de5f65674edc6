/// One key of a section: its name, what may stand under it, and whether a reload can change it.
///
/// The lists of these are the only place that names a key: reading, rendering and comparing walk over them.
struct ConfigurationKey<Section: Sendable>: Sendable {
    /// When a changed value takes effect.
    enum Change: Sendable {
        /// With the next reload.
        case reload
        /// With the next start.
        case restart
    }

    typealias Path<Value> = any WritableKeyPath<Section, Value> & Sendable

    let name: String
    /// Reads what stands under the key into the section; what is wrong goes to the findings.
    let read: @Sendable (ConfigurationNode, _ path: String, inout Section, inout ConfigurationFindings) -> Void
    /// What stands under the key when the section is rendered.
    let node: @Sendable (Section) -> ConfigurationNode
    /// The paths that differ and cannot change before the next start.
    let changes: @Sendable (_ old: Section, _ new: Section, _ path: String) -> [String]
}

extension ConfigurationKey {
    /// A single value.
    static func value<Value>(
        _ name: String, _ place: Path<Value>, _ format: ValueFormat<Value>, _ change: Change = .reload
    ) -> Self {
        Self(name: name) { node, path, section, findings in
            if let value = format.value(of: node, at: path, &findings) { section[keyPath: place] = value }
        } node: {
            ConfigurationNode(.scalar(format.spell($0[keyPath: place])))
        } changes: {
            differs($0, $1, place, change) ? [$2] : []
        }
    }

    /// A single value that may be absent, which is also written `null`.
    static func optional<Value>(
        _ name: String, _ place: Path<Value?>, _ format: ValueFormat<Value>, _ change: Change = .reload
    ) -> Self {
        Self(name: name) { node, path, section, findings in
            if case .null = node.content {
                section[keyPath: place] = nil
            } else if let value = format.value(of: node, at: path, &findings) {
                section[keyPath: place] = value
            }
        } node: {
            ConfigurationNode($0[keyPath: place].map { .scalar(format.spell($0)) } ?? .null)
        } changes: {
            differs($0, $1, place, change) ? [$2] : []
        }
    }

    /// A list of single values, each at most once.
    static func list<Value>(
        _ name: String, _ place: Path<[Value]>, of format: ValueFormat<Value>, _ change: Change = .reload
    ) -> Self {
        Self(name: name) { node, path, section, findings in
            guard let items = node.listItems(at: path, &findings) else { return }
            var values: [Value] = []
            for (index, item) in items.enumerated() {
                let itemPath = keyPath(path, index)
                findings.written(itemPath, at: item.place)
                guard let value = format.value(of: item, at: itemPath, &findings) else { continue }
                if values.contains(value) {
                    findings.error(itemPath, "'\(format.spell(value))' stands in the list twice")
                } else {
                    values.append(value)
                }
            }
            section[keyPath: place] = values
        } node: {
            ConfigurationNode(.list($0[keyPath: place].map { ConfigurationNode(.scalar(format.spell($0))) }))
        } changes: {
            differs($0, $1, place, change) ? [$2] : []
        }
    }

    /// A section of its own.
    static func section<Inner: Sendable>(
        _ name: String, _ place: Path<Inner>, _ keys: [ConfigurationKey<Inner>]
    ) -> Self {
        Self(name: name) { node, path, section, findings in
            node.read(into: &section[keyPath: place], keys, at: path, &findings)
        } node: {
            ConfigurationNode(rendering: $0[keyPath: place], keys)
        } changes: { old, new, path in
            keys.changes(old[keyPath: place], new[keyPath: place], at: path)
        }
    }

    /// A section of its own that may be absent, which is also written `null`. Where it stands it begins as `empty`.
    static func optionalSection<Inner: Sendable & Equatable>(
        _ name: String, _ place: Path<Inner?>, empty: Inner, _ keys: [ConfigurationKey<Inner>],
        _ change: Change = .reload
    ) -> Self {
        Self(name: name) { node, path, section, findings in
            if case .null = node.content {
                section[keyPath: place] = nil
                return
            }
            var inner = section[keyPath: place] ?? empty
            node.read(into: &inner, keys, at: path, &findings)
            section[keyPath: place] = inner
        } node: {
            $0[keyPath: place].map { ConfigurationNode(rendering: $0, keys) } ?? ConfigurationNode(.null)
        } changes: {
            differs($0, $1, place, change) ? [$2] : []
        }
    }

    /// A list of sections, each beginning as `empty` and having at least the `required` keys.
    static func items<Item: Sendable>(
        _ name: String, _ place: Path<[Item]>, empty: Item, _ keys: [ConfigurationKey<Item>], required: [String],
        _ change: Change = .reload
    ) -> Self {
        Self(name: name) { node, path, section, findings in
            guard let nodes = node.listItems(at: path, &findings) else { return }
            section[keyPath: place] = nodes.enumerated().map { index, node in
                let itemPath = keyPath(path, index)
                findings.written(itemPath, at: node.place)
                var item = empty
                node.read(into: &item, keys, at: itemPath, &findings)
                node.require(required, at: itemPath, &findings)
                return item
            }
        } node: {
            ConfigurationNode(.list($0[keyPath: place].map { ConfigurationNode(rendering: $0, keys) }))
        } changes: { old, new, path in
            let (old, new) = (old[keyPath: place], new[keyPath: place])
            guard old.count == new.count else { return change == .restart ? [path] : [] }
            return zip(old, new).enumerated().flatMap { index, pair in
                keys.changes(pair.0, pair.1, at: keyPath(path, index))
            }
        }
    }

    /// A mapping whose keys are the user's own names. Rendered in the order of the names. Changes with a reload.
    static func mapping<Item: Sendable>(
        _ name: String, _ place: Path<[String: Item]>, from names: ValueFormat<String>, empty: Item,
        _ keys: [ConfigurationKey<Item>]
    ) -> Self {
        Self(name: name) { node, path, section, findings in
            guard let members = node.mappingMembers(at: path, &findings) else { return }
            for member in members {
                guard names.value(of: ConfigurationNode(.scalar(member.key)), at: path, &findings) != nil else {
                    continue
                }
                let memberPath = keyPath(path, member.key)
                findings.written(memberPath, at: member.place)
                var item = empty
                member.value.read(into: &item, keys, at: memberPath, &findings)
                section[keyPath: place][member.key] = item
            }
        } node: { section in
            ConfigurationNode(
                .mapping(
                    section[keyPath: place].sorted { $0.key < $1.key }.map { name, item in
                        .init(key: name, place: .nowhere, value: ConfigurationNode(rendering: item, keys))
                    }))
        } changes: { _, _, _ in
            []
        }
    }

    private static func differs<Value: Equatable>(
        _ old: Section, _ new: Section, _ place: Path<Value>, _ change: Change
    ) -> Bool {
        change == .restart && old[keyPath: place] != new[keyPath: place]
    }
}

extension Array {
    /// The paths of these keys that differ and cannot change before the next start.
    func changes<Section>(_ old: Section, _ new: Section, at path: String) -> [String]
    where Element == ConfigurationKey<Section> {
        flatMap { $0.changes(old, new, keyPath(path, $0.name)) }
    }
}
