import SamovarCore

/// What is counted for one arm of a split, so that two can be read side by side.
public final class ArmFigures: Sendable {
    public let requests = Counters<ServeResult>()
    /// From the whole request to the whole reply.
    public let durations = Histogram()
    /// From the whole request to the reply's first byte.
    public let firstTokens = Histogram()
    /// Of the calls that were made.
    public let spentPromptTokens = Counter()
    public let spentCompletionTokens = Counter()
    /// At the configured prices, in millionths of a dollar.
    public let spentMicroUSD = Counter()
    /// Of answers out of memory.
    public let savedPromptTokens = Counter()
    public let savedCompletionTokens = Counter()
    public let savedMicroUSD = Counter()

    func spent(_ usage: Usage, microUSD: Int?) {
        spentPromptTokens.add(usage.promptTokenCount)
        spentCompletionTokens.add(usage.completionTokenCount)
        spentMicroUSD.add(microUSD ?? 0)
    }

    func saved(_ usage: Usage, microUSD: Int?) {
        savedPromptTokens.add(usage.promptTokenCount)
        savedCompletionTokens.add(usage.completionTokenCount)
        savedMicroUSD.add(microUSD ?? 0)
    }

    /// A reply is whole. A stream's first byte is counted where it begins.
    public func answered(_ result: ServeResult, taking duration: Duration, count: Int = 1) {
        requests[result].add(count)
        durations.observe(duration, count: count)
    }
}
