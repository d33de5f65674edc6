/// How one caller wants the cache to treat one request. Each caller's own; nothing of it is in the key.
///
/// From `Cache-Control` (RFC 9111, 5.2.1) and from the body's `cache` member; where both speak, the stricter holds.
public struct Controls: Hashable, Sendable {
    /// On no board, and not stored.
    public var noStore = false
    /// Never a stored answer, and never a flight that began before this request. The answer is stored.
    public var noCache = false
    /// A stored answer or 504.
    public var onlyIfCached = false
    /// No stored answer older than this.
    public var maxAge: Duration?
    /// An expired answer will do, if it expired no longer ago than this.
    public var maxStale: Duration?
    /// The answer may be kept no longer than this.
    public var ttl: Duration?
    /// Keeps this caller's entries apart from others of the same tenant. This one is in the key.
    public var namespace = ""

    public init() {}

    /// Both at once: the stricter of each.
    public func merged(with other: Controls) -> Controls {
        var merged = self
        merged.noStore = noStore || other.noStore
        merged.noCache = noCache || other.noCache
        merged.onlyIfCached = onlyIfCached || other.onlyIfCached
        merged.maxAge = Self.shorter(maxAge, other.maxAge)
        merged.maxStale = Self.shorter(maxStale, other.maxStale)
        merged.ttl = Self.shorter(ttl, other.ttl)
        if merged.namespace.isEmpty { merged.namespace = other.namespace }
        return merged
    }

    private static func shorter(_ one: Duration?, _ other: Duration?) -> Duration? {
        guard let one else { return other }
        guard let other else { return one }
        return min(one, other)
    }
}

extension Controls {
    /// Reads the body's `cache` member: `{ttl, no-cache, no-store, namespace}`.
    ///
    /// - Parameter value: the member's value, as JSON that has been checked.
    /// - Throws: `BodyError.wrongType` naming the member that is wrong; a member it does not know is one.
    init(member value: [UInt8]) throws(BodyError) {
        self.init()
        guard value.first == UInt8(ascii: "{") else {
            throw .wrongType(member: "cache", expected: "an object")
        }
        for control in try JSONScanner.objectMembers(of: value, in: 0..<value.count) {
            let text = String(decoding: value[control.value], as: UTF8.self)
            switch control.name {
            case "no-cache": noCache = try Self.flag(text, "cache.no-cache")
            case "no-store": noStore = try Self.flag(text, "cache.no-store")
            case "ttl":
                guard let seconds = Int64(text), (0...Self.ttlSecondsMax).contains(seconds) else {
                    throw .wrongType(member: "cache.ttl", expected: "whole seconds, 0 to \(Self.ttlSecondsMax)")
                }
                ttl = .seconds(seconds)
            case "namespace":
                guard let name = JSONString.text(of: Array(value[control.value])),
                    name.utf8.count <= Self.namespaceByteMax
                else {
                    throw .wrongType(
                        member: "cache.namespace", expected: "a string of at most \(Self.namespaceByteMax) bytes")
                }
                namespace = name
            default:
                throw .wrongType(member: "cache", expected: "an object of ttl, no-cache, no-store and namespace only")
            }
        }
    }

    private static let ttlSecondsMax: Int64 = 10 * 365 * 86_400
    private static let namespaceByteMax = 256

    private static func flag(_ text: String, _ name: String) throws(BodyError) -> Bool {
        switch text {
        case "true": true
        case "false", "null": false
        default: throw .wrongType(member: name, expected: "true or false")
        }
    }
}
