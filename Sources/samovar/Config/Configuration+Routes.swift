import SamovarCore

extension Configuration {
    /// The routes as the engine wants them.
    var routeTable: RouteTable {
        RouteTable(routes: routes.map { Route($0, in: self) }, listenerTenant: listen.tenant)
    }

    /// The upstreams that may answer on a route, in the order in which the configuration has them.
    ///
    /// A route that names none asks all; but those that are named as a fallback, or for an arm, and nowhere else, are
    /// there for that.
    func upstreams(of route: RouteConfiguration) -> [UpstreamConfiguration] {
        guard route.upstreams.isEmpty else { return upstreams.filter { route.upstreams.contains($0.name) } }
        let named = Set(routes.flatMap(\.upstreams))
        let aside = Set(
            routes.flatMap { $0.fallback.map(\.upstream) + $0.split.arms.flatMap(\.upstreams) }
        ).subtracting(named)
        let others = upstreams.filter { !aside.contains($0.name) }
        return others.isEmpty ? upstreams : others
    }

    /// The fallbacks of a route, of those whose upstreams there are.
    func fallbacks(of route: RouteConfiguration) -> [Fallback] {
        let own = upstreams(of: route)
        return route.fallback.compactMap { fallback in
            guard let upstream = upstreams.first(where: { $0.name == fallback.upstream }) else { return nil }
            return Fallback(
                upstream: upstream.name, model: fallback.model,
                isOwnUpstream: own.contains { $0.name == upstream.name },
                takesAuthorization: upstream.apiKeyEnv == nil && own.contains { $0.hasOrigin(of: upstream) })
        }
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
            requestClass: route.urgency == .batch ? .batch : .interactive,
            queueTimeout: route.queueTimeout,
            ladder: LadderSteps(
                earlyRefresh: route.earlyRefresh, staleWhileRevalidate: route.staleWhileRevalidate,
                answerWithin: route.answerWithin, fallbacks: configuration.fallbacks(of: route),
                fixedAnswer: route.fixedAnswer),
            split: route.split.arms.isEmpty
                ? nil
                : Split(
                    by: route.split.by,
                    arms: route.split.arms.map { arm in
                        Split.Arm(name: arm.name, share: arm.share, model: arm.model, upstreams: arm.upstreams)
                    }),
            batch: route.batch)
    }
}

extension UpstreamConfiguration {
    /// Whether both are the same server: scheme, host and port.
    func hasOrigin(of other: UpstreamConfiguration) -> Bool {
        guard let own = URLParts(url), let others = URLParts(other.url) else { return false }
        return own.scheme == others.scheme && own.hosts.lowercased() == others.hosts.lowercased()
    }
}
