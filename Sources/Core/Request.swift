/// One thing a caller asks, understood: which requests are the same, and how this one wants to be answered.
public struct Request: Sendable {
    public let kind: APIKind
    /// The one that is asked: the caller's, or the one that its arm has in place of it.
    public let model: String
    let rule: RouteRule
    public let tenant: Tenant
    /// What makes it the same as others.
    public let key: RequestKey
    /// Nil for a request that has none (`GET /v1/models`).
    public internal(set) var body: CanonicalBody?
    public let headers: KeyedHeaders
    /// The caller's own Authorization, where the route passes it on.
    public let authorization: Secret?
    /// The form that the caller asked for.
    public let form: Form
    /// Whether a stream is to carry its usage (`stream_options.include_usage`).
    public let wantsUsage: Bool
    public let controls: Controls
    public internal(set) var sharing: Sharing
    /// How long this caller waits, whatever the flight's own deadlines are.
    public internal(set) var timeout: Duration?
    /// How urgent it is: as its route's requests are, or less, if the caller says so.
    public internal(set) var requestClass: RequestClass
    /// How many inputs are asked for at once, where they are several callers'; the answer must have as many parts.
    public internal(set) var inputCount: Int?
    /// The caller wants to be told which tenant it is.
    public let showsTenant: Bool

    public var route: Route {
        // Lent, not copied: a copy would count up every reference that a route holds.
        _read { yield rule.route }
    }

    /// The arm of the route's split that this caller is in; nil where it is not split.
    public var arm: SplitArm? { rule.arm }

    /// With whom the answer may be shared.
    public enum Sharing: Hashable, Sendable {
        /// With callers now and later.
        case stored
        /// With callers now.
        case coalesced
        /// With nobody: a flight that is on no board. `reason` says whose wish that was.
        case alone(NotStoredReason)
    }

    /// What a front has read of a request.
    public struct Arrival: Sendable {
        public var kind: APIKind
        public var body: [UInt8]?
        public var authorization: Secret?
        public var headers = KeyedHeaders()
        /// From the request's headers; the body's own are merged in.
        public var controls = Controls()
        public var timeout: Duration?
        /// How urgent the caller says it is.
        public var requestClass: RequestClass?
        public var showsTenant = false
        /// Who it is, for a split by header; empty: nobody in particular.
        public var splitID = ""

        public init(kind: APIKind, body: [UInt8]?) {
            self.kind = kind
            self.body = body
        }
    }

    /// Understands what has arrived. O(body).
    ///
    /// - Throws: what is wrong with the body.
    public init(_ arrival: Arrival, routes: RouteTable) throws(RequestError) {
        var canonicaliser = Canonicaliser()
        try self.init(arrival, routes: routes, with: &canonicaliser)
    }

    /// The same with memory that serves one request after the other: nothing is allocated for most of them. O(body).
    ///
    /// - Throws: what is wrong with the body.
    public init(
        _ arrival: Arrival, routes: RouteTable, with canonicaliser: inout Canonicaliser
    ) throws(RequestError) {
        let facts: BodyFacts
        do throws(BodyError) {
            if let bytes = arrival.body {
                try canonicaliser.read(bytes)
                facts = try BodyFacts(canonicaliser)
            } else {
                facts = BodyFacts()
            }
        } catch {
            throw .body(error)
        }
        guard var rule = routes.rule(for: arrival.kind, model: facts.model) else { throw .noRoute }
        if !rule.arms.isEmpty { rule = rule.arm(for: arrival, canonicaliser) }
        let digest = arrival.body == nil ? .noBody : canonicaliser.digest(ignoring: rule.ignored)
        let tenant = routes.tenant(for: rule.route, authorization: arrival.authorization)
        self.init(arrival, facts, digest, rule, tenant)
    }

    init(_ arrival: Arrival, _ facts: BodyFacts, _ digest: BodyDigest, _ rule: RouteRule, _ tenant: Tenant) {
        kind = arrival.kind
        model = rule.route.modelInstead ?? facts.model
        self.rule = rule
        self.tenant = tenant
        body = arrival.body.map(CanonicalBody.init(checked:))
        headers = arrival.headers
        authorization = rule.route.credential == .callers ? arrival.authorization : nil
        // Nothing else streams: elsewhere the member means nothing to us.
        form = facts.stream && (arrival.kind == .chat || arrival.kind == .completions) ? .stream : .body
        wantsUsage = facts.includeUsage
        controls = arrival.controls.merged(with: facts.controls)
        timeout = arrival.timeout
        requestClass = rule.route.requestClass.lowered(to: arrival.requestClass)
        showsTenant = arrival.showsTenant
        sharing = Self.sharing(controls: controls, facts: facts, kind: arrival.kind, route: rule.route)
        key = rule.key(
            tenant, arrival.kind, headers: arrival.headers, namespace: controls.namespace, body: digest)
    }

    private static func sharing(controls: Controls, facts: BodyFacts, kind: APIKind, route: Route) -> Sharing {
        if controls.noStore || facts.hasSideEffects { return .alone(.noStore) }
        guard facts.samples, kind == .chat || kind == .completions else { return .stored }
        switch route.sampling {
        case .share: return .stored
        case .coalesce: return .coalesced
        case .bypass: return .alone(.sampling)
        }
    }
}

/// Why a request cannot be understood.
public enum RequestError: Error, Hashable, Sendable {
    case body(BodyError)
    /// No route matches its path and model.
    case noRoute
}
