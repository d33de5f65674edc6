import Crypto

/// Whose entries a request may see. Tenants never share an entry, a flight or a stream.
///
/// Comes from the listener or from the credential that the upstream itself checks; never from a client's header.
public struct Tenant: Hashable, Sendable {
    /// SHA-256 of what it is, domain-separated: 32 bytes that no other tenant has.
    let identity: Digest256
    private let origin: Origin
    /// Of a listener; empty for the others.
    private let name: String

    private enum Origin: UInt8 { case listener, credential, anonymous }

    private init(_ origin: Origin, name: String = "", identity text: String) {
        self.origin = origin
        self.name = name
        identity = Digest256(of: Array(text.utf8))
    }

    /// The upstream's key is configured here, so the caller's own Authorization says nothing: all callers of
    /// a listener are one tenant.
    public static func listener(_ name: String) -> Tenant {
        Tenant(.listener, name: name, identity: "samovar listener\0\(name)")
    }

    /// The caller's Authorization goes upstream.
    public init(authorization: String) {
        self.init(.credential, identity: "samovar tenant\0\(authorization)")
    }

    /// The caller's Authorization would go upstream, and there is none.
    public static let anonymous = Tenant(.anonymous, identity: "samovar anonymous\0")

    /// What stands for the tenant inside a key. The three kinds cannot meet.
    var keyed: [UInt8] {
        switch origin {
        case .listener: Array("listener:\(name)".utf8)
        case .credential: Array("credential:".utf8) + identity.bytes
        case .anonymous: Array("anonymous:".utf8)
        }
    }

    /// What a log line or a person may see.
    public var label: String {
        switch origin {
        case .listener: name
        case .credential: "credential \(identity.bytes.prefix(4).hexadecimal)"
        case .anonymous: "anonymous"
        }
    }

    /// Whether it is known by a credential of its own, which goes upstream.
    var isCredential: Bool { origin == .credential }

    public static func == (left: Tenant, right: Tenant) -> Bool { left.identity == right.identity }
    public func hash(into hasher: inout Hasher) { hasher.combine(identity) }
}
