/// How much work a request will be, in model tokens, before anybody knows: its size and what its model said before.
///
/// Prompt: a token is about four bytes of JSON. Output: `max_tokens` where the request has one, otherwise the moving
/// mean of the model's answers. Estimates order and weigh; what was spent is settled afterwards.
public struct WorkEstimate: Sendable {
    public struct Tokens: Hashable, Sendable {
        public var prompt: Int
        /// What the answer may take: `max_tokens`, as providers count it against their limits.
        public var outputReserved: Int
        /// What the answer will probably take: never more than is reserved.
        public var outputExpected: Int

        public init(prompt: Int, outputReserved: Int, outputExpected: Int) {
            self.prompt = prompt
            self.outputReserved = outputReserved
            self.outputExpected = outputExpected
        }

        /// For token budgets.
        public var reserved: Int { prompt + outputReserved }
        /// For balancing and fairness.
        public var expected: Int { prompt + outputExpected }
    }

    public static let bytesPerToken = 4
    /// Tokens of an answer of a model never seen.
    public static let outputDefault = 256
    /// Claims beyond this are taken for this: no model says more.
    public static let tokensMax = 1 << 22
    /// Models remembered; the one seen least recently is forgotten first.
    public static let modelsMax = 1_024

    private struct Seen {
        var mean: Double
        var number: UInt64
    }

    private var seen: [String: Seen] = [:]
    private var number: UInt64 = 0

    public init() {}

    /// What a request will be. O(1).
    ///
    /// - Parameters:
    ///   - bodySize: in bytes.
    ///   - outputTokensMax: the request's `max_tokens` or `max_completion_tokens`.
    public func tokens(model: String, bodySize: Int, outputTokensMax: Int? = nil) -> Tokens {
        let limit = outputTokensMax.map { min(max(1, $0), Self.tokensMax) }
        let mean = seen[model].map { max(1, Int($0.mean.rounded())) }
        let reserved = limit ?? mean ?? Self.outputDefault
        return Tokens(
            prompt: min(max(0, bodySize) / Self.bytesPerToken + 1, Self.tokensMax), outputReserved: reserved,
            outputExpected: min(reserved, mean ?? Self.outputDefault))
    }

    /// An answer of this model had that many tokens. O(1), O(models) where one is forgotten.
    public mutating func saw(model: String, outputTokenCount: Int) {
        guard outputTokenCount > 0 else { return }
        number += 1
        let count = Double(min(outputTokenCount, Self.tokensMax))
        let mean = seen[model].map { $0.mean + (count - $0.mean) * Self.weightOfLast } ?? count
        if seen[model] == nil, seen.count >= Self.modelsMax { forgetOldest() }
        seen[model] = Seen(mean: mean, number: number)
    }

    private static let weightOfLast = 0.1

    private mutating func forgetOldest() {
        guard let oldest = seen.min(by: { $0.value.number < $1.value.number })?.key else { return }
        seen[oldest] = nil
    }
}
