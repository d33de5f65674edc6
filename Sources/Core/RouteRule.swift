/// A route, and what can be worked out before a request comes. One reference for every request on it.
final class RouteRule: Sendable {
    let route: Route
    /// In file order, arms behind all routes. Of no meaning for a fallback.
    let place: Int
    let ignored: IgnoredMembers
    /// One for each arm of the route's split; empty where it is not split.
    let arms: [RouteRule]
    /// One for each of the ladder's fallbacks: how their requests are treated.
    let fallbacks: [RouteRule]
    /// Of which arm this is.
    let arm: SplitArm?
    /// What stands for the route inside a key.
    private let keyed: String
    /// Whether all its requests are the listener's.
    private let isListeners: Bool
    /// For the listener's tenant, by kind.
    private let chat, completions, embeddings, models: KeyPrefix

    /// - Parameter armsAt: the place of its first arm.
    convenience init(_ route: Route, at place: Int, armsAt: Int = 0, listener: Tenant) {
        let fallbacks = route.ladder.fallbacks.map { fallback in
            // Another upstream's answers are no answers of this route's; another model's of the same upstream are
            // what whoever asks for that model gets.
            let keyed = fallback.isOwnUpstream ? route.name : "\(route.name)\0fallback\0\(fallback.upstream)"
            return RouteRule(
                route.falling(back: fallback), place: -1, keyed: keyed, isListeners: false, listener: listener)
        }
        let arms = (route.split?.arms ?? []).enumerated().map { index, arm in
            RouteRule(
                route.divided(to: arm), place: armsAt + index, keyed: "\(route.name)\0arm\0\(arm.name)",
                isListeners: route.credential == .configured, listener: listener, fallbacks: fallbacks,
                arm: SplitArm(route: route.name, name: arm.name))
        }
        self.init(
            route, place: place, keyed: route.name, isListeners: route.credential == .configured, listener: listener,
            arms: arms, fallbacks: fallbacks)
    }

    private init(
        _ route: Route, place: Int, keyed: String, isListeners: Bool, listener: Tenant, arms: [RouteRule] = [],
        fallbacks: [RouteRule] = [], arm: SplitArm? = nil
    ) {
        self.route = route
        self.place = place
        self.keyed = keyed
        self.isListeners = isListeners
        self.arms = arms
        self.fallbacks = fallbacks
        self.arm = arm
        ignored = IgnoredMembers(route.ignored)
        chat = KeyPrefix(tenant: listener, route: keyed, kind: .chat)
        completions = KeyPrefix(tenant: listener, route: keyed, kind: .completions)
        embeddings = KeyPrefix(tenant: listener, route: keyed, kind: .embeddings)
        models = KeyPrefix(tenant: listener, route: keyed, kind: .models)
    }

    func key(
        _ tenant: Tenant, _ kind: APIKind, headers: KeyedHeaders, namespace: String, body: BodyDigest
    ) -> RequestKey {
        guard isListeners, headers.isEmpty, namespace.isEmpty else {
            return RequestKey(
                tenant: tenant, route: keyed, kind: kind, headers: headers, namespace: namespace, body: body)
        }
        switch kind {
        case .chat: return chat.key(body: body)
        case .completions: return completions.key(body: body)
        case .embeddings: return embeddings.key(body: body)
        case .models: return models.key(body: body)
        }
    }
}

extension Route {
    /// How a request is treated that another model or upstream answers in this route's place. It has no ladder of its
    /// own to go down.
    fileprivate func falling(back fallback: Fallback) -> Route {
        var route = self
        route.upstreams = [fallback.upstream]
        route.credential = credential == .callers && fallback.takesAuthorization ? .callers : .configured
        route.ladder = LadderSteps(earlyRefresh: ladder.earlyRefresh)
        route.split = nil
        route.modelInstead = nil
        return route
    }

    /// How the callers of one arm are treated.
    fileprivate func divided(to arm: Split.Arm) -> Route {
        var route = self
        if !arm.upstreams.isEmpty { route.upstreams = arm.upstreams }
        route.modelInstead = arm.model
        route.split = nil
        return route
    }
}
