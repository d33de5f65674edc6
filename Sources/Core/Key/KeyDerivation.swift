import Crypto

/// Whose entries a request may see. Tenants never share an entry, a flight or a stream.
///
/// Comes from the listener or from the credential that the upstream itself checks; never from a client's header.
public enum Tenant: Hashable, Sendable {
    /// The upstream's key is configured here, so the caller's own Authorization says nothing: all callers of
    /// a listener are one tenant.
    case listener(String)
    /// The caller's Authorization goes upstream: SHA-256 of it, domain-separated.
    case credential(digest: [UInt8])
    /// The caller's Authorization would go upstream, and there is none.
    case anonymous

    public init(authorization: String) {
        self = .credential(digest: Array(SHA256.hash(data: Array("samovar tenant\0\(authorization)".utf8))))
    }

    /// What stands for the tenant inside a key. The three kinds cannot meet.
    var keyed: [UInt8] {
        switch self {
        case .listener(let name): Array("listener:\(name)".utf8)
        case .credential(let digest): Array("credential:".utf8) + digest
        case .anonymous: Array("anonymous:".utf8)
        }
    }

    /// What a log line or a person may see.
    public var label: String {
        switch self {
        case .listener(let name): name
        case .credential(let digest): "credential \(digest.prefix(4).hexadecimal)"
        case .anonymous: "anonymous"
        }
    }
}

/// Which of the provider's calls a request is for.
public enum APIKind: String, CaseIterable, Sendable {
    case chat
    case completions
    case embeddings
    case models
}

extension RequestKey {
    /// Raised whenever canonicalisation, the fields below or the stored form change their meaning.
    public static let schemaVersion: UInt8 = 1

    /// The second of the key's two levels: SHA-256 over every part that makes requests differ, each with its
    /// length before it, so that no two lists of parts can spell the same bytes.
    ///
    /// - Parameter headers: the headers that are forwarded and change the answer (`KeyedHeaders`).
    public init(
        tenant: Tenant,
        route: String,
        kind: APIKind,
        headers: KeyedHeaders,
        namespace: String,
        body: BodyDigest
    ) {
        var parts: [UInt8] = []
        parts.reserveCapacity(256)
        func count(_ byteCount: Int) {
            for shift in stride(from: 56, through: 0, by: -8) {
                parts.append(UInt8(truncatingIfNeeded: UInt64(byteCount) >> UInt64(shift)))
            }
        }
        func part(_ bytes: [UInt8]) {
            count(bytes.count)
            parts.append(contentsOf: bytes)
        }
        func part(_ text: String) {
            count(text.utf8.count)
            parts.append(contentsOf: text.utf8)
        }
        part([Self.schemaVersion])
        part(tenant.keyed)
        part(route)
        part(kind.rawValue)
        for name in KeyedHeaders.names {
            // An absent header and an empty one are different requests.
            part(headers[name].map { "+" + $0 } ?? "")
        }
        part(namespace)
        part(body.bytes)
        self.init(bytes: Array(SHA256.hash(data: parts)))
    }
}

/// The request headers that are forwarded upstream and are part of the key. All others are stripped.
public struct KeyedHeaders: Hashable, Sendable {
    public static let names = [
        "openai-organization", "openai-project", "openai-beta", "anthropic-version", "anthropic-beta",
    ]

    private var values: [String: String] = [:]

    public init() {}

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
