extension ValueFormat where Value == String {
    /// Any printable ASCII, not empty.
    static func text(sizeMax: Int) -> Self {
        text("1 to \(sizeMax) printable characters") { text in
            (1...sizeMax).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        }
    }

    /// What routes, upstreams and tenants are called: fit for a metric's label and a log line.
    static var name: Self {
        text("1 to 64 letters, digits, '.', '_' or '-'") { HostAndPort.isName($0) && $0.utf8.count <= 64 }
    }

    /// A model's name, where `*` stands for any run of characters.
    static var modelPattern: Self {
        text("a model's name, where * stands for anything") { text in
            (1...256).contains(text.utf8.count)
                && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
        }
    }

    /// The name of an environment variable, as POSIX has them (Base Definitions, 8.1). People put the secret itself
    /// here by mistake, and keys have small letters or hyphens: what was found is not shown.
    static var variableName: Self {
        let allowed =
            "the name of an environment variable (capital letters, digits, '_'); the secret itself stays there"
        return text(allowed, showsFound: false) { text in
            let isFirst = { (byte: UInt8) in (0x41...0x5A).contains(byte) || byte == UInt8(ascii: "_") }
            return (1...128).contains(text.utf8.count) && isFirst(text.utf8.first ?? 0)
                && text.utf8.allSatisfy { isFirst($0) || (0x30...0x39).contains($0) }
        }
    }

    static var filePath: Self {
        text("the path of a file") { text in (1...4_096).contains(text.utf8.count) && !text.utf8.contains(0) }
    }

    /// A name that a `Host` header may have, in small letters.
    static var hostName: Self {
        Self(allowed: "a host's name or address, without a port") { text in
            let parts = HostAndPort(text[...])
            guard let parts, parts.port == nil, parts.isPlausible else { return .malformed }
            return .value(text.lowercased())
        } spell: {
            $0
        }
    }

    /// What an `Origin` header may have (RFC 6454, 6.2): scheme, host and port only.
    static var origin: Self {
        Self(allowed: "an origin such as https://example.com, without a path", showsFound: false) { text in
            guard let parts = URLParts(text), ["http", "https"].contains(parts.scheme), parts.userInfo == nil,
                parts.path.isEmpty, parts.end.isEmpty, HostAndPort(parts.hosts)?.isPlausible == true
            else { return .malformed }
            return .value(text.lowercased())
        } spell: {
            $0
        }
    }

    /// The path of a call, compared byte for byte before percent-decoding.
    static var requestPath: Self {
        text("an absolute path without a query, such as /v1/moderations") { text in
            text.hasPrefix("/") && text.utf8.count <= 1_024
                && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"?#\\".utf8.contains($0) }
                && !text.split(separator: "/", omittingEmptySubsequences: false).contains { $0 == "." || $0 == ".." }
        }
    }

    /// Where an upstream's API begins: `https://api.deepseek.com/v1`.
    static var upstreamURL: Self {
        Self(allowed: "http:// or https:// with a host, and a path at most", showsFound: false) { text in
            guard let parts = URLParts(text), ["http", "https"].contains(parts.scheme) else { return .malformed }
            guard parts.userInfo == nil else {
                return .refused("a URL holds no user and no password; secrets come from the environment (api_key_env)")
            }
            guard parts.end.isEmpty else { return .refused("a URL has no query and no fragment here") }
            guard HostAndPort(parts.hosts)?.isPlausible == true, HostAndPort(parts.hosts)?.port != 0 else {
                return .malformed
            }
            return .value(text)
        } spell: {
            $0
        }
    }

    private static func text(
        _ allowed: String, showsFound: Bool = true, _ holds: @escaping @Sendable (String) -> Bool
    ) -> Self {
        Self(allowed: allowed, showsFound: showsFound) { text in
            holds(text) ? .value(text) : .malformed
        } spell: {
            $0
        }
    }
}

extension ValueFormat where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of a few words.
    static var choice: Self {
        let words = Value.allCases.map(\.rawValue)
        let allowed =
            words.count == 1 ? words[0] : words.dropLast().joined(separator: ", ") + " or " + words[words.count - 1]
        return Self(allowed: allowed, words: words) { text in
            Value(rawValue: text).map(Outcome.value) ?? .malformed
        } spell: {
            $0.rawValue
        }
    }
}
