/// What can be made unusable at once, without naming each request: all of a tenant, one of its namespaces, or all that
/// was asked of a model.
///
/// Known by a digest of its own, domain-separated: scopes of different kinds cannot meet.
public struct Scope: Hashable, Sendable {
    /// The raw values are the metric's label.
    public enum Kind: String, CaseIterable, Sendable {
        case tenant
        case namespace
        case model
    }

    public let kind: Kind
    private let digest: Digest256

    private init(_ kind: Kind, _ parts: [UInt8]...) {
        self.kind = kind
        var text = Array("samovar scope\0\(kind.rawValue)\0".utf8)
        for part in parts { text += part }
        digest = Digest256(of: text)
    }

    public static func tenant(_ tenant: Tenant) -> Scope {
        Scope(.tenant, tenant.identity.bytes)
    }

    /// A namespace belongs to its tenant: two tenants' of one name have nothing to do with each other.
    public static func namespace(_ name: String, of tenant: Tenant) -> Scope {
        Scope(.namespace, tenant.identity.bytes, Array(name.utf8))
    }

    /// What was asked of the model, by the name in the request, by all tenants.
    public static func model(_ name: String) -> Scope {
        Scope(.model, Array(name.utf8))
    }

    /// 32 bytes that no other scope has.
    public var bytes: [UInt8] { digest.bytes }

    /// 64 of its 256 bits: what answers carry. Two scopes that shared them would be made unusable together.
    public var id: UInt64 { digest.words.0 }
}

extension Request {
    /// All scopes that this request's answer belongs to: one to three. Costs as many hashes.
    public var scopes: [Scope] {
        var scopes = [Scope.tenant(tenant)]
        if !controls.namespace.isEmpty { scopes.append(.namespace(controls.namespace, of: tenant)) }
        if !model.isEmpty { scopes.append(.model(model)) }
        return scopes
    }
}
