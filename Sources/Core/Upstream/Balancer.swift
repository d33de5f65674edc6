/// Which of several upstreams gets the next piece of work: the one with the least outstanding for its weight.
///
/// Work is what `WorkEstimate` says, so one long answer weighs as much as many short ones. Tiers go first (see
/// `Tier`). Among more than `candidatesMax` two are drawn and the better one is taken: nearly as good, and a herd of
/// processes does not run after the same one (Mitzenmacher, "The power of two choices in randomized load balancing",
/// 2001). Equals take turns by weight.
public struct Balancer: Sendable {
    public struct Candidate: Hashable, Sendable {
        public var name: String
        public var tier: Tier
        /// Its configured weight, times what `SlowStart` says. Not positive: takes only what nobody else takes.
        public var weight: Double
        /// Estimated tokens of the attempts under way at it.
        public var outstandingWork: Double
        /// Neither saturated nor out: it could take something now.
        public var isReady: Bool

        public init(
            name: String, tier: Tier = .local, weight: Double = 1, outstandingWork: Double = 0, isReady: Bool = true
        ) {
            self.name = name
            self.tier = tier
            self.weight = weight
            self.outstandingWork = outstandingWork
            self.isReady = isReady
        }
    }

    /// More than these are not all looked at.
    public static let candidatesMax = 8

    /// Work given to each so far, for its weight; only differences mean something.
    private var given: [String: Double] = [:]
    /// How far the one had come that was chosen last. Whoever was away starts from there: it does not get everything
    /// until it has caught up (start-time fair queueing; Goyal, Vin, Cheng, 1996).
    private var virtualTime = 0.0

    public init() {}

    /// The index of the one that is to be asked; nil where none is ready. Notes the work as given. O(candidates).
    ///
    /// - Parameters:
    ///   - work: what is to be given.
    ///   - jitter: a random number in 0..<1. Used only among many.
    public mutating func choose(among candidates: [Candidate], work: Double, jitter: Double) -> Int? {
        guard let tier = candidates.lazy.filter(\.isReady).map(\.tier).min() else { return nil }
        let ready = candidates.indices.filter { candidates[$0].isReady && candidates[$0].tier == tier }
        let drawn = Self.draw(from: ready, jitter: jitter)
        let chosen = drawn.dropFirst().reduce(drawn[0]) { isBetter(candidates[$1], than: candidates[$0]) ? $1 : $0 }
        note(work, to: candidates[chosen])
        return chosen
    }

    private static func draw(from indices: [Int], jitter: Double) -> [Int] {
        guard indices.count > candidatesMax else { return indices }
        let count = indices.count
        // One number in 0..<count * (count - 1) names an ordered pair.
        let share = jitter > 0 && jitter < 1 ? jitter : 0
        let number = Int(share * Double(count * (count - 1)))
        let first = number / (count - 1)
        let second = number % (count - 1)
        return [indices[first], indices[second < first ? second : second + 1]]
    }

    private func isBetter(_ one: Candidate, than other: Candidate) -> Bool {
        let load = (Self.load(one), Self.load(other))
        if load.0 != load.1 { return load.0 < load.1 }
        return start(one) < start(other)
    }

    private func start(_ candidate: Candidate) -> Double { max(virtualTime, given[candidate.name, default: 0]) }

    private static func load(_ candidate: Candidate) -> Double {
        (candidate.outstandingWork > 0 ? candidate.outstandingWork : 0) / usableWeight(candidate)
    }

    private static func usableWeight(_ candidate: Candidate) -> Double {
        candidate.weight > 1e-6 ? candidate.weight : 1e-6
    }

    private mutating func note(_ work: Double, to chosen: Candidate) {
        virtualTime = start(chosen)
        let share = max(1, work.isFinite ? work : 1) / Self.usableWeight(chosen)
        given[chosen.name] = virtualTime + share
    }
}
