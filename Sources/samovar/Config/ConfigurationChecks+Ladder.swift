import SamovarCore

/// What a route serves when its upstreams are busy, and between whom it divides its callers.
extension ConfigurationChecks {
    func checkLadder(of index: Int, _ findings: inout ConfigurationFindings) {
        let route = configuration.routes[index]
        let path = "routes[\(index)]"
        let format = ValueFormat.duration(Configuration.Limits.timeouts)
        if let answerWithin = route.answerWithin, answerWithin > route.deadline.total {
            findings.error(
                "\(path).answer_within", "is longer than deadline.total, which is \(format.spell(route.deadline.total))"
            )
        }
        let staleTTL = route.staleTTL ?? configuration.cache.staleTTL
        if route.staleWhileRevalidate > staleTTL {
            findings.error(
                "\(path).stale_while_revalidate",
                "is longer than stale_ttl, which is \(format.spell(staleTTL)): nothing would be left to serve")
        }
        for position in route.fallback.indices {
            checkFallback(route.fallback[position], of: route, at: "\(path).fallback[\(position)]", &findings)
        }
    }

    private func checkFallback(
        _ fallback: FallbackConfiguration, of route: RouteConfiguration, at path: String,
        _ findings: inout ConfigurationFindings
    ) {
        guard !fallback.upstream.isEmpty else { return }
        guard let upstream = configuration.upstreams.first(where: { $0.name == fallback.upstream }) else {
            return noUpstream(fallback.upstream, at: "\(path).upstream", &findings)
        }
        let own = configuration.upstreams(of: route)
        if own.contains(where: { $0.name == upstream.name }), fallback.model == nil {
            findings.error(
                path, "'\(upstream.name)' is the route's own upstream; name another one, or a model to ask there")
        }
        // With a key of its own it is asked with that; where the route has one, callers' own goes nowhere.
        guard upstream.apiKeyEnv == nil, own.allSatisfy({ $0.apiKeyEnv == nil }),
            let home = own.first, !own.contains(where: { $0.hasOrigin(of: upstream) })
        else { return }
        findings.error(
            "\(path).upstream",
            "'\(upstream.name)' has no api_key_env, so callers' own Authorization, which is for '\(home.name)', would be "
                + "sent to another host; give it a key of its own")
    }

    func checkSplit(of index: Int, _ findings: inout ConfigurationFindings) {
        let route = configuration.routes[index]
        let arms = route.split.arms
        guard !arms.isEmpty else { return }
        let path = "routes[\(index)].split.arms"
        refuseTwins(arms.map(\.name), path, &findings)
        let sum = arms.reduce(0) { $0 + $1.share }
        if sum != Split.shareSum {
            findings.error(path, "the shares add up to \(sum), and not to \(Split.shareSum)")
        }
        let isKeyed = configuration.upstreams(of: route).contains { $0.apiKeyEnv != nil }
        for (place, arm) in arms.enumerated() {
            for (position, name) in arm.upstreams.enumerated() {
                let path = "\(path)[\(place)].upstreams[\(position)]"
                guard let upstream = configuration.upstreams.first(where: { $0.name == name }) else {
                    noUpstream(name, at: path, &findings)
                    continue
                }
                guard (upstream.apiKeyEnv != nil) != isKeyed else { continue }
                findings.error(
                    path,
                    "'\(name)' has \(isKeyed ? "no api_key_env" : "an api_key_env"), unlike the route's upstreams, so "
                        + "whose entries its callers may see would be unclear")
            }
        }
    }
}
