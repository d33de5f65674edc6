import Crypto

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
        let prefix = KeyPrefix(tenant: tenant, route: route, kind: kind, headers: headers, namespace: namespace)
        self = prefix.key(body: body)
    }
}

/// Everything of a key but the body: what comes before it is the same from request to request, and hashed once.
struct KeyPrefix: Sendable {
    private let hasher: SHA256

    /// For the usual request, which has no keyed header and no namespace.
    init(tenant: Tenant, route: String, kind: APIKind) {
        self.init(tenant: tenant, route: route, kind: kind, headers: KeyedHeaders(), namespace: "")
    }

    init(tenant: Tenant, route: String, kind: APIKind, headers: KeyedHeaders, namespace: String) {
        var parts: [UInt8] = []
        parts.reserveCapacity(192)
        Self.append([RequestKey.schemaVersion], to: &parts)
        Self.append(tenant.keyed, to: &parts)
        Self.append(route.utf8, to: &parts)
        Self.append(kind.rawValue.utf8, to: &parts)
        for name in KeyedHeaders.names {
            // An absent header and an empty one are different requests.
            Self.append((headers[name].map { "+" + $0 } ?? "").utf8, to: &parts)
        }
        Self.append(namespace.utf8, to: &parts)
        Self.append(count: Digest256.byteCount, to: &parts)
        var hasher = SHA256()
        hasher.update(data: parts)
        self.hasher = hasher
    }

    private static func append(_ part: some Collection<UInt8>, to parts: inout [UInt8]) {
        append(count: part.count, to: &parts)
        parts.append(contentsOf: part)
    }

    private static func append(count: Int, to parts: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) {
            parts.append(UInt8(truncatingIfNeeded: UInt64(count) >> UInt64(shift)))
        }
    }

    /// The key of a body behind this prefix: one or two blocks of SHA-256.
    func key(body: BodyDigest) -> RequestKey {
        var hasher = hasher
        hasher.update(body.digest)
        return RequestKey(Digest256(hasher.finalize()))
    }
}
