import TestSupport
import Testing

@testable import SamovarCore

@Suite("The plan of what to warm")
struct PlanTests {
    static func key(_ number: Int) -> RequestKey {
        RequestKey(Digest256(words: (number.cacheHash, UInt64(number), 0, 0)))
    }

    static func facts(
        model: String = "m", tenant: String? = "t", generation: Duration = .seconds(2), prompt: Int = 100,
        completion: Int = 100, ttl: Duration = .seconds(86_400), freshFor: Duration = .zero
    ) -> HotKey.Facts {
        HotKey.Facts(
            model: model, route: "default", tenant: tenant, generationTime: generation,
            usage: Usage(promptTokenCount: prompt, completionTokenCount: completion), answerSize: 100, ttl: ttl,
            freshFor: freshFor)
    }

    private static func hot(
        _ number: Int, count: Double = 1_000, error: Double = 0, callers: Int = 2, facts: HotKey.Facts? = facts()
    ) -> HotKey {
        HotKey(
            key: key(number), count: count, error: error, idle: .zero, callers: (0..<callers).map(UInt64.init),
            facts: facts)
    }

    private static func summary(_ keys: [HotKey]) -> HotKeySummary {
        HotKeySummary(
            keys: keys, total: 1e6, floor: 0, keyCountMax: 1_000, callerCountMax: 8, span: .seconds(100_000))
    }

    private static let settings: Plan.Settings = {
        var settings = Plan.Settings()
        settings.tenants = ["t"]
        return settings
    }()

    /// In eight hours, for four.
    private static let morning = Plan.Period(startsIn: .seconds(28_800), length: .seconds(14_400))
    /// A dollar a million, so a token is a millionth.
    private static let prices = Plan.Prices(
        PriceTable(prices: [
            "m": .init(inputMicroUSDPerMillion: 1_000_000, outputMicroUSDPerMillion: 1_000_000),
            "dear": .init(inputMicroUSDPerMillion: 9_000_000, outputMicroUSDPerMillion: 9_000_000),
        ]), offPeak: 0.5, peak: 1)

    private static func plan(
        _ keys: [HotKey], _ settings: Plan.Settings = settings, for period: Plan.Period = morning
    ) -> Plan {
        Plan(summary(keys), for: period, prices: prices, settings: settings)
    }

    @Test("takes the keys whose hits would cost most, and says what they cost now and then")
    func order() throws {
        let plan = Self.plan([
            Self.hot(1, count: 900), Self.hot(2, count: 800, facts: Self.facts(model: "dear")), Self.hot(3, count: 950),
            Self.hot(4, count: 999, facts: Self.facts(model: "unknown", generation: .seconds(3_000))),
        ])
        #expect(plan.items.map(\.key) == [2, 3, 1, 4].map(Self.key))
        let first = try #require(plan.items.first)
        #expect(first.offPeakMicroUSD == 900 && first.peakMicroUSD == 1_800)
        #expect(plan.items.last?.offPeakMicroUSD == nil)
        // 800 in 100,000 s, for four hours.
        #expect(abs(first.expectedHits - 115.2) < 0.001)
        #expect(
            plan.spending
                == Spending(requestCount: 4, promptTokenCount: 400, completionTokenCount: 400, microUSD: 1_100))
    }

    @Test("by time takes the keys that somebody would wait longest for")
    func byTime() {
        var settings = Self.settings
        settings.measure = .time
        let keys = [
            Self.hot(1, count: 900), Self.hot(2, count: 100, facts: Self.facts(generation: .seconds(60))),
            Self.hot(3, count: 901),
        ]
        #expect(Self.plan(keys, settings).items.map(\.key) == [2, 3, 1].map(Self.key))
    }

    @Test("counts only hits that warming makes: from when the answer would be stale to when the warmed one is")
    func overlap() {
        func hits(ttl: Int, freshFor: Int) -> Double? {
            let facts = Self.facts(ttl: .seconds(ttl), freshFor: .seconds(freshFor))
            return Self.plan([Self.hot(1, facts: facts)]).items.first?.expectedHits.rounded()
        }
        #expect(hits(ttl: 86_400, freshFor: -50) == 144)
        #expect(hits(ttl: 86_400, freshFor: 28_800) == 144)
        #expect(hits(ttl: 86_400, freshFor: 36_000) == 72)
        #expect(hits(ttl: 36_000, freshFor: 0) == 72)
        #expect(hits(ttl: 86_400, freshFor: 43_200) == nil)
        #expect(hits(ttl: 28_800, freshFor: 0) == nil)
    }

    @Test("leaves out, and says why, what may not or need not be warmed")
    func leftOut() {
        let plan = Self.plan([
            Self.hot(1, facts: nil), Self.hot(2, facts: Self.facts(tenant: nil)),
            Self.hot(3, facts: Self.facts(tenant: "other")), Self.hot(4, count: 1e9, callers: 1),
            Self.hot(5, count: 900, error: 899.5), Self.hot(6, facts: Self.facts(freshFor: .seconds(99_999))),
            Self.hot(7, facts: Self.facts(ttl: .seconds(60))),
        ])
        #expect(plan.items.isEmpty && plan.spending == Spending() && plan.worthMicroUSD == 0)
        #expect(
            plan.leftOut == [
                .unknown: 1, .tenant: 2, .fewCallers: 1, .fewHits: 1, .fresh: 1, .wouldExpire: 1,
            ])
    }

    @Test("no tenant is warmed that was not named")
    func optIn() {
        #expect(Self.plan([Self.hot(1)], Plan.Settings()).items.isEmpty)
    }

    @Test("what does not fit is left out, and what is lighter behind it may fit")
    func fits() {
        var settings = Self.settings
        settings.budget.promptTokenMax = 150
        let plan = Self.plan(
            [
                Self.hot(1, count: 1_000, facts: Self.facts(prompt: 100)),
                Self.hot(2, count: 900, facts: Self.facts(prompt: 100)),
                Self.hot(3, count: 10, facts: Self.facts(prompt: 50)),
            ], settings)
        #expect(plan.items.map(\.key) == [1, 3].map(Self.key))
        #expect(plan.leftOut == [.budget(.promptTokens): 1])
    }

    /// Anything at all.
    private static func randomKeys(_ random: inout SeededGenerator) -> [HotKey] {
        (0..<Int.random(in: 0...120, using: &random)).map { number in
            let facts = facts(
                model: ["m", "dear", "unknown"].randomElement(using: &random) ?? "m",
                tenant: ["t", "t", "t", nil].randomElement(using: &random) ?? nil,
                generation: .milliseconds(Int.random(in: 0...90_000, using: &random)),
                prompt: Int.random(in: 0...5_000, using: &random),
                completion: Int.random(in: 0...5_000, using: &random),
                ttl: .seconds(Int.random(in: 0...90_000, using: &random)),
                freshFor: .seconds(Int.random(in: -9_000...60_000, using: &random)))
            return hot(
                number, count: Double(Int.random(in: 0...20, using: &random) * 100),
                error: Double(Int.random(in: 0...500, using: &random)), callers: Int.random(in: 0...4, using: &random),
                facts: facts)
        }
    }

    @Test(
        "is never above any bound, stands in order, accounts for every key, and is the same each time",
        arguments: 0..<200)
    func anything(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let keys = Self.randomKeys(&random)
        var settings = Self.settings
        settings.measure = Bool.random(using: &random) ? .money : .time
        settings.budget.requestMax = Int.random(in: 0...60, using: &random)
        settings.budget.promptTokenMax = Int.random(in: 0...100_000, using: &random)
        settings.budget.completionTokenMax = Int.random(in: 0...100_000, using: &random)
        settings.budget.microUSDMax = Int.random(in: 0...400_000, using: &random)
        settings.budget.durationMax = .seconds(Int.random(in: 0...900, using: &random))
        let plan = Self.plan(keys, settings)

        let sum = plan.items.reduce(Spending()) { $0 + $1.spending }
        #expect(sum == plan.spending && settings.budget.limit(brokenBy: sum) == nil)
        let generating = plan.items.reduce(0) { $0 + $1.facts.generationTime.seconds }
        #expect(plan.items.isEmpty || plan.duration <= settings.budget.durationMax)
        #expect(plan.duration.seconds + 0.001 >= generating / Double(settings.concurrency))
        #expect(plan.duration.seconds + 0.001 >= Double(plan.items.count) / settings.requestsPerSecond)
        let isOrdered = zip(plan.items, plan.items.dropFirst()).allSatisfy {
            Plan.isWorthier($0, $1, by: settings.measure) && !Plan.isWorthier($1, $0, by: settings.measure)
        }
        #expect(isOrdered)
        #expect(plan.items.count + plan.leftOut.values.reduce(0, +) == keys.count)
        #expect(Self.plan(keys.shuffled(using: &random), settings) == plan)
        // Nothing is left out for the budget that would still fit behind everything that was taken, but for time.
        let taken = Set(plan.items.map(\.key))
        var free = settings
        free.budget = Budget()
        free.budget.durationMax = .seconds(1 << 40)
        for item in Self.plan(keys, free).items where !taken.contains(item.key) {
            let fits = settings.budget.limit(brokenBy: plan.spending + item.spending) == nil
            #expect(!fits || plan.leftOut[.budget(.duration)] != nil)
        }
    }

    @Test("what a window may spend is what is left of the day, and never less than nothing")
    func dailyCap() {
        var day = Budget()
        day.requestMax = 100
        day.microUSDMax = 50
        let left = Budget().within(day.less(Spending(requestCount: 30, microUSD: 70)))
        #expect(left.requestMax == 70 && left.microUSDMax == 0)
        #expect(left.promptTokenMax == Budget().promptTokenMax)
        #expect(left.limit(brokenBy: Spending(requestCount: 1, microUSD: 1)) == .microUSD)
    }
}
