/// A trace's requests against one cache of one size, ttl and policy: what would have been a hit, what would have
/// shared a call, what would have been called for.
///
///     request ─▶ kept and fresh: hit
///             ─▶ being made: coalesced
///             ─▶ else a call, which is kept when it lands, `generationTime` later
///
/// With no generation time an answer is kept at once, and the hits are those of the bare policy. O(log calls under way)
/// a request; memory is what the entries and the calls under way need.
public struct Replay: ~Copyable {
    /// What is replayed.
    public struct Settings: Hashable, Sendable {
        public var policy: PolicyName
        /// Of the cache: bytes, or entries where the trace knows no sizes.
        public var sizeMax: Int
        /// The largest answer that is kept, in the same unit.
        public var itemSizeMax: Int
        /// What an entry weighs beside its answer.
        public var overhead: Int
        /// nil: for ever.
        public var ttl: Duration?

        public init(policy: PolicyName, sizeMax: Int, itemSizeMax: Int? = nil, overhead: Int = 0, ttl: Duration? = nil)
        {
            self.policy = policy
            self.sizeMax = sizeMax
            self.itemSizeMax = itemSizeMax ?? sizeMax
            self.overhead = overhead
            self.ttl = ttl
        }
    }

    /// What came of it so far.
    public struct Figures: Hashable, Sendable {
        public var requestCount = 0
        public var hitCount = 0
        public var coalescedCount = 0
        /// Upstream calls: every request is a hit, coalesced or a call.
        public var callCount = 0
        /// Calls for what was here and had expired; a part of `callCount`.
        public var expiredCount = 0
        public var evictedCount = 0
        public var askedByteCount = 0
        public var hitByteCount = 0
        /// What the hits and the coalesced would have cost, and what the calls cost.
        public var savedMicroUSD = 0
        public var spentMicroUSD = 0
        /// Requests for models without a price, or whose usage is not known.
        public var unpricedCount = 0

        public init() {}

        public var hitRatio: Double { share(hitCount, of: requestCount) }
        public var coalescedRatio: Double { share(coalescedCount, of: requestCount) }
        public var byteHitRatio: Double { share(hitByteCount, of: askedByteCount) }

        private func share(_ part: Int, of whole: Int) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }
    }

    /// A call that is under way.
    private struct Landing {
        let at: Instant
        /// Of two that land at once, who took off first lands first.
        let number: Int
        let object: TraceRequest.Object
        let size: Int

        func isBefore(_ other: Landing) -> Bool { (at, number) < (other.at, other.number) }
    }

    public let settings: Settings
    public private(set) var figures = Figures()
    /// Each with the instant at which it expires.
    private var cache: BoundedCache<TraceRequest.Object, Instant, ChosenPolicy>
    private var underWay: Set<TraceRequest.Object> = []
    private var landings = Heap<Landing> { $0.isBefore($1) }

    public init(_ settings: Settings) {
        self.settings = settings
        cache = BoundedCache(
            weightMax: settings.sizeMax, itemWeightMax: settings.itemSizeMax,
            policy: ChosenPolicy(settings.policy, weightMax: settings.sizeMax))
    }

    /// Entries and calls under way: what the replay's memory grows with.
    public var entryCount: Int { cache.count + underWay.count }

    /// - Parameters:
    ///   - now: not before the request before it.
    ///   - generationTime: how long a call for it would take.
    ///   - microUSD: what a call for it would cost; nil: unpriced.
    public mutating func ask(_ request: TraceRequest, at now: Instant, generationTime: Duration, microUSD: Int?) {
        while let landing = landings.first, landing.at <= now {
            landings.removeFirst()
            underWay.remove(landing.object)
            keep(landing.object, size: landing.size, at: landing.at)
        }
        figures.requestCount += 1
        figures.askedByteCount &+= request.size
        if microUSD == nil { figures.unpricedCount += 1 }
        let expiresAt = cache.get(request.object)
        if let expiresAt, now < expiresAt {
            figures.hitCount += 1
            figures.hitByteCount &+= request.size
            figures.savedMicroUSD &+= microUSD ?? 0
        } else if underWay.contains(request.object) {
            figures.coalescedCount += 1
            figures.savedMicroUSD &+= microUSD ?? 0
        } else {
            figures.callCount += 1
            if expiresAt != nil { figures.expiredCount += 1 }
            figures.spentMicroUSD &+= microUSD ?? 0
            call(request, at: now, generationTime)
        }
    }

    private mutating func call(_ request: TraceRequest, at now: Instant, _ generationTime: Duration) {
        guard generationTime > .zero else { return keep(request.object, size: request.size, at: now) }
        underWay.insert(request.object)
        landings.insert(
            Landing(
                at: now.advanced(by: generationTime), number: figures.callCount, object: request.object,
                size: request.size))
    }

    private mutating func keep(_ object: TraceRequest.Object, size: Int, at now: Instant) {
        let expiresAt = settings.ttl.map { now.advanced(by: $0) } ?? .never
        figures.evictedCount += cache.set(object, expiresAt, weight: size &+ settings.overhead).evictedCount
    }
}
