/// The environment laid over the file: `SAMOVAR__LISTEN__HTTP` is `listen.http`.
///
/// Two underscores stand between levels, case does not matter, and an upstream is named by its index:
/// `SAMOVAR__UPSTREAMS__0__URL`. What is laid over is checked like what is in the file. Routes, model prices and lists
/// have too much shape for variables and are set in the file.
struct EnvironmentOverlay {
    private typealias Place = ConfigurationError.Place

    private static let prefix = "samovar__"
    private static let onlyInFile = ["routes", "models", "passthrough"]
    private static let listed = "upstreams"

    private let variables: [(name: String, value: String)]

    /// In the order of the names, indices by their number: upstreams are added one after the other.
    init(_ environment: [String: String]) {
        func rank(_ name: String) -> String {
            let padded = Self.parts(of: name).map { part in
                Int(part) == nil ? part : String(repeating: "0", count: max(0, 20 - part.count)) + part
            }
            return padded.joined(separator: " ")
        }
        variables = environment.filter { $0.key.lowercased().hasPrefix(Self.prefix) }
            .sorted { (rank($0.key), $0.key) < (rank($1.key), $1.key) }
            .map { (name: $0.key, value: $0.value) }
    }

    /// Sets what the variables say.
    func apply(to root: inout ConfigurationNode, _ findings: inout ConfigurationFindings) {
        var seen: [[String]: String] = [:]
        for variable in variables {
            let place = Place.variable(variable.name)
            let parts = Self.parts(of: variable.name)
            guard !parts.contains("") else {
                findings.error("", at: place, "expected names with two underscores between them")
                continue
            }
            if let other = seen.updateValue(variable.name, forKey: parts) {
                findings.error("", at: place, "sets the same key as \(other)")
                continue
            }
            if Self.onlyInFile.contains(parts[0]) {
                findings.error(parts[0], at: place, "is set in the file, not in the environment")
                continue
            }
            let value = ConfigurationNode(variable.value.isEmpty ? .null : .scalar(variable.value), at: place)
            Self.set(parts[...], to: value, in: &root, path: "", &findings)
        }
    }

    /// `SAMOVAR__LISTEN__HTP` with `http` for the part that stands inside `listen`: `SAMOVAR__LISTEN__HTTP`.
    static func variable(_ name: String, with part: String, inside path: String) -> String? {
        var parts = parts(of: name)
        let index = path.isEmpty ? 0 : path.count { $0 == "." || $0 == "[" } + 1
        guard parts.indices.contains(index) else { return nil }
        parts[index] = part
        return (prefix + parts.joined(separator: "__")).uppercased()
    }

    private static func parts(of name: String) -> [String] {
        var parts = [""]
        var rest = name.lowercased().dropFirst(prefix.count)
        while let next = rest.first {
            if rest.hasPrefix("__") {
                parts.append("")
                rest = rest.dropFirst(2)
            } else {
                parts[parts.count - 1].append(next)
                rest = rest.dropFirst()
            }
        }
        return parts
    }

    /// Goes down along the parts, making what is not there. Where the file has something else than a mapping it is
    /// left alone: reading will say what is wrong with it.
    private static func set(
        _ parts: ArraySlice<String>, to value: ConfigurationNode, in node: inout ConfigurationNode, path: String,
        _ findings: inout ConfigurationFindings
    ) {
        guard let part = parts.first else {
            node = value
            return
        }
        if path == listed {
            setItem(parts, to: value, in: &node, path: path, &findings)
            return
        }
        guard var members = node.members else { return }
        if !members.contains(where: { $0.key == part }) {
            members.append(.init(key: part, place: value.place, value: ConfigurationNode(.null, at: value.place)))
        }
        for index in members.indices where members[index].key == part {
            if parts.count == 1 { members[index].place = value.place }
            set(parts.dropFirst(), to: value, in: &members[index].value, path: keyPath(path, part), &findings)
        }
        node.content = .mapping(members)
    }

    private static func setItem(
        _ parts: ArraySlice<String>, to value: ConfigurationNode, in node: inout ConfigurationNode, path: String,
        _ findings: inout ConfigurationFindings
    ) {
        guard var items = node.items else { return }
        guard let part = parts.first, let index = Int(part), (0...items.count).contains(index), String(index) == part
        else {
            let last = items.count
            findings.error(path, at: value.place, "expected an index from 0 to \(last), where \(last) adds one")
            return
        }
        if index == items.count { items.append(ConfigurationNode(.null, at: value.place)) }
        set(parts.dropFirst(), to: value, in: &items[index], path: keyPath(path, index), &findings)
        node.content = .list(items)
    }
}
