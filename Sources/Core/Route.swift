/// How requests of one kind are treated. The first route that matches, in file order, holds.
public struct Route: Hashable, Sendable {
    /// Part of the key: entries of two routes never meet.
    public var name: String
    /// The kinds it is for; nil is all.
    public var kinds: Set<APIKind>?
    public var model: ModelPattern
    /// The names of the upstreams that may answer.
    public var upstreams: [String]
    public var credential: Credential
    public var ttl: Duration
    public var staleTTL: Duration
    public var sampling: Sampling
    public var storesLength: Bool
    public var storesContentFilter: Bool
    public var finishWhenLeft: Bool
    /// Top-level members of the body that do not make two requests different here.
    public var ignored: Set<String>
    public var timeouts: AnswerDeadlines.Timeouts

    public init(
        name: String = "default",
        kinds: Set<APIKind>? = nil,
        model: ModelPattern = ModelPattern("*"),
        upstreams: [String] = [],
        credential: Credential = .callers,
        ttl: Duration = .seconds(3_600),
        staleTTL: Duration = .seconds(86_400),
        sampling: Sampling = .share,
        storesLength: Bool = false,
        storesContentFilter: Bool = false,
        finishWhenLeft: Bool = false,
        ignored: Set<String> = [],
        timeouts: AnswerDeadlines.Timeouts = AnswerDeadlines.Timeouts()
    ) {
        self.name = name
        self.kinds = kinds
        self.model = model
        self.upstreams = upstreams
        self.credential = credential
        self.ttl = ttl
        self.staleTTL = staleTTL
        self.sampling = sampling
        self.storesLength = storesLength
        self.storesContentFilter = storesContentFilter
        self.finishWhenLeft = finishWhenLeft
        self.ignored = ignored
        self.timeouts = timeouts
    }

    /// Whose credential the route's upstreams are asked with; this decides the tenant.
    public enum Credential: Hashable, Sendable {
        /// A key is configured: the caller's Authorization is verified by nobody, so it is not forwarded.
        case configured
        /// The caller's own Authorization goes upstream.
        case callers
    }

    /// What happens to requests whose answer is drawn anew each time: any temperature but 0, tools, or several
    /// choices.
    public enum Sampling: String, CaseIterable, Hashable, Sendable {
        /// Cached and coalesced like all others.
        case share
        /// Coalesced, not stored.
        case coalesce
        /// Neither.
        case bypass
    }

    func matches(_ kind: APIKind, _ model: String) -> Bool {
        (kinds?.contains(kind) ?? true) && self.model.matches(model)
    }
}

/// A model's name, where `*` stands for any run of characters.
public struct ModelPattern: Hashable, Sendable {
    public let text: String
    private let pieces: [String]

    public init(_ text: String) {
        self.text = text
        pieces = text.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
    }

    /// O(model × pieces).
    func matches(_ model: String) -> Bool {
        guard pieces.count > 1 else { return model == text }
        guard model.hasPrefix(pieces[0]) else { return false }
        var rest = model.dropFirst(pieces[0].count)
        // The leftmost place for each middle piece leaves most room for the next.
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            guard let found = rest.firstRange(ofText: piece) else { return false }
            rest = rest[found.upperBound...]
        }
        return rest.count >= pieces[pieces.count - 1].count && rest.hasSuffix(pieces[pieces.count - 1])
    }
}

extension Substring {
    fileprivate func firstRange(ofText text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}

/// All routes in file order.
public struct RouteTable: Sendable {
    public var routes: [Route]
    /// The tenant of callers whose own Authorization says nothing.
    public var listenerTenant: String

    public init(routes: [Route], listenerTenant: String = "default") {
        self.routes = routes
        self.listenerTenant = listenerTenant
    }

    /// The first that matches; nil where none does.
    public func route(for kind: APIKind, model: String) -> Route? {
        routes.first { $0.matches(kind, model) }
    }

    /// The first route that takes whatever it is: its upstream and deadlines are for what passes through.
    public var forAnything: Route? {
        routes.first { $0.kinds == nil && $0.model.matches("") }
    }

    func tenant(for route: Route, authorization: Secret?) -> Tenant {
        switch route.credential {
        case .configured: .listener(listenerTenant)
        case .callers: authorization.map { Tenant(authorization: $0.revealed) } ?? .anonymous
        }
    }
}
