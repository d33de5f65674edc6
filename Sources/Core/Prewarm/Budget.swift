/// How much warming may use, or has used: requests, model tokens, money, time.
public struct Spending: Hashable, Sendable {
    public var requestCount: Int
    public var promptTokenCount: Int
    public var completionTokenCount: Int
    public var microUSD: Int

    public init(requestCount: Int = 0, promptTokenCount: Int = 0, completionTokenCount: Int = 0, microUSD: Int = 0) {
        self.requestCount = requestCount
        self.promptTokenCount = promptTokenCount
        self.completionTokenCount = completionTokenCount
        self.microUSD = microUSD
    }

    /// Saturates.
    public static func + (left: Spending, right: Spending) -> Spending {
        Spending(
            requestCount: left.requestCount.addedOrMax(right.requestCount),
            promptTokenCount: left.promptTokenCount.addedOrMax(right.promptTokenCount),
            completionTokenCount: left.completionTokenCount.addedOrMax(right.completionTokenCount),
            microUSD: left.microUSD.addedOrMax(right.microUSD))
    }

    public static func - (left: Spending, right: Spending) -> Spending {
        Spending(
            requestCount: left.requestCount - right.requestCount,
            promptTokenCount: left.promptTokenCount - right.promptTokenCount,
            completionTokenCount: left.completionTokenCount - right.completionTokenCount,
            microUSD: left.microUSD - right.microUSD)
    }
}

/// What may be spent at most. Each bound holds by itself.
public struct Budget: Hashable, Sendable {
    /// The bounds by the names that configuration, metrics and reports have for them.
    public enum Limit: String, CaseIterable, Hashable, Sendable {
        case requests = "requests_max"
        case promptTokens = "prompt_tokens_max"
        case completionTokens = "completion_tokens_max"
        case microUSD = "micro_usd_max"
        case duration = "duration_max"
    }

    public var requestMax = 10_000
    public var promptTokenMax = 50_000_000
    public var completionTokenMax = 10_000_000
    public var microUSDMax = 10_000_000
    public var durationMax = Duration.seconds(4 * 3_600)

    public init() {}

    /// The bound that this would be above; the first in their order where it is above several.
    public func limit(brokenBy spending: Spending) -> Limit? {
        if spending.requestCount > requestMax { return .requests }
        if spending.promptTokenCount > promptTokenMax { return .promptTokens }
        if spending.completionTokenCount > completionTokenMax { return .completionTokens }
        return spending.microUSD > microUSDMax ? .microUSD : nil
    }

    /// What is left once so much is spent: of a day's cap, for the next window. Never negative.
    public func less(_ spent: Spending) -> Budget {
        var rest = self
        rest.requestMax = max(0, requestMax - spent.requestCount)
        rest.promptTokenMax = max(0, promptTokenMax - spent.promptTokenCount)
        rest.completionTokenMax = max(0, completionTokenMax - spent.completionTokenCount)
        rest.microUSDMax = max(0, microUSDMax - spent.microUSD)
        return rest
    }

    /// Of both, the narrower of each: a window's budget within what is left of the day's.
    public func within(_ other: Budget) -> Budget {
        var both = self
        both.requestMax = min(requestMax, other.requestMax)
        both.promptTokenMax = min(promptTokenMax, other.promptTokenMax)
        both.completionTokenMax = min(completionTokenMax, other.completionTokenMax)
        both.microUSDMax = min(microUSDMax, other.microUSDMax)
        both.durationMax = min(durationMax, other.durationMax)
        return both
    }
}

extension Int {
    func addedOrMax(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
