/// A tree of what was written, whether in the file or in the environment.
struct ConfigurationNode: Hashable, Sendable {
    enum Content: Hashable, Sendable {
        /// Nothing, `~` or `null`.
        case null
        case scalar(String)
        case list([ConfigurationNode])
        case mapping([Member])
    }

    /// One key of a mapping with what stands under it.
    struct Member: Hashable, Sendable {
        var key: String
        var place: ConfigurationError.Place
        var value: ConfigurationNode
    }

    var content: Content
    var place: ConfigurationError.Place

    init(_ content: Content, at place: ConfigurationError.Place = .nowhere) {
        self.content = content
        self.place = place
    }

    /// What it is, as said to one who should have written something else. Never the value itself.
    var kind: String {
        switch content {
        case .null: "nothing"
        case .scalar: "a single value"
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }

    /// A key that nobody knows, fit for one line of a terminal.
    static func shown(key: String) -> String {
        let word = key.prefix(64)
        return !word.isEmpty && word.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? String(word) : "?"
    }

    /// The members of a mapping, in order. Nothing is an empty mapping: all its keys may be commented out.
    var members: [Member]? {
        switch content {
        case .mapping(let members): members
        case .null: []
        default: nil
        }
    }

    /// The items of a list; nothing is an empty one.
    var items: [ConfigurationNode]? {
        switch content {
        case .list(let items): items
        case .null: []
        default: nil
        }
    }
}

/// The path of a key inside another's: `routes` and `name` make `routes.name`.
func keyPath(_ path: String, _ name: String) -> String {
    path.isEmpty ? name : "\(path).\(name)"
}

/// The path of a list's item: `routes` and 0 make `routes[0]`.
func keyPath(_ path: String, _ index: Int) -> String {
    "\(path)[\(index)]"
}
