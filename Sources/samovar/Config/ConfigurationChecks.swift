/// What no key can know alone: whether the keys of a configuration fit each other.
struct ConfigurationChecks {
    let configuration: Configuration

    func run(_ findings: inout ConfigurationFindings) {
        checkListeners(&findings)
        checkRedis(&findings)
        checkCache(&findings)
        checkUpstreams(&findings)
        checkPaces(&findings)
        checkRouteNames(&findings)
        for index in configuration.routes.indices {
            checkUpstreams(of: index, &findings)
            checkDeadline(of: index, &findings)
            checkBatch(of: index, &findings)
            checkReach(of: index, &findings)
            checkLadder(of: index, &findings)
            checkSplit(of: index, &findings)
        }
        checkPassthrough(&findings)
    }

    private func checkListeners(_ findings: inout ConfigurationFindings) {
        let listen = configuration.listen
        if listen.admin == listen.http, !listen.http.isAnyPort {
            findings.error("listen.admin", "is the same address as listen.http")
        }
        for (name, other) in [("http", listen.http), ("admin", listen.admin)] {
            guard let binary = listen.binary, binary == other, !binary.isAnyPort else { continue }
            findings.error("listen.binary", "is the same address as listen.\(name)")
        }
        checkCertificate(listen.certFile, listen.keyFile, of: "listen", &findings)
        if listen.clientCAFile != nil, listen.certFile == nil {
            findings.error("listen.client_ca_file", "is for TLS; needs cert_file and key_file beside it")
        }
        for (name, address) in listen.reachable where listen.certFile == nil {
            findings.error(
                "listen.\(name)",
                "'\(address)' can be reached from other machines, and nothing would protect it; listen on 127.0.0.1, "
                    + "[::1], localhost or unix:/path, or set listen.cert_file and listen.key_file, and a token "
                    + "(listen.access_token_env) or listen.client_ca_file")
        }
    }

    private func checkCertificate(
        _ certFile: String?, _ keyFile: String?, of section: String, _ findings: inout ConfigurationFindings
    ) {
        guard (certFile == nil) != (keyFile == nil) else { return }
        let (present, missing) = certFile == nil ? ("key_file", "cert_file") : ("cert_file", "key_file")
        findings.error("\(section).\(present)", "needs \(missing) beside it")
    }

    private func checkRedis(_ findings: inout ConfigurationFindings) {
        let redis = configuration.redis
        checkCertificate(redis.certFile, redis.keyFile, of: "redis", &findings)
        guard let url = redis.url else { return }
        if url.hasPassword, redis.passwordEnv != nil {
            findings.error("redis.password_env", "the url has a password already; only one of them can hold")
        }
        let sentinelKeys = [
            ("sentinel_user", redis.sentinelUser), ("sentinel_password_env", redis.sentinelPasswordEnv),
        ]
        for (name, value) in sentinelKeys where value != nil && !url.namesSentinels {
            findings.error(
                "redis.\(name)", "is for sentinels, and \(url.scheme):// names none; write redis+sentinel://")
        }
        if redis.sentinelUser != nil, redis.sentinelPasswordEnv == nil {
            findings.error("redis.sentinel_user", "needs sentinel_password_env beside it")
        }
        guard !url.usesTLS else { return }
        for (name, file) in [("ca_file", redis.caFile), ("cert_file", redis.certFile)] where file != nil {
            findings.error("redis.\(name)", "is for TLS, and \(url.scheme):// is not; write \(url.tlsScheme)://")
        }
    }

    private func checkCache(_ findings: inout ConfigurationFindings) {
        let cache = configuration.cache
        if let item = cache.l1ItemSizeMax, item > cache.l1SizeMax {
            let format = ValueFormat.size(0...Int.max)
            findings.error(
                "cache.l1_item_size_max",
                "is \(format.spell(item)), more than the \(format.spell(cache.l1SizeMax)) of cache.l1_size_max")
        }
    }

    private func checkUpstreams(_ findings: inout ConfigurationFindings) {
        refuseTwins(configuration.upstreams.map(\.name), "upstreams", &findings)
        for (index, upstream) in configuration.upstreams.enumerated() where upstream.caFile != nil {
            guard upstream.url.lowercased().hasPrefix("http:") else { continue }
            findings.error("upstreams[\(index)].ca_file", "is for TLS, and the url is http://; write https://")
        }
    }

    private func checkPaces(_ findings: inout ConfigurationFindings) {
        for (index, upstream) in configuration.upstreams.enumerated() {
            if upstream.burst != nil, upstream.requestsPerSecond == nil {
                findings.error("upstreams[\(index)].burst", "needs requests_per_second beside it")
            }
            if upstream.breaker.sleep > upstream.breaker.sleepMax {
                let longest = ValueFormat.duration(.zero...(.seconds(3_600))).spell(upstream.breaker.sleepMax)
                findings.error("upstreams[\(index)].breaker.sleep", "is longer than sleep_max, which is \(longest)")
            }
        }
        let tenant = configuration.admission.tenant
        if tenant.burst != nil, tenant.requestsPerSecond == nil {
            findings.error("admission.tenant.burst", "needs requests_per_second beside it")
        }
    }

    private func checkRouteNames(_ findings: inout ConfigurationFindings) {
        refuseTwins(configuration.routes.map(\.name), "routes", &findings)
    }

    func refuseTwins(_ names: [String], _ list: String, _ findings: inout ConfigurationFindings) {
        for (index, name) in names.enumerated() {
            guard !name.isEmpty, let first = names[..<index].firstIndex(of: name) else { continue }
            findings.error("\(list)[\(index)].name", "'\(name)' is also the name of \(list)[\(first)]")
        }
    }

    private func checkUpstreams(of index: Int, _ findings: inout ConfigurationFindings) {
        let route = configuration.routes[index]
        let path = "routes[\(index)].upstreams"
        let known = configuration.upstreams.map(\.name)
        for (position, name) in route.upstreams.enumerated() where !known.contains(name) {
            noUpstream(name, at: "\(path)[\(position)]", &findings)
        }
        guard !findings.hasErrors(inside: "upstreams") else { return }
        let upstreams = configuration.upstreams(of: route)
        guard let keyed = upstreams.first(where: { $0.apiKeyEnv != nil }),
            let unkeyed = upstreams.first(where: { $0.apiKeyEnv == nil })
        else { return }
        let subject = route == .default ? "the route 'default', which asks all upstreams," : "the route '\(route.name)'"
        findings.error(
            path,
            "\(subject) has '\(keyed.name)' with api_key_env and '\(unkeyed.name)' without, so whose entries its "
                + "callers may see would be unclear; name upstreams of one kind")
    }

    func noUpstream(_ name: String, at path: String, _ findings: inout ConfigurationFindings) {
        let known = configuration.upstreams.map(\.name)
        let list = known.isEmpty ? "none is configured" : "there are \(known.joined(separator: ", "))"
        let hint = NearestMatch.of(name, among: known).map { "did you mean '\($0)'?" } ?? list
        findings.error(path, "there is no upstream '\(name)'; \(hint)")
    }

    private func checkDeadline(of index: Int, _ findings: inout ConfigurationFindings) {
        let deadline = configuration.routes[index].deadline
        let total = ValueFormat.duration(Configuration.Limits.timeouts).spell(deadline.total)
        for (name, timeout) in [("first_token", deadline.firstToken), ("between_tokens", deadline.betweenTokens)]
        where timeout > deadline.total {
            findings.error("routes[\(index)].deadline.\(name)", "is longer than deadline.total, which is \(total)")
        }
    }

    private func checkBatch(of index: Int, _ findings: inout ConfigurationFindings) {
        let route = configuration.routes[index]
        guard let batch = route.batch else { return }
        let path = "routes[\(index)].batch"
        if let call = route.match.call, call != .embeddings {
            findings.error(path, "is for \(CachedCall.embeddings.rawValue), and the route takes \(call.rawValue) only")
        }
        if batch.window >= route.deadline.firstToken {
            let firstToken = ValueFormat.duration(Configuration.Limits.timeouts).spell(route.deadline.firstToken)
            findings.error("\(path).window", "is not shorter than deadline.first_token, which is \(firstToken)")
        }
    }

    /// A route behind one that takes everything it could take is probably a mistake. Not so for the route that nobody
    /// wrote.
    private func checkReach(of index: Int, _ findings: inout ConfigurationFindings) {
        let route = configuration.routes[index]
        guard route != .default else { return }
        let wider = configuration.routes[..<index].firstIndex { other in
            (other.match.call == nil || other.match.call == route.match.call)
                && (other.match.model == "*" || other.match.model == route.match.model)
        }
        guard let wider else { return }
        findings.warning("routes[\(index)]", "never matches: routes[\(wider)] takes all of its requests")
    }

    private func checkPassthrough(_ findings: inout ConfigurationFindings) {
        for (index, path) in configuration.passthrough.enumerated() where CachedCall(path: path) != nil {
            findings.error("passthrough[\(index)]", "is answered from the cache, so it cannot be passed through")
        }
    }
}

extension Configuration.Listen {
    /// The data ports that other machines can reach, by their keys.
    var reachable: [(name: String, address: ListenAddress)] {
        [("http", http)].filter { $0.1.isReachable }
            + [("binary", binary)].compactMap { name, address in
                address.flatMap { $0.isReachable ? (name, $0) : nil }
            }
    }
}

extension ListenAddress {
    /// Port 0: two of them are two different ports.
    fileprivate var isAnyPort: Bool {
        if case .tcp(_, port: 0) = self { true } else { false }
    }
}
