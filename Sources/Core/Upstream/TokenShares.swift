/// What of one count is whose, where only the sum is known: by weight, in whole numbers that add up to it exactly.
///
/// Each has at least one where there are enough for all. What is left goes by weight, rounded on running sums, so that no
/// rounding error adds up: nobody is off by one or more.
public enum TokenShares {
    /// In the order of the weights. O(weights).
    ///
    /// - Parameters:
    ///   - total: not negative; nothing of less.
    ///   - weights: not negative. Where all are zero they count as equal.
    public static func shares(of total: Int, by weights: [Int]) -> [Int] {
        let weights = weights.allSatisfy({ $0 <= 0 }) ? weights.map { _ in 1 } : weights.map { max(0, $0) }
        let total = max(0, total)
        let floor = total >= weights.count ? 1 : 0
        let rest = total - floor * weights.count
        // Sizes of bodies: their sum is far from overflowing.
        let sum = weights.reduce(0, +)
        var weighed = 0
        var given = 0
        return weights.map { weight in
            weighed += weight
            let (high, low) = rest.multipliedFullWidth(by: weighed)
            // No more than the rest, as `weighed` is no more than the sum: it fits.
            let upToHere = sum.dividingFullWidth((high, low)).quotient
            defer { given = upToHere }
            return floor + upToHere - given
        }
    }
}
