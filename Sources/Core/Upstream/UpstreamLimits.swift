/// What one upstream may be asked, as configured. Names are those of the config keys under `upstreams`.
public struct UpstreamLimits: Hashable, Sendable {
    public var name: String
    public var weight: Int
    public var tier: Tier
    /// Nil: as fast as it takes them, until it says otherwise.
    public var requestsPerSecond: Double?
    /// How many at once, before the rate counts; nil: a second's worth.
    public var burst: Int?
    /// Nil: as for requests.
    public var tokensPerMinute: Int?
    /// 0: only what is learned.
    public var concurrencyMax: Int
    public var queueMax: Int
    public var slowStart: Duration
    public var breaker: Breaker.Settings
    /// From when on a first token is late, for the breaker; nil: never.
    public var slowAfter: Duration?

    public init(
        name: String, weight: Int = 1, tier: Tier = .local, requestsPerSecond: Double? = nil, burst: Int? = nil,
        tokensPerMinute: Int? = nil, concurrencyMax: Int = 0, queueMax: Int = 2_048,
        slowStart: Duration = .seconds(10), breaker: Breaker.Settings = UpstreamLimits.breakerDefault,
        slowAfter: Duration? = nil
    ) {
        self.name = name
        self.weight = weight
        self.tier = tier
        self.requestsPerSecond = requestsPerSecond
        self.burst = burst
        self.tokensPerMinute = tokensPerMinute
        self.concurrencyMax = concurrencyMax
        self.queueMax = queueMax
        self.slowStart = slowStart
        self.breaker = breaker
        self.slowAfter = slowAfter
    }

    /// Asked again soon enough that a provider that is back is used within ten seconds.
    public static let breakerDefault = Breaker.Settings(
        openForMin: .seconds(1), openForMax: .seconds(5), window: Breaker.Window(), probeSuccesses: 3)
}

extension UpstreamLimits {
    /// Attempts at once that an upstream is begun with of which nothing is known, and the most that are learned.
    static let concurrencyStart = 256
    static let concurrencyLearnedMax = 4_096

    var pace: Pace.Settings {
        Pace.Settings(
            requestsPerSecond: requestsPerSecond, burst: burst.map(Double.init),
            tokensPerMinute: tokensPerMinute.map(Double.init))
    }

    var concurrency: ConcurrencyLimit.Settings {
        let most = concurrencyMax > 0 ? concurrencyMax : Self.concurrencyLearnedMax
        return ConcurrencyLimit.Settings(start: min(most, Self.concurrencyStart), max: most)
    }
}

/// What holds before all upstreams. Names are those of the config keys under `admission`.
public struct AdmissionSettings: Hashable, Sendable {
    /// How fast one tenant may ask, whatever the upstreams take.
    public struct TenantLimits: Hashable, Sendable {
        /// Nil: its share of what there is.
        public var requestsPerSecond: Double?
        /// Nil: a second's worth.
        public var burst: Int?
        public var tokensPerMinute: Int?

        public init(requestsPerSecond: Double? = nil, burst: Int? = nil, tokensPerMinute: Int? = nil) {
            self.requestsPerSecond = requestsPerSecond
            self.burst = burst
            self.tokensPerMinute = tokensPerMinute
        }
    }

    /// False: every miss goes upstream at once. No queue, no limits, no breaker, no second attempt.
    public var enabled: Bool
    public var tenant: TenantLimits
    /// How much of an upstream one model may have while another waits.
    public var modelShare: Double
    /// Second attempts, for each request. 0: none.
    public var retryRatio: Double

    public init(
        enabled: Bool = true, tenant: TenantLimits = TenantLimits(), modelShare: Double = 0.75,
        retryRatio: Double = 0.1
    ) {
        self.enabled = enabled
        self.tenant = tenant
        self.modelShare = modelShare
        self.retryRatio = retryRatio
    }
}
