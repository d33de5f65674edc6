import SamovarCore

extension Configuration {
    /// The routes as the engine wants them.
    var routeTable: RouteTable {
        RouteTable(routes: routes.map { Route($0, in: self) }, listenerTenant: listen.tenant)
    }

    /// The upstreams that may answer on a route, in the order in which the configuration has them.
    func upstreams(of route: RouteConfiguration) -> [UpstreamConfiguration] {
        route.upstreams.isEmpty ? upstreams : upstreams.filter { route.upstreams.contains($0.name) }
    }

    /// The same, with nothing left to a default that depends on another key.
    var resolved: Configuration {
        var resolved = self
        resolved.cache.l1ItemSizeMax = cache.effectiveL1ItemSizeMax
        for index in routes.indices {
            resolved.routes[index].upstreams = upstreams(of: routes[index]).map(\.name)
            resolved.routes[index].ttl = routes[index].ttl ?? cache.ttl
            resolved.routes[index].staleTTL = routes[index].staleTTL ?? cache.staleTTL
        }
        return resolved
    }
}

extension Route {
    /// - Precondition: the configuration has been checked, so all upstreams of the route have a key or none has.
    init(_ route: RouteConfiguration, in configuration: Configuration) {
        let upstreams = configuration.upstreams(of: route)
        self.init(
            name: route.name,
            kinds: route.match.call.map { [$0.kind] },
            model: ModelPattern(route.match.model),
            upstreams: upstreams.map(\.name),
            credential: upstreams.contains { $0.apiKeyEnv != nil } ? .configured : .callers,
            ttl: route.ttl ?? configuration.cache.ttl,
            staleTTL: route.staleTTL ?? configuration.cache.staleTTL,
            sampling: route.sampling,
            storesLength: route.storeLength,
            storesContentFilter: route.storeContentFilter,
            finishWhenLeft: route.finishWhenLeft,
            ignored: Set(route.key.ignore),
            timeouts: route.deadline,
            batch: route.batch)
    }
}
