/// The request headers that are forwarded upstream and are part of the key. All others are stripped.
public struct KeyedHeaders: Hashable, Sendable {
    public static let names = [
        "openai-organization", "openai-project", "openai-beta", "anthropic-version", "anthropic-beta",
    ]

    private var values: [String: String] = [:]

    public init() {}

    /// Whether none is present.
    public var isEmpty: Bool { values.isEmpty }

    /// The value of a header by its lower-case name. Setting one that is not in `names` does nothing.
    public subscript(name: String) -> String? {
        get { values[name] }
        set { if Self.names.contains(name) { values[name] = newValue } }
    }

    /// Those that are present, in the order of `names`.
    public var present: [(name: String, value: String)] {
        Self.names.compactMap { name in values[name].map { (name, $0) } }
    }
}
