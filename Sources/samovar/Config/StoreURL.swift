import SamovarCore

/// The URL of the second cache. It may hold a password, so wherever it is printed it is masked.
struct StoreURL: Hashable, Sendable, CustomStringConvertible {
    /// The URL as written, for the one place that connects.
    let text: Secret
    /// The URL with `***` in place of the password.
    let description: String
    let scheme: String
    let hasPassword: Bool

    static let schemes = [
        "redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster", "unix",
    ]

    /// Nil where it is none of these:
    ///
    ///     redis://[user[:password]@]host[:port][/database]
    ///     redis+sentinel://…host[:port],…/name[/database]      redis+cluster://…host[:port],…
    ///     rediss://, rediss+sentinel://, rediss+cluster://     the same over TLS
    ///     unix://[user[:password]@]/path[?db=database]
    ///
    /// In user, password and a socket's path, `%` stands before two hexadecimal digits.
    init?(_ url: String) {
        guard let parts = URLParts(url), Self.schemes.contains(parts.scheme) else { return nil }
        if parts.scheme == "unix" {
            guard parts.hosts.isEmpty, parts.path.count > 1, Self.isSocketEnd(parts.end) else { return nil }
            guard Self.isEscaped(parts.path) else { return nil }
        } else {
            let hosts = parts.hosts.split(separator: ",", omittingEmptySubsequences: false).map { HostAndPort($0) }
            guard hosts.count == 1 || parts.scheme.contains("+"), parts.end.isEmpty else { return nil }
            guard hosts.allSatisfy({ $0?.isPlausible == true && $0?.port != 0 }) else { return nil }
            guard Self.isPath(parts.path, scheme: parts.scheme) else { return nil }
        }
        guard Self.isEscaped(parts.userInfo ?? "") else { return nil }
        text = Secret(url)
        scheme = parts.scheme
        hasPassword = parts.userInfo?.contains(":") ?? false
        description = "\(parts.scheme)://\(Self.masked(parts.userInfo))\(parts.hosts)\(parts.path)\(parts.end)"
    }

    var usesTLS: Bool { scheme.hasPrefix("rediss") }
    /// The same kind of thing over TLS.
    var tlsScheme: String {
        switch scheme {
        case "redis+sentinel": "rediss+sentinel"
        case "redis+cluster": "rediss+cluster"
        default: "rediss"
        }
    }
    var namesSentinels: Bool { scheme.hasSuffix("+sentinel") }

    private static func isDatabase(_ text: Substring) -> Bool {
        (1...6).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    private static func isSocketEnd(_ end: Substring) -> Bool {
        end.isEmpty || end.hasPrefix("?db=") && isDatabase(end.dropFirst(4))
    }

    private static func isEscaped(_ text: Substring) -> Bool {
        text.split(separator: "%", omittingEmptySubsequences: false).dropFirst()
            .allSatisfy { $0.count >= 2 && $0.prefix(2).allSatisfy(\.isHexDigit) }
    }

    private static func isPath(_ path: Substring, scheme: String) -> Bool {
        let segments = path.split(separator: "/")
        return switch scheme {
        case "redis+cluster", "rediss+cluster": segments.isEmpty
        case "redis+sentinel", "rediss+sentinel":
            (1...2).contains(segments.count) && segments.dropFirst().allSatisfy(isDatabase)
        default: segments.count <= 1 && segments.allSatisfy(isDatabase)
        }
    }

    /// A user's name stays, where a password follows it. Alone it is masked: some take it for the password.
    private static func masked(_ userInfo: Substring?) -> String {
        guard let userInfo else { return "" }
        guard let colon = userInfo.firstIndex(of: ":") else { return "***@" }
        return "\(userInfo[..<colon]):***@"
    }
}

extension ValueFormat where Value == StoreURL {
    static var storeURL: Self {
        Self(
            allowed: "redis://, rediss://, redis+sentinel:// or redis+cluster:// (or rediss+) with a host, "
                + "or unix:///path",
            showsFound: false
        ) { text in
            StoreURL(text).map(Outcome.value) ?? .malformed
        } spell: {
            $0.description
        }
    }
}
