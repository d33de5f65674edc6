/// What models cost, for saying what was saved. Nobody is charged by it.
public struct PriceTable: Hashable, Sendable {
    public struct Price: Hashable, Sendable {
        /// Millionths of a dollar for a million tokens.
        public var inputMicroUSDPerMillion: Int
        public var outputMicroUSDPerMillion: Int

        public init(inputMicroUSDPerMillion: Int, outputMicroUSDPerMillion: Int) {
            self.inputMicroUSDPerMillion = inputMicroUSDPerMillion
            self.outputMicroUSDPerMillion = outputMicroUSDPerMillion
        }
    }

    public var prices: [String: Price]

    public init(prices: [String: Price] = [:]) {
        self.prices = prices
    }

    public var isEmpty: Bool { prices.isEmpty }

    /// What these tokens would have cost, rounded down; nil for a model without a price.
    public func microUSD(of usage: Usage, model: String) -> Int? {
        guard let price = prices[model] else { return nil }
        let input = usage.promptTokenCount.multipliedReportingOverflow(by: price.inputMicroUSDPerMillion)
        let output = usage.completionTokenCount.multipliedReportingOverflow(by: price.outputMicroUSDPerMillion)
        guard !input.overflow, !output.overflow else { return nil }
        return input.partialValue / 1_000_000 + output.partialValue / 1_000_000
    }
}
