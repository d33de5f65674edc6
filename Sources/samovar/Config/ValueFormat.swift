/// How single values of one kind are written: what is allowed, how it is read, how it is spelled.
struct ValueFormat<Value: Hashable & Sendable>: Sendable {
    /// What reading a text comes to.
    enum Outcome {
        case value(Value)
        /// It is not what is allowed.
        case malformed
        /// It has the right form and is refused all the same. The reason shows no value that may be a secret.
        case refused(String)
    }

    /// What it takes, as said to one who wrote something else.
    let allowed: String
    /// False where people put secrets by mistake: then a message does not show what was found.
    var showsFound = true
    /// The words that are allowed, where there are few: one of them may have been meant.
    var words: [String] = []
    let read: @Sendable (String) -> Outcome
    let spell: @Sendable (Value) -> String

    /// The value of a node, or nil after saying what is wrong with it.
    func value(of node: ConfigurationNode, at path: String, _ findings: inout ConfigurationFindings) -> Value? {
        guard case .scalar(let text) = node.content else {
            findings.error(path, "expected \(allowed); found \(node.kind)")
            return nil
        }
        switch read(text) {
        case .value(let value): return value
        case .refused(let reason): findings.error(path, reason)
        case .malformed:
            let found = showsFound ? "; found '\(Self.shown(text))'" : ""
            findings.error(path, "expected \(allowed)\(found)\(NearestMatch.hint(text, among: words))")
        }
        return nil
    }

    /// The beginning of a text, fit for one line of a terminal.
    private static func shown(_ text: String) -> String {
        let printable = text.unicodeScalars.prefix(foundMax).map { $0.properties.isPrintable ? Character($0) : "?" }
        return String(printable) + (text.unicodeScalars.count > foundMax ? "…" : "")
    }

    private static var foundMax: Int { 40 }
}

extension Unicode.Scalar.Properties {
    fileprivate var isPrintable: Bool {
        switch generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: false
        default: true
        }
    }
}
