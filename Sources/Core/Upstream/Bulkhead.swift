/// How many of an upstream's permits one model may hold while another model waits: a slow model does not take them
/// all. Alone, a model may have every one.
///
/// Bounded by what is under way: a model that holds nothing is forgotten. After Nygard, "Release It!" (2007), ch. 5.3.
public struct Bulkhead: Sendable {
    /// Of an upstream's permits. In 0...1. `model_share`.
    public var share: Double
    private var held: [String: Int] = [:]

    public init(share: Double = 0.75) { self.share = share }

    /// Whether this model may take one more. O(1).
    ///
    /// - Parameters:
    ///   - limit: how many permits there are.
    ///   - othersWait: whether a flight of another model is waiting for one.
    public func mayTake(_ model: String, of limit: Int, othersWait: Bool) -> Bool {
        guard othersWait else { return true }
        return held[model, default: 0] < Self.heldMax(share, of: limit)
    }

    public mutating func took(_ model: String) { held[model, default: 0] += 1 }

    public mutating func gaveBack(_ model: String) {
        guard let count = held[model] else { preconditionFailure("a permit is given back once") }
        held[model] = count > 1 ? count - 1 : nil
    }

    public func heldCount(_ model: String) -> Int { held[model, default: 0] }

    /// At least one; with a share below one never all of two or more.
    static func heldMax(_ share: Double, of limit: Int) -> Int {
        let bounded = share > 0 ? min(share, 1) : 0
        return max(1, Int((Double(limit) * bounded).rounded(.down)))
    }
}
