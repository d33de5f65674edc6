/// What one pod tells the others about the upstreams that they share. Nothing of prompts, answers or tenants.
public struct FleetWord: Hashable, Sendable {
    /// About one upstream, by its name. Pods of one fleet call an upstream alike.
    public struct Upstream: Hashable, Sendable {
        public var name: String
        /// Requests a second that the pod would send, if it might.
        public var demand: Double
        /// The part that it has, or is about to take if nobody else has it: never less than what it uses. In 0...1.
        public var claim: Double
        /// Its breaker is open, by its own finding, for so long from now.
        public var openFor: Duration?
        /// Requests a second that it has found out to be let in; nil: it was never refused.
        public var learnedRate: Double?

        public init(
            name: String, demand: Double, claim: Double, openFor: Duration? = nil, learnedRate: Double? = nil
        ) {
            self.name = name
            self.demand = demand
            self.claim = claim
            self.openFor = openFor
            self.learnedRate = learnedRate
        }
    }

    /// Later ones of a pod have greater numbers: one that was long on its way does not come after its successor.
    public var number: UInt64
    public var upstreams: [Upstream]

    public init(number: UInt64, upstreams: [Upstream]) {
        self.number = number
        self.upstreams = upstreams
    }
}

/// What this pod wants of one upstream.
public struct FleetWish: Hashable, Sendable {
    public var upstream: String
    /// `requests_per_second`, of which the fleet has this much in all; nil: not configured.
    public var requestsPerSecond: Double?
    /// Requests a second: a moving mean of those that came, and those that wait, as if they were to go within one.
    public var demand: Double
    public var openFor: Duration?
    public var learnedRate: Double?

    public init(
        upstream: String, requestsPerSecond: Double? = nil, demand: Double, openFor: Duration? = nil,
        learnedRate: Double? = nil
    ) {
        self.upstream = upstream
        self.requestsPerSecond = requestsPerSecond
        self.demand = demand
        self.openFor = openFor
        self.learnedRate = learnedRate
    }
}

/// What this pod may take of one upstream from now on.
public struct FleetPart: Hashable, Sendable {
    public var upstream: String
    /// Of all that is configured. In 0...1.
    public var part: Double
    /// What it begins with may have been spent by others: no burst.
    public var isSpent: Bool
    /// What the others have found out, in requests a second, its part of it; nil: nothing.
    public var learnedRate: Double?
    /// Another pod's breaker has opened, which was not known before, for so long from now.
    public var openFor: Duration?

    public init(
        upstream: String, part: Double, isSpent: Bool = false, learnedRate: Double? = nil, openFor: Duration? = nil
    ) {
        self.upstream = upstream
        self.part = part
        self.isSpent = isSpent
        self.learnedRate = learnedRate
        self.openFor = openFor
    }
}
