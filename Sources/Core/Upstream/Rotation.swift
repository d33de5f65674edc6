/// Takes turns among upstreams by weight, evenly spread: nginx's smooth weighted round robin.
///
/// With weights 5, 1, 1 the turns are a a b a c a a, not a a a a a b c. O(upstreams) a turn.
public struct Rotation: Sendable {
    private let weights: [Int]
    private var credits: [Int]

    /// - Precondition: at least one weight, all of them positive.
    public init(weights: [Int]) {
        precondition(!weights.isEmpty && weights.allSatisfy { $0 > 0 }, "a rotation needs positive weights")
        self.weights = weights
        credits = Array(repeating: 0, count: weights.count)
    }

    /// The index of the one whose turn it is.
    public mutating func next() -> Int {
        var chosen = 0
        for index in weights.indices {
            credits[index] += weights[index]
            if credits[index] > credits[chosen] { chosen = index }
        }
        credits[chosen] -= weights.reduce(0, +)
        return chosen
    }
}
