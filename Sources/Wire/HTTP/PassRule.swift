import SamovarCore

/// Which unlisted paths pass through to an upstream.
///
/// With the caller's own Authorization, every path below `/v1/`. Where a key is configured only the paths that are
/// named: otherwise any process on this host could use the operator's key for anything.
public struct PassRule: Hashable, Sendable {
    /// Compared exactly, as sent, without the query.
    public var named: Set<String>
    /// Whether the upstream that would be asked has a configured key.
    public var hasConfiguredKey: Bool

    public init(named: Set<String> = [], hasConfiguredKey: Bool) {
        self.named = named
        self.hasConfiguredKey = hasConfiguredKey
    }

    public func passes(_ head: RequestHead) -> Bool {
        let path = String(head.target.prefix { $0 != "?" })
        guard path.hasPrefix("/v1/"), Self.isPlain(path) else { return false }
        return named.contains(path) || (!hasConfiguredKey && head.value("authorization") != nil)
    }

    /// Nothing in it that another reader might resolve to a different path.
    private static func isPlain(_ path: String) -> Bool {
        path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "%") }
            && path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().allSatisfy {
                !$0.isEmpty && $0 != "." && $0 != ".."
            }
    }
}
