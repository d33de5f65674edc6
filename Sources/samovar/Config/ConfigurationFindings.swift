/// What reading has found so far: errors, warnings, and where each key was written.
struct ConfigurationFindings {
    private var places: [String: ConfigurationError.Place] = [:]
    private var allErrors: [ConfigurationError] = []
    private var allWarnings: [ConfigurationError] = []

    var errors: [ConfigurationError] { Self.inOrder(allErrors) }
    var warnings: [ConfigurationError] { Self.inOrder(allWarnings) }

    mutating func written(_ path: String, at place: ConfigurationError.Place) { places[path] = place }

    mutating func error(_ path: String, _ message: String) {
        allErrors.append(ConfigurationError(path: path, place: place(of: path), message: message))
    }

    mutating func error(_ path: String, at place: ConfigurationError.Place, _ message: String) {
        allErrors.append(ConfigurationError(path: path, place: place, message: message))
    }

    mutating func warning(_ path: String, _ message: String) {
        allWarnings.append(ConfigurationError(path: path, place: place(of: path), message: message))
    }

    /// Whether something inside a key was wrong already, so that more about it would only confuse.
    func hasErrors(inside path: String) -> Bool {
        allErrors.contains { $0.path.hasPrefix(path) }
    }

    /// Where a key was written; of one that was not, where the nearest thing around it was.
    func place(of path: String) -> ConfigurationError.Place {
        var path = path[...]
        while !path.isEmpty {
            if let place = places[String(path)] { return place }
            guard let end = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { break }
            path = path[..<end]
        }
        return .nowhere
    }

    /// By line, then by variable, then the rest; what shares a line as it was found.
    private static func inOrder(_ found: [ConfigurationError]) -> [ConfigurationError] {
        func rank(_ place: ConfigurationError.Place) -> (Int, Int, String) {
            switch place {
            case .file(let line): (0, line, "")
            case .variable(let name): (1, 0, name)
            case .nowhere: (2, 0, "")
            }
        }
        return found.enumerated()
            .sorted { left, right in
                let (one, other) = (rank(left.element.place), rank(right.element.place))
                return one == other ? left.offset < right.offset : one < other
            }
            .map(\.element)
    }
}
