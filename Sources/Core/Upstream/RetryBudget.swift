/// How many second attempts there may be: a share of the requests, and one now and then where there are few.
///
/// Each request pays `ratio` of a retry in, a retry takes one out. Where nothing is saved up one is lent every
/// `retryInterval`, so retries exceed their share only where requests are few, and what was lent is paid back first.
/// The savings are bounded: a good hour does not buy a storm. After Finagle's `RetryBudget` (Twitter, 2016).
public struct RetryBudget: Hashable, Sendable {
    public struct Settings: Hashable, Sendable {
        /// Retries for each request. `retry_ratio`.
        public var ratio: Double
        /// One in this time, however few requests there are.
        public var retryInterval: Duration
        /// Retries saved up, at most.
        public var savedMax: Double

        public init(ratio: Double = 0.1, retryInterval: Duration = .seconds(10), savedMax: Double = 10) {
            self.ratio = ratio
            self.retryInterval = retryInterval
            self.savedMax = savedMax
        }
    }

    private var settings: Settings
    private var saved = 0.0
    private var lentAt: Instant?

    public init(_ settings: Settings = Settings()) { self.settings = settings }

    public mutating func configure(_ settings: Settings) { self.settings = settings }

    /// A first attempt goes out. O(1).
    public mutating func requested() { saved = min(saved + settings.ratio, settings.savedMax) }

    /// Takes one retry, if there is one. O(1).
    public mutating func take(at now: Instant) -> Bool {
        // A tenth is no binary fraction: ten of them are not quite one.
        if saved >= 1 - 1e-9 {
            saved -= 1
            return true
        }
        if let lentAt, lentAt.duration(to: now) < settings.retryInterval { return false }
        lentAt = now
        saved = max(saved - 1, -1)
        return true
    }
}
