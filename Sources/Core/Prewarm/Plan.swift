/// What is worth asking for ahead of time, in that order: what will be asked for in a period, will not be fresh then,
/// and would cost most to make while somebody waits.
///
/// Each candidate's worth is expected hits × cost of generation. Hits are expected at the key's rate of late (by its
/// least count, so that a sketch's error buys nothing), times what the period is busier than usual, for as long as
/// warming makes a difference: from when the answer would be stale, to when the warmed one is. The worthiest is taken
/// first; one that would break a bound of the budget is left out, and lighter ones behind it may still fit.
/// Deterministic. O(candidates · log candidates).
public struct Plan: Hashable, Sendable {
    /// What the cost of generation is measured in.
    public enum Measure: String, CaseIterable, Hashable, Sendable {
        /// What its tokens cost in the period; models without a price come last, by time.
        case money
        /// How long it took to make.
        case time
    }

    public struct Settings: Hashable, Sendable {
        public var budget = Budget()
        public var measure = Measure.money
        /// Keys that fewer different callers have asked for are left out: nobody makes a key hot alone.
        public var callerCountMin = 2
        /// Fewer expected hits are not worth a call.
        public var hitsMin = 1.0
        /// The tenants that are warmed; all others are left out.
        public var tenants: Set<String> = []
        /// How many calls at once, and how many a second: how long the run will take.
        public var concurrency = 4
        public var requestsPerSecond = 2.0

        public init() {}
    }

    /// The time that is warmed for, from now.
    public struct Period: Hashable, Sendable {
        public var startsIn: Duration
        public var length: Duration
        /// How many times as busy as usual it will be.
        public var busyness: Double

        public init(startsIn: Duration, length: Duration, busyness: Double = 1) {
            self.startsIn = startsIn
            self.length = length
            self.busyness = busyness
        }
    }

    /// The prices, and what they are multiplied by while warming and in the period.
    public struct Prices: Hashable, Sendable {
        public var table: PriceTable
        public var offPeak: Double
        public var peak: Double

        public init(_ table: PriceTable, offPeak: Double = 1, peak: Double = 1) {
            self.table = table
            self.offPeak = offPeak
            self.peak = peak
        }

        /// Rounded up, so that a sum of them is never too low; nil where the model has no price.
        func microUSD(of facts: HotKey.Facts, times factor: Double) -> Int? {
            guard let usage = facts.usage, let whole = table.microUSD(of: usage, model: facts.model) else { return nil }
            let product = (Double(whole) * factor).rounded(.up)
            return product < 9e18 ? Int(max(0, product)) : .max
        }
    }

    public struct Item: Hashable, Sendable {
        public let key: RequestKey
        public let facts: HotKey.Facts
        public let expectedHits: Double
        /// What asking now will cost; nil: unpriced.
        public let offPeakMicroUSD: Int?
        /// What each of the expected misses would have cost in the period; nil: unpriced.
        public let peakMicroUSD: Int?

        /// What asking for it is expected to use.
        public var spending: Spending {
            Spending(
                requestCount: 1, promptTokenCount: facts.usage?.promptTokenCount ?? 0,
                completionTokenCount: facts.usage?.completionTokenCount ?? 0, microUSD: offPeakMicroUSD ?? 0)
        }
    }

    /// Why a candidate is not in the plan.
    public enum LeftOut: Hashable, Sendable {
        /// No answer of it was seen, so nothing is known of its cost.
        case unknown
        case tenant
        case fewCallers
        case fewHits
        /// It is fresh all through the period.
        case fresh
        /// What is warmed now would not be fresh any more when the period begins.
        case wouldExpire
        case budget(Budget.Limit)
    }

    public let items: [Item]
    public let leftOut: [LeftOut: Int]
    /// Of all items together.
    public let spending: Spending
    /// How long the run will take.
    public let duration: Duration
    /// What the expected hits would cost in the period, each as a call; unpriced models count nothing. Hits on one key
    /// share a call while the answer is fresh, so this is what callers are spared, not what is billed.
    public let worthMicroUSD: Int

    public init(_ summary: HotKeySummary, for period: Period, prices: Prices, settings: Settings) {
        var leftOut: [LeftOut: Int] = [:]
        var candidates: [Item] = []
        for hot in summary.keys {
            switch Self.judge(hot, span: summary.span, period: period, prices: prices, settings: settings) {
            case .success(let item): candidates.append(item)
            case .failure(let reason): leftOut[reason.leftOut, default: 0] += 1
            }
        }
        candidates.sort { Self.isWorthier($0, $1, by: settings.measure) }
        var items: [Item] = []
        var pace = Pace(settings)
        var spending = Spending()
        for item in candidates {
            let sum = spending + item.spending
            if let limit = settings.budget.limit(brokenBy: sum) {
                leftOut[.budget(limit), default: 0] += 1
            } else if pace.duration(with: item) > settings.budget.durationMax {
                leftOut[.budget(.duration), default: 0] += 1
            } else {
                spending = sum
                pace.add(item)
                items.append(item)
            }
        }
        self.items = items
        self.leftOut = leftOut
        self.spending = spending
        duration = pace.duration
        worthMicroUSD = items.reduce(0) { sum, item in
            let worth = item.expectedHits * Double(item.peakMicroUSD ?? 0)
            return sum.addedOrMax(worth < 9e18 ? Int(worth) : .max)
        }
    }

    private struct Refusal: Error { let leftOut: LeftOut }

    private static func judge(
        _ hot: HotKey, span: Duration, period: Period, prices: Prices, settings: Settings
    ) -> Result<Item, Refusal> {
        func no(_ reason: LeftOut) -> Result<Item, Refusal> { .failure(Refusal(leftOut: reason)) }
        guard let facts = hot.facts else { return no(.unknown) }
        guard let tenant = facts.tenant, settings.tenants.contains(tenant) else { return no(.tenant) }
        guard hot.callerCountMin >= settings.callerCountMin else { return no(.fewCallers) }
        let end = period.startsIn + period.length
        guard facts.freshFor < end else { return no(.fresh) }
        let from = max(period.startsIn, facts.freshFor)
        let until = min(end, facts.ttl)
        guard from < until else { return no(.wouldExpire) }
        let rate = span > .zero ? hot.countMin / span.seconds : 0
        let hits = rate * period.busyness * (until - from).seconds
        guard hits >= settings.hitsMin else { return no(.fewHits) }
        return .success(
            Item(
                key: hot.key, facts: facts, expectedHits: hits,
                offPeakMicroUSD: prices.microUSD(of: facts, times: prices.offPeak),
                peakMicroUSD: prices.microUSD(of: facts, times: prices.peak)))
    }

    /// Some order of all items, the same everywhere.
    static func isWorthier(_ left: Item, _ right: Item, by measure: Measure) -> Bool {
        if measure == .money {
            let (leftWorth, rightWorth) = (left.peakMicroUSD.map(Double.init), right.peakMicroUSD.map(Double.init))
            let worths = (
                leftWorth.map { $0 * left.expectedHits } ?? -1, rightWorth.map { $0 * right.expectedHits } ?? -1
            )
            if worths.0 != worths.1 { return worths.0 > worths.1 }
        }
        let times = (
            left.expectedHits * left.facts.generationTime.seconds,
            right.expectedHits * right.facts.generationTime.seconds
        )
        if times.0 != times.1 { return times.0 > times.1 }
        return left.key.isBefore(right.key)
    }

    /// How long so many calls take, so many at once and so many a second.
    private struct Pace {
        private let concurrency: Double
        private let requestsPerSecond: Double
        private var count = 0.0
        private var generating = 0.0
        private var longest = 0.0

        init(_ settings: Settings) {
            concurrency = Double(max(1, settings.concurrency))
            requestsPerSecond = max(0.001, settings.requestsPerSecond)
        }

        var duration: Duration { .nanoseconds(Int64(min(9e9, seconds) * 1e9)) }

        /// Graham's bound for any order on so many machines (1966), or what the pace takes, whichever is longer.
        private var seconds: Double {
            max(count / requestsPerSecond + longest, generating / concurrency + longest)
        }

        func duration(with item: Item) -> Duration {
            var more = self
            more.add(item)
            return more.duration
        }

        mutating func add(_ item: Item) {
            count += 1
            generating += max(0, item.facts.generationTime.seconds)
            longest = max(longest, item.facts.generationTime.seconds)
        }
    }
}
