import SamovarCore

/// What a model's tokens cost, in millionths of a dollar per million tokens: whole numbers, so that sums stay exact.
struct ModelPrice: Hashable, Sendable {
    var inputMicroUSDPerMillion = 0
    var outputMicroUSDPerMillion = 0

    static let keys: [ConfigurationKey<ModelPrice>] = [
        .value("input_per_million_usd", \.inputMicroUSDPerMillion, .dollars(max: 1_000_000)),
        .value("output_per_million_usd", \.outputMicroUSDPerMillion, .dollars(max: 1_000_000)),
    ]
}

extension Configuration {
    /// `models`, as the core has them.
    var priceTable: PriceTable {
        PriceTable(
            prices: models.mapValues {
                PriceTable.Price(
                    inputMicroUSDPerMillion: $0.inputMicroUSDPerMillion,
                    outputMicroUSDPerMillion: $0.outputMicroUSDPerMillion)
            })
    }
}
