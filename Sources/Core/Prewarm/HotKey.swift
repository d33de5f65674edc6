/// One of the keys that are asked for most, as a sketch knows it at the moment at which it was read.
public struct HotKey: Hashable, Sendable {
    /// What is known of its last answer. Lengths of time are from the moment of reading.
    public struct Facts: Hashable, Sendable {
        public var model: String
        public var route: String
        /// The listener's tenant, which the service's credential answers for; nil where callers bring their own, and
        /// nobody may warm for them.
        public var tenant: String?
        public var generationTime: Duration
        public var usage: Usage?
        /// In bytes, as stored.
        public var answerSize: Int
        public var ttl: Duration
        /// How long it goes on being fresh; negative: since when it is not.
        public var freshFor: Duration

        public init(
            model: String, route: String, tenant: String?, generationTime: Duration, usage: Usage?, answerSize: Int,
            ttl: Duration, freshFor: Duration
        ) {
            self.model = model
            self.route = route
            self.tenant = tenant
            self.generationTime = generationTime
            self.usage = usage
            self.answerSize = answerSize
            self.ttl = ttl
            self.freshFor = freshFor
        }
    }

    public var key: RequestKey
    /// How often it was asked for, decayed; never less than the truth.
    public var count: Double
    /// By how much `count` may be too high.
    public var error: Double
    /// Since it was last asked for.
    public var idle: Duration
    /// Digests of who asked, each once; no more than the sketch keeps.
    public var callers: [UInt64]
    /// nil until an answer of it was seen.
    public var facts: Facts?

    public init(
        key: RequestKey, count: Double, error: Double, idle: Duration, callers: [UInt64], facts: Facts? = nil
    ) {
        self.key = key
        self.count = count
        self.error = error
        self.idle = idle
        self.callers = callers
        self.facts = facts
    }

    /// How often at least.
    public var countMin: Double { max(0, count - error) }
    /// How many different callers have asked for it, at least.
    public var callerCountMin: Int { callers.count }

    /// The most frequent first; of equals, by key.
    static func isBefore(_ left: HotKey, _ right: HotKey) -> Bool {
        left.count != right.count ? left.count > right.count : left.key.isBefore(right.key)
    }
}

extension RequestKey {
    /// Some order, the same everywhere.
    func isBefore(_ other: RequestKey) -> Bool { words < other.words }
}

/// What a sketch, or several, knew at a moment: the hot keys of one pod, or of all.
public struct HotKeySummary: Hashable, Sendable {
    /// The most frequent first.
    public var keys: [HotKey]
    /// Of all requests, decayed.
    public var total: Double
    /// A key that is not listed was asked for this often at most.
    public var floor: Double
    public var keyCountMax: Int
    public var callerCountMax: Int
    /// What a count is divided by to become a rate.
    public var span: Duration

    public init(
        keys: [HotKey], total: Double, floor: Double, keyCountMax: Int, callerCountMax: Int, span: Duration
    ) {
        self.keys = keys
        self.total = total
        self.floor = floor
        self.keyCountMax = keyCountMax
        self.callerCountMax = callerCountMax
        self.span = span
    }

    /// What two pods know together, of requests that each has seen for itself.
    ///
    /// Agarwal et al., "Mergeable summaries" (PODS 2012): who is listed by one only may have been asked for as often as
    /// the other's floor there. So errors add up, and stay below the sum of the totals over `keyCountMax`. The longer
    /// span holds: a young pod's rates are estimated too low rather than too high. O(keys · log keys).
    public func merged(with other: HotKeySummary) -> HotKeySummary {
        var merged: [RequestKey: HotKey] = [:]
        merged.reserveCapacity(keys.count + other.keys.count)
        for var hot in keys {
            hot.count += other.floor
            hot.error += other.floor
            merged[hot.key] = hot
        }
        for hot in other.keys {
            if let there = merged[hot.key] {
                merged[hot.key] = Self.both(there, less: other.floor, hot, callerCountMax: callerCountMax)
            } else {
                var alone = hot
                alone.count += floor
                alone.error += floor
                merged[hot.key] = alone
            }
        }
        let sorted = merged.values.sorted(by: HotKey.isBefore)
        let dropped = sorted.count > keyCountMax ? sorted[keyCountMax].count : 0
        return HotKeySummary(
            keys: Array(sorted.prefix(keyCountMax)), total: total + other.total,
            floor: max(floor + other.floor, dropped), keyCountMax: keyCountMax, callerCountMax: callerCountMax,
            span: max(span, other.span))
    }

    /// - Parameter less: what the first was given for not being listed by the second, which it is.
    private static func both(_ first: HotKey, less: Double, _ second: HotKey, callerCountMax: Int) -> HotKey {
        let newer = second.callers.filter { !first.callers.contains($0) }
        let facts: HotKey.Facts? =
            if let one = first.facts, let two = second.facts { one.freshFor >= two.freshFor ? one : two } else {
                first.facts ?? second.facts
            }
        return HotKey(
            key: first.key, count: first.count - less + second.count, error: first.error - less + second.error,
            idle: min(first.idle, second.idle), callers: Array((first.callers + newer).prefix(callerCountMax)),
            facts: facts)
    }
}
