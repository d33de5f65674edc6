/// One thing that is wrong with a configuration: which key, where it was written, and what is allowed.
///
/// A warning has the same shape. The message never holds a value that may be a secret.
struct ConfigurationError: Error, Hashable, Sendable {
    /// Where a key was written.
    enum Place: Hashable, Sendable {
        case file(line: Int)
        case variable(String)
        /// Nowhere: it has its default.
        case nowhere
    }

    /// The key with everything above it, as in `routes[0].deadline.total`; empty for the file as a whole.
    let path: String
    let place: Place
    let message: String

    var line: Int? {
        if case .file(let line) = place { line } else { nil }
    }

    /// One line: `samovar.yaml:12: routes[0].ttll: unknown key; did you mean 'ttl'?`.
    func rendered(file: String?) -> String {
        let origin: String? =
            switch place {
            case .file(let line): "\(file ?? "line"):\(line)"
            case .variable(let name): name
            case .nowhere: file
            }
        return [origin, path.isEmpty ? nil : path, message].compactMap(\.self).joined(separator: ": ")
    }
}

/// Everything that is wrong with a configuration, in the order in which it was written.
struct ConfigurationErrors: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file's name, for messages; nil where no file is meant.
    let file: String?
    let errors: [ConfigurationError]

    /// A line for each.
    var description: String { errors.map { $0.rendered(file: file) }.joined(separator: "\n") }
}
