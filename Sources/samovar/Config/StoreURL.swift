import SamovarCore

/// The URL of the second cache. It may hold a password, so wherever it is printed it is masked.
struct StoreURL: Hashable, Sendable, CustomStringConvertible {
    /// The URL as written, for the one place that connects.
    let text: Secret
    /// The URL with `***` in place of the password.
    let description: String
    let scheme: String
    let hasPassword: Bool

    static let schemes = ["redis", "rediss", "redis+sentinel", "redis+cluster", "unix"]

    /// Nil where it is none of these:
    ///
    ///     redis://[user[:password]@]host[:port][/database]     rediss:// the same over TLS
    ///     redis+sentinel://…host[:port],…/name[/database]      redis+cluster://…host[:port],…
    ///     unix:///path
    init?(_ url: String) {
        guard let parts = URLParts(url), Self.schemes.contains(parts.scheme), !parts.hasMore else { return nil }
        if parts.scheme == "unix" {
            guard parts.hosts.isEmpty, parts.path.count > 1 else { return nil }
        } else {
            let hosts = parts.hosts.split(separator: ",", omittingEmptySubsequences: false)
            guard hosts.count == 1 || parts.scheme.contains("+") else { return nil }
            guard hosts.allSatisfy({ HostAndPort($0)?.isPlausible == true }) else { return nil }
            guard Self.isPath(parts.path, scheme: parts.scheme) else { return nil }
        }
        text = Secret(url)
        scheme = parts.scheme
        hasPassword = parts.userInfo.map { !$0.isEmpty } ?? false
        description = "\(parts.scheme)://\(Self.masked(parts.userInfo))\(parts.hosts)\(parts.path)"
    }

    private static func isPath(_ path: Substring, scheme: String) -> Bool {
        let segments = path.split(separator: "/")
        let isDatabase = { (segment: Substring) in Int(segment).map { (0...1_000_000).contains($0) } ?? false }
        return switch scheme {
        case "redis+cluster": segments.isEmpty
        case "redis+sentinel": (1...2).contains(segments.count) && segments.dropFirst().allSatisfy(isDatabase)
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
            allowed: "redis://, rediss://, redis+sentinel:// or redis+cluster:// with a host, or unix:///path",
            showsFound: false
        ) { text in
            StoreURL(text).map(Outcome.value) ?? .malformed
        } spell: {
            $0.description
        }
    }
}
