/// All routes in file order, and what of them is the same for every request. One reference, however many there are.
public struct RouteTable: Sendable {
    private let table: Table

    private final class Table: Sendable {
        let listenerTenant: String
        let listener: Tenant
        let rules: [RouteRule]
        /// Whether no caller's own Authorization goes upstream.
        let hasConfiguredKeysOnly: Bool

        init(_ routes: [Route], listenerTenant: String) {
            let listener = Tenant.listener(listenerTenant)
            self.listenerTenant = listenerTenant
            self.listener = listener
            rules = routes.enumerated().map { RouteRule($1, at: $0, listener: listener) }
            hasConfiguredKeysOnly = routes.allSatisfy { $0.credential == .configured }
        }
    }

    public init(routes: [Route], listenerTenant: String = "default") {
        table = Table(routes, listenerTenant: listenerTenant)
    }

    private var rules: [RouteRule] { table.rules }

    /// The tenant of callers whose own Authorization says nothing.
    public var listenerTenant: String { table.listenerTenant }

    public var routes: [Route] { rules.map(\.route) }

    /// The first that matches; nil where none does.
    public func route(for kind: APIKind, model: String) -> Route? {
        rule(for: kind, model: model)?.route
    }

    /// The first that matches; nil where none does. O(routes), no allocation.
    func rule(for kind: APIKind, model: String) -> RouteRule? {
        let model = model.utf8Span
        for rule in rules where rule.route.matches(kind, model.span) { return rule }
        return nil
    }

    /// The first route that takes whatever it is: its upstream and deadlines are for what passes through.
    public var forAnything: Route? {
        rules.first { $0.route.kinds == nil && $0.route.model.matches("".utf8Span.span) }?.route
    }

    /// Whether both are the one table that was made at one time; two that read alike are not.
    public func isSame(as other: RouteTable) -> Bool { table === other.table }

    func rule(at place: Int) -> RouteRule { rules[place] }

    /// Who a caller is before its route is known: its own Authorization says it unless no route passes that on.
    public func caller(authorization: Secret?) -> Tenant {
        if table.hasConfiguredKeysOnly { return table.listener }
        return authorization.map { Tenant(authorization: $0.revealed) } ?? .anonymous
    }

    /// Everybody whom this caller may be, over all routes: mostly it is one. In file order.
    public func tenants(authorization: Secret?) -> [Tenant] {
        var tenants: [Tenant] = []
        for route in routes {
            let tenant = tenant(for: route, authorization: authorization)
            if !tenants.contains(tenant) { tenants.append(tenant) }
        }
        return tenants
    }

    func tenant(for route: Route, authorization: Secret?) -> Tenant {
        switch route.credential {
        case .configured: table.listener
        case .callers: authorization.map { Tenant(authorization: $0.revealed) } ?? .anonymous
        }
    }
}

/// A route, and what can be worked out before a request comes. One reference for every request on it.
final class RouteRule: Sendable {
    let route: Route
    /// In file order.
    let place: Int
    let ignored: IgnoredMembers
    /// For the listener's tenant, by kind.
    private let chat, completions, embeddings, models: KeyPrefix

    init(_ route: Route, at place: Int, listener: Tenant) {
        self.route = route
        self.place = place
        ignored = IgnoredMembers(route.ignored)
        chat = KeyPrefix(tenant: listener, route: route.name, kind: .chat)
        completions = KeyPrefix(tenant: listener, route: route.name, kind: .completions)
        embeddings = KeyPrefix(tenant: listener, route: route.name, kind: .embeddings)
        models = KeyPrefix(tenant: listener, route: route.name, kind: .models)
    }

    func key(
        _ tenant: Tenant, _ kind: APIKind, headers: KeyedHeaders, namespace: String, body: BodyDigest
    ) -> RequestKey {
        guard route.credential == .configured, headers.isEmpty, namespace.isEmpty else {
            return RequestKey(
                tenant: tenant, route: route.name, kind: kind, headers: headers, namespace: namespace, body: body)
        }
        switch kind {
        case .chat: return chat.key(body: body)
        case .completions: return completions.key(body: body)
        case .embeddings: return embeddings.key(body: body)
        case .models: return models.key(body: body)
        }
    }
}
