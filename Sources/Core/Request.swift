/// One thing a caller asks, understood: which requests are the same, and how this one wants to be answered.
public struct Request: Sendable {
    public let kind: APIKind
    public let model: String
    public let route: Route
    public let tenant: Tenant
    /// What makes it the same as others.
    public let key: RequestKey
    /// Nil for a request that has none (`GET /v1/models`).
    public let body: CanonicalBody?
    public let headers: KeyedHeaders
    /// The caller's own Authorization, where the route passes it on.
    public let authorization: Secret?
    /// The form that the caller asked for.
    public let form: Form
    /// Whether a stream is to carry its usage (`stream_options.include_usage`).
    public let wantsUsage: Bool
    public let controls: Controls
    public let sharing: Sharing
    /// How long this caller waits, whatever the flight's own deadlines are.
    public let timeout: Duration?
    /// The caller wants to be told which tenant it is.
    public let showsTenant: Bool

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
        public var showsTenant = false

        public init(kind: APIKind, body: [UInt8]?) {
            self.kind = kind
            self.body = body
        }
    }

    /// Understands what has arrived. O(body).
    ///
    /// - Throws: what is wrong with the body.
    public init(_ arrival: Arrival, routes: RouteTable) throws(RequestError) {
        do {
            let body: CanonicalBody? = if let bytes = arrival.body { try CanonicalBody(bytes) } else { nil }
            let facts = try BodyFacts(body)
            guard let route = routes.route(for: arrival.kind, model: facts.model) else { throw RequestError.noRoute }
            self.init(arrival, body: body, facts: facts, route: route, routes: routes)
        } catch let error as BodyError {
            throw .body(error)
        } catch let error as RequestError {
            throw error
        } catch {
            preconditionFailure("both kinds of error are caught above")
        }
    }

    private init(
        _ arrival: Arrival, body: CanonicalBody?, facts: BodyFacts, route: Route, routes: RouteTable
    ) {
        kind = arrival.kind
        model = facts.model
        self.route = route
        tenant = routes.tenant(for: route, authorization: arrival.authorization)
        self.body = body
        headers = arrival.headers
        authorization = route.credential == .callers ? arrival.authorization : nil
        // Nothing else streams: elsewhere the member means nothing to us.
        form = facts.stream && (arrival.kind == .chat || arrival.kind == .completions) ? .stream : .body
        wantsUsage = facts.includeUsage
        let controls = arrival.controls.merged(with: facts.controls)
        self.controls = controls
        timeout = arrival.timeout
        showsTenant = arrival.showsTenant
        sharing = Self.sharing(controls: controls, facts: facts, kind: arrival.kind, route: route)
        key = RequestKey(
            tenant: tenant, route: route.name, kind: arrival.kind, headers: arrival.headers,
            namespace: controls.namespace, body: body?.digest(ignoring: route.ignored) ?? .noBody)
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

/// What we read from the members of a body.
private struct BodyFacts {
    var model = ""
    var stream = false
    var includeUsage = false
    var controls = Controls()
    /// Whether the answer is drawn anew each time.
    var samples = true
    /// Whether the provider keeps something, or answers from something it keeps: no two such calls are the same.
    var hasSideEffects = false

    private static let modelByteMax = 512

    init(_ body: CanonicalBody?) throws(BodyError) {
        guard let body else { return }
        if let member = body["model"] {
            guard member.value.count <= Self.modelByteMax, let name = body.string(of: member.value) else {
                throw .wrongType(member: "model", expected: "a string of at most \(Self.modelByteMax) bytes")
            }
            model = name
        }
        stream = try body.boolean("stream")
        if let options = body["stream_options"] {
            includeUsage = body.objectMembers(of: options).contains {
                $0.name == "include_usage" && body.text(of: $0.value) == "true"
            }
        }
        controls = try body.controls()
        samples = Self.samples(body)
        hasSideEffects = try Self.hasSideEffects(body)
    }

    private static func samples(_ body: CanonicalBody) -> Bool {
        guard let temperature = body["temperature"], body.canonicalNumber(of: temperature) == "0" else { return true }
        if let tools = body["tools"] ?? body["functions"], !body.isNull(tools) { return true }
        guard let choices = body["n"], !body.isNull(choices) else { return false }
        return body.canonicalNumber(of: choices) != "1"
    }

    private static func hasSideEffects(_ body: CanonicalBody) throws(BodyError) -> Bool {
        if try body.boolean("store") { return true }
        if try body.boolean("background") { return true }
        return ["previous_response_id", "conversation"].contains { name in
            body[name].map { !body.isNull($0) } ?? false
        }
    }
}

extension CanonicalBody {
    /// The canonical spelling of a number, or nil where the value is none.
    fileprivate func canonicalNumber(of member: Member) -> String? {
        guard let first = bytes[member.value].first,
            first == UInt8(ascii: "-") || first.hexDigit.map({ $0 < 10 }) == true
        else { return nil }
        var output: [UInt8] = []
        CanonicalNumber.append(bytes[member.value], to: &output)
        return String(decoding: output, as: UTF8.self)
    }
}
