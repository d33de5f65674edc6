/// All routes in file order, and what of them is the same for every request. One reference, however many there are.
public struct RouteTable: Sendable {
    private let table: Table

    private final class Table: Sendable {
        let listenerTenant: String
        let listener: Tenant
        let rules: [RouteRule]
        /// The routes' rules, then those of their arms: each at its place.
        let places: [RouteRule]
        /// Whether any route is split.
        let hasArms: Bool
        /// Whether no caller's own Authorization goes upstream.
        let hasConfiguredKeysOnly: Bool

        init(_ routes: [Route], listenerTenant: String) {
            let listener = Tenant.listener(listenerTenant)
            self.listenerTenant = listenerTenant
            self.listener = listener
            var armPlace = routes.count
            rules = routes.enumerated().map { place, route in
                defer { armPlace += route.split?.arms.count ?? 0 }
                return RouteRule(route, at: place, armsAt: armPlace, listener: listener)
            }
            places = rules + rules.flatMap(\.arms)
            hasArms = places.count > rules.count
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

    func rule(at place: Int) -> RouteRule { table.places[place] }

    /// Whether any route is split between arms.
    public var hasArms: Bool { table.hasArms }

    /// The arm of the rule that an entry of a memo is of; nil: of a route that is not split.
    ///
    /// - Precondition: the entry is of this table.
    public func arm(of known: BodyMemo.Plain) -> SplitArm? { table.places[Int(known.rulePlace)].arm }

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
