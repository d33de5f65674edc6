import SamovarCore
import SamovarEngine

/// What the process has done so far, as `/stats.json` shows it and `samovar stats` reads it.
public struct Stats: Codable, Sendable {
    public var uptimeSeconds: Double
    public var ready: Bool
    public var requests: [String: Int]
    public var hitRate: HitRate
    public var coalesced: Int
    public var upstream: UpstreamStats
    public var savedTokens: SavedTokens
    /// Absent until some were asked for together.
    public var embeddings: EmbeddingStats?
    /// Absent until prices are configured.
    public var savedMicroUsd: Int?
    /// Hits and followers whose model has no price; absent until prices are configured.
    public var unpricedRequests: Int?
    public var notStored: [String: Int]
    /// How flights shared their calls with other pods, by outcome; absent until one did.
    public var leases: [String: Int]?
    /// What was made unusable here by hand, by what named it; absent until something was.
    public var invalidations: [String: Int]?
    /// By route, then by step of the ladder; absent until one was taken.
    public var ladder: [String: [String: Int]]?
    /// The arms of splits side by side, by route, then by arm; absent until one was asked for.
    public var split: [String: [String: ArmStats]]?
    public var l1: L1Stats
    /// Absent without Redis.
    public var redis: RedisStats?
    /// Absent without Redis.
    public var tracking: TrackingStats?
    public var flights: Int
    public var connections: Int

    public struct HitRate: Codable, Sendable {
        /// Shares of the requests that could have been hits (all but bypasses and errors), 0 to 1.
        public var l1: Double
        public var l2: Double
        /// Hits of both tiers, stale answers and followers: everything that needed no call of its own.
        public var withoutCall: Double
    }

    public struct UpstreamStats: Codable, Sendable {
        /// By upstream, then by outcome.
        public var attempts: [String: [String: Int]]
        public var callsSaved: Int
        /// What stands before each upstream, by its name.
        public var admission: [String: AdmissionStats]
        /// Second attempts, by outcome; absent until there was one, or the wish for one.
        public var retries: [String: Int]?
        /// Pods that share the upstreams' limits, this one included; absent where they are not shared.
        public var fleetPods: Int?
    }

    /// Who waits for one upstream, and what it is let do.
    public struct AdmissionStats: Codable, Sendable {
        /// Flights that wait, by class.
        public var waiting: [String: Int]
        /// Flights that were not let through, by reason.
        public var refused: [String: Int]
        /// Attempts under way.
        public var permits: Int
        public var concurrencyLimit: Int
        /// Absent where nothing limits it.
        public var requestsPerSecond: Double?
        /// `closed`, `half_open` or `open`.
        public var breaker: String
        public var ejected: Bool
        /// Which part of its limits is this pod's; absent where they are not shared.
        public var fleetPart: Double?

        init(_ status: Dispatcher.Status, refused: [String: Int]) {
            let counts = status.waiting.map { ($0.key.rawValue, $0.value) }
            waiting = Dictionary(uniqueKeysWithValues: counts)
            self.refused = refused
            permits = status.permitCount
            concurrencyLimit = status.concurrencyLimit
            requestsPerSecond = status.requestsPerSecond
            breaker =
                switch status.breaker {
                case .closed: "closed"
                case .halfOpen: "half_open"
                case .open: "open"
                }
            ejected = status.isEjected
            fleetPart = status.fleetPart
        }
    }

    public struct SavedTokens: Codable, Sendable {
        public var prompt: Int
        public var completion: Int
        /// Of answers whose usage is a share of what several inputs used together; absent until there was one.
        public var estimated: Int?
    }

    /// Calls for several embeddings at once.
    public struct EmbeddingStats: Codable, Sendable {
        /// By outcome.
        public var batches: [String: Int]
        public var inputs: Int
    }

    /// What one arm of a split has done.
    public struct ArmStats: Codable, Sendable {
        public var requests: Int
        /// Answered out of memory, in time or late.
        public var hits: Int
        public var errors: Int
        /// From the whole request to the whole reply, on average.
        public var latencySeconds: Double?
        /// From the whole request to the reply's first byte, on average.
        public var firstTokenSeconds: Double?
        /// Of the calls that were made.
        public var spentTokens: SavedTokens
        public var savedTokens: SavedTokens
        /// Absent until prices are configured.
        public var spentMicroUsd: Int?
        public var savedMicroUsd: Int?

        init(_ figures: ArmFigures, hasPrices: Bool) {
            func count(_ results: ServeResult...) -> Int {
                results.reduce(0) { $0 + figures.requests[$1].current }
            }
            func mean(_ histogram: Histogram) -> Double? {
                let snapshot = histogram.snapshot
                return snapshot.count == 0 ? nil : snapshot.sumSeconds / Double(snapshot.count)
            }
            requests = ServeResult.allCases.reduce(0) { $0 + figures.requests[$1].current }
            hits = count(.l1Hit, .l2Hit, .stale)
            errors = count(.error)
            latencySeconds = mean(figures.durations)
            firstTokenSeconds = mean(figures.firstTokens)
            spentTokens = SavedTokens(
                prompt: figures.spentPromptTokens.current, completion: figures.spentCompletionTokens.current)
            savedTokens = SavedTokens(
                prompt: figures.savedPromptTokens.current, completion: figures.savedCompletionTokens.current)
            spentMicroUsd = hasPrices ? figures.spentMicroUSD.current : nil
            savedMicroUsd = hasPrices ? figures.savedMicroUSD.current : nil
        }
    }

    public struct L1Stats: Codable, Sendable {
        public var entries: Int
        public var sizeBytes: Int
        public var evictions: [String: Int]
    }

    /// How L1 follows L2.
    public struct TrackingStats: Codable, Sendable {
        /// `connected`, `lost`, or `refused` where the server does not let us.
        public var state: String
        /// Entries of which was heard that L2's copy had changed, by what became of them.
        public var rechecks: [String: Int]
    }

    public struct RedisStats: Codable, Sendable {
        /// `closed` (asked), `open` (skipped), `half_open` (probing).
        public var breaker: String
        public var hits: Int
        public var misses: Int
        public var sets: Int
        public var skipped: Int
        public var timeouts: Int
        public var errors: Int
        public var damaged: Int
        public var tooLarge: Int

        public init(
            breaker: String, hits: Int, misses: Int, sets: Int, skipped: Int, timeouts: Int, errors: Int, damaged: Int,
            tooLarge: Int
        ) {
            self.breaker = breaker
            self.hits = hits
            self.misses = misses
            self.sets = sets
            self.skipped = skipped
            self.timeouts = timeouts
            self.errors = errors
            self.damaged = damaged
            self.tooLarge = tooLarge
        }
    }
}

extension Stats {
    init(_ source: AdminSource) {
        let metrics = source.pipeline.metrics
        var counts: [ServeResult: Int] = [:]
        for result in ServeResult.allCases { counts[result] = metrics.requests.count(result) }
        func count(_ results: ServeResult...) -> Int { results.reduce(0) { $0 + (counts[$1] ?? 0) } }
        let askable = count(.l1Hit, .l2Hit, .coalesced, .miss, .stale, .fallback)
        let withoutCall = count(.l1Hit, .l2Hit, .coalesced, .stale)
        func share(_ part: Int) -> Double { askable == 0 ? 0 : Double(part) / Double(askable) }
        var attempts: [String: [String: Int]] = [:]
        for (upstream, outcomes) in metrics.attemptCounts { attempts[upstream] = Self.counted(outcomes) }
        var refused: [String: [String: Int]] = [:]
        for (upstream, reasons) in metrics.refusalCounts { refused[upstream] = Self.counted(reasons) }
        var admission: [String: AdmissionStats] = [:]
        for status in source.pipeline.upstreamStatus {
            admission[status.upstream] = AdmissionStats(status, refused: refused[status.upstream] ?? [:])
        }
        let fill = source.pipeline.l1.fill
        let hasPrices = source.hasPrices()
        self.init(
            uptimeSeconds: source.startedAt.duration(to: source.clock.now).seconds,
            ready: source.isReady(),
            requests: Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) }),
            hitRate: HitRate(l1: share(count(.l1Hit)), l2: share(count(.l2Hit)), withoutCall: share(withoutCall)),
            coalesced: count(.coalesced),
            upstream: UpstreamStats(
                attempts: attempts, callsSaved: withoutCall, admission: admission,
                retries: Self.counted(metrics.retries).nonEmpty, fleetPods: source.pipeline.fleetPodCount),
            savedTokens: SavedTokens(
                prompt: metrics.savedPromptTokens.current, completion: metrics.savedCompletionTokens.current,
                estimated: metrics.savedEstimatedTokens.current.nonZero),
            embeddings: Self.counted(metrics.embeddingBatches).nonEmpty.map {
                EmbeddingStats(batches: $0, inputs: metrics.embeddingBatchInputs.snapshot.sum)
            },
            savedMicroUsd: hasPrices ? metrics.savedMicroUSD.current : nil,
            unpricedRequests: hasPrices ? metrics.unpricedRequests.current : nil,
            notStored: Self.counted(metrics.notStored),
            leases: Self.counted(metrics.leases).nonEmpty,
            invalidations: Self.counted(metrics.invalidations).nonEmpty,
            ladder: Self.ladder(metrics).nonEmpty,
            split: Self.split(metrics, hasPrices: hasPrices).nonEmpty,
            l1: L1Stats(entries: fill.count, sizeBytes: fill.byteCount, evictions: Self.counted(metrics.evictions)),
            redis: source.redis(),
            tracking: source.pipeline.tracking.map {
                TrackingStats(state: $0.word, rechecks: Self.counted(metrics.rechecks))
            },
            flights: source.pipeline.flightCount,
            connections: source.connectionCount())
    }

    private static func ladder(_ metrics: Metrics) -> [String: [String: Int]] {
        var ladder: [String: [String: Int]] = [:]
        for (route, steps) in metrics.ladderCounts { ladder[route] = counted(steps) }
        return ladder
    }

    private static func split(_ metrics: Metrics, hasPrices: Bool) -> [String: [String: ArmStats]] {
        var split: [String: [String: ArmStats]] = [:]
        for (arm, figures) in metrics.armFigures {
            split[arm.route, default: [:]][arm.name] = ArmStats(figures, hasPrices: hasPrices)
        }
        return split
    }

    private static func counted<Label>(_ counters: Counters<Label>) -> [String: Int]
    where Label: RawRepresentable<String> {
        var counts: [String: Int] = [:]
        for (label, value) in counters.all where value > 0 { counts[label.rawValue] = value }
        return counts
    }
}

/// Where the admin port reads from.
public struct AdminSource: Sendable {
    public var pipeline: Pipeline
    public var clock: any MonotonicClock
    public var startedAt: Instant
    public var isReady: @Sendable () -> Bool
    public var hasPrices: @Sendable () -> Bool
    public var redis: @Sendable () -> Stats.RedisStats?
    /// What changes over TCP need; nil: they are refused.
    public var adminToken: @Sendable () -> Secret?
    public var routes: @Sendable () -> RouteTable
    public var connectionCount: @Sendable () -> Int
    /// Whether the last reload was taken; nil before the first.
    public var lastReloadSucceeded: @Sendable () -> Bool?

    public init(
        pipeline: Pipeline,
        clock: any MonotonicClock,
        startedAt: Instant,
        isReady: @escaping @Sendable () -> Bool,
        hasPrices: @escaping @Sendable () -> Bool,
        redis: @escaping @Sendable () -> Stats.RedisStats?,
        adminToken: @escaping @Sendable () -> Secret?,
        routes: @escaping @Sendable () -> RouteTable,
        connectionCount: @escaping @Sendable () -> Int,
        lastReloadSucceeded: @escaping @Sendable () -> Bool?
    ) {
        self.pipeline = pipeline
        self.clock = clock
        self.startedAt = startedAt
        self.isReady = isReady
        self.hasPrices = hasPrices
        self.redis = redis
        self.adminToken = adminToken
        self.routes = routes
        self.connectionCount = connectionCount
        self.lastReloadSucceeded = lastReloadSucceeded
    }
}

extension Dictionary {
    fileprivate var nonEmpty: Self? { isEmpty ? nil : self }
}

extension Int {
    fileprivate var nonZero: Self? { self == 0 ? nil : self }
}

extension Tracking.Phase {
    var word: String {
        switch self {
        case .connected: "connected"
        case .lost: "lost"
        case .refused: "refused"
        }
    }
}
