import SamovarCore
import TestSupport
import Testing

@Suite("Shares of what several used together")
struct TokenSharesTests {
    @Test(
        "go by weight",
        arguments: [
            (10, [1, 1], [5, 5]), (10, [4, 1], [7, 3]), (3, [1, 1, 1], [1, 1, 1]), (0, [5, 9], [0, 0]),
            (1, [1, 1], [0, 1]), (7, [0, 0], [3, 4]), (5, [9], [5]), (-3, [1, 2], [0, 0]),
        ])
    func byWeight(total: Int, weights: [Int], expected: [Int]) {
        #expect(TokenShares.shares(of: total, by: weights) == expected)
    }

    @Test("add up exactly, are within one of their right size, and none is empty where there are enough")
    func exact() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<2_000 {
            let weights = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                Int.random(in: 0...8_000_000, using: &random)
            }
            let total = Int.random(in: 0...(Bool.random(using: &random) ? 60 : 1 << 40), using: &random)

            let shares = TokenShares.shares(of: total, by: weights)

            #expect(shares.reduce(0, +) == total)
            let isEnough = total >= weights.count
            #expect(shares.allSatisfy { $0 >= (isEnough ? 1 : 0) })
            let sum = Double(weights.reduce(0, +))
            guard sum > 0 else { continue }
            let rest = Double(isEnough ? total - weights.count : total)
            for (share, weight) in zip(shares, weights) {
                let right = Double(isEnough ? 1 : 0) + rest * Double(weight) / sum
                #expect(abs(Double(share) - right) <= 1.001)
            }
        }
    }

    @Test("hold as large a count as there is")
    func large() {
        #expect(TokenShares.shares(of: .max, by: [3, 1]).reduce(0, +) == .max)
    }
}
