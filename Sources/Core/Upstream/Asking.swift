/// One flight that asks to be let through to an upstream.
public struct Asking: Sendable {
    /// Those that may answer it, by name.
    public var upstreams: [String]
    public var requestClass: RequestClass
    public var tenant: Tenant
    /// Whether the caller's own credential goes upstream; then an upstream may be out for this tenant alone.
    public var bringsCredential: Bool
    public var model: String
    /// Until when the first of its callers waits: who has less time goes sooner.
    public var deadline: Instant
    /// Until when the last of its callers waits: it is given up then.
    public var latestDeadline: Instant
    /// No second attempt after that.
    public var retriesUntil: Instant
    public var callerCount: Int
    /// How large the request is, in bytes.
    public var bodySize: Int
    /// The request's own bound on the answer, in tokens.
    public var outputTokensMax: Int?
    /// Of a second attempt.
    public var again: Again?

    /// What a second attempt is to look out for.
    public struct Again: Hashable, Sendable {
        public var plan: Retry.Plan
        /// Who failed.
        public var upstream: String

        public init(plan: Retry.Plan, upstream: String) {
            self.plan = plan
            self.upstream = upstream
        }
    }

    public init(
        upstreams: [String], requestClass: RequestClass = .interactive, tenant: Tenant, bringsCredential: Bool = false,
        model: String, deadline: Instant, latestDeadline: Instant? = nil, retriesUntil: Instant? = nil,
        callerCount: Int = 1, bodySize: Int = 0,
        outputTokensMax: Int? = nil, again: Again? = nil
    ) {
        self.upstreams = upstreams
        self.requestClass = requestClass
        self.tenant = tenant
        self.bringsCredential = bringsCredential
        self.model = model
        self.deadline = deadline
        self.latestDeadline = latestDeadline ?? deadline
        self.retriesUntil = retriesUntil ?? self.latestDeadline
        self.callerCount = callerCount
        self.bodySize = bodySize
        self.outputTokensMax = outputTokensMax
        self.again = again
    }
}

/// The right to make one attempt at one upstream. To be handed back with what came of it, once.
public struct Permit: Hashable, Sendable {
    /// Later ones have greater numbers.
    public let number: Int
    public let upstream: String
    /// The outcome decides whether the upstream is asked again.
    public let isProbe: Bool
    /// Whether it is a second attempt.
    public let isRetry: Bool
}

/// Why a flight is not let through.
public struct Rejection: Hashable, Sendable {
    /// The raw values are the limit's name in the error, and the metric's label.
    public enum Reason: String, CaseIterable, Hashable, Sendable {
        /// Too many wait already that go before it.
        case queueMax = "queue_max"
        /// It cannot be answered while anybody waits for it.
        case queueTimeout = "queue_timeout"
        /// Its upstreams have failed too often of late.
        case breaker
        /// It names none that there is.
        case noUpstream = "no_upstream"
    }

    public let reason: Reason
    /// When there will probably be room.
    public let retryAfter: Duration
    /// Before which upstream, where it is one.
    public let upstream: String?

    public init(reason: Reason, retryAfter: Duration, upstream: String?) {
        self.reason = reason
        self.retryAfter = retryAfter
        self.upstream = upstream
    }
}

extension Failure {
    /// What the callers of a flight are told that is not let through.
    public init(_ rejection: Rejection) {
        if rejection.reason == .noUpstream {
            self = .unreachable(reason: "the route has no upstream")
        } else {
            self = .limited(limit: rejection.reason.rawValue, retryAfter: rejection.retryAfter)
        }
    }

    /// Whether nothing was asked upstream, because it is too much or fails: the request itself is as good as any.
    public var isRejection: Bool {
        if case .limited(let limit, _) = self { Rejection.Reason(rawValue: limit) != nil } else { false }
    }
}
