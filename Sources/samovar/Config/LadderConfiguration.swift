import SamovarCore

/// Whom to ask when a route's upstreams are busy or down: a `Fallback` as it is written.
struct FallbackConfiguration: Hashable, Sendable {
    var upstream = ""
    /// Nil: the model that the caller asked for.
    var model: String?

    static let keys: [ConfigurationKey<FallbackConfiguration>] = [
        .value("upstream", \.upstream, .name),
        .optional("model", \.model, .modelName),
    ]
}

/// How a route's callers are divided: a `Split` as it is written. Without arms they are not.
struct SplitConfiguration: Hashable, Sendable {
    struct Arm: Hashable, Sendable {
        var name = ""
        var share = 0
        /// Nil: the model that the caller asked for.
        var model: String?
        /// Empty: the route's.
        var upstreams: [String] = []

        static let keys: [ConfigurationKey<Arm>] = [
            .value("name", \.name, .name),
            .value("share", \.share, .count(0...Split.shareSum)),
            .optional("model", \.model, .modelName),
            .list("upstreams", \.upstreams, of: .name),
        ]
    }

    var by = Split.Identity.user
    var arms: [Arm] = []

    static let keys: [ConfigurationKey<SplitConfiguration>] = [
        .value("by", \.by, .choice),
        .items("arms", \.arms, empty: Arm(), Arm.keys, required: ["name", "share"]),
    ]
}

extension ValueFormat where Value == String {
    /// One model by its name.
    fileprivate static var modelName: Self {
        Self(allowed: "a model's name") { text in
            guard (1...256).contains(text.utf8.count),
                !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else { return .malformed }
            guard !text.contains("*") else { return .refused("'*' stands for no model that could be asked") }
            return .value(text)
        } spell: {
            $0
        }
    }

    /// Text for people, of any length up to this many bytes.
    static func words(sizeMax: Int) -> Self {
        Self(allowed: "a text of 1 to \(sizeMax) bytes") { text in
            (1...sizeMax).contains(text.utf8.count) ? .value(text) : .malformed
        } spell: {
            $0
        }
    }
}

extension ValueFormat where Value == Double {
    /// By how much something is multiplied: a decimal number with at most two decimals.
    static func factor(max: Int) -> Self {
        Self(allowed: "a number from 0 to \(max) with at most 2 decimals") { text in
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard (1...2).contains(parts.count), (1...4).contains(parts[0].utf8.count),
                parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
                parts.count == 1 || parts[1].utf8.count <= 2, let factor = Double(text), factor <= Double(max)
            else { return .malformed }
            return .value(factor)
        } spell: { factor in
            let hundredths = Int((factor * 100).rounded())
            var decimals = [hundredths / 10 % 10, hundredths % 10]
            while decimals.last == 0 { decimals.removeLast() }
            let digits = decimals.map(String.init).joined()
            return digits.isEmpty ? "\(hundredths / 100)" : "\(hundredths / 100).\(digits)"
        }
    }
}
