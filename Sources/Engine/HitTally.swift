import SamovarCore

/// What was answered out of memory in one turn of a loop: counted together, because a hit costs less than its counters.
public struct HitTally: ~Copyable {
    struct Saved {
        let model: String
        let isEstimated: Bool
        var requestCount = 0
        var promptTokenCount = 0
        var completionTokenCount = 0
    }

    public private(set) var hitCount = 0
    private(set) var staleCount = 0
    /// By model. Mostly there is one.
    private(set) var saved: [Saved] = []

    public init() {}

    public var isEmpty: Bool { hitCount == 0 && staleCount == 0 }

    /// One more answer out of L1.
    public mutating func add(_ answer: Answer, _ provenance: Provenance) {
        if provenance.result == .stale { staleCount += 1 } else { hitCount += 1 }
        guard let usage = answer.usage else { return }
        let place =
            saved.lastIndex { $0.isEstimated == usage.isEstimated && $0.model == answer.model } ?? saved.count
        if place == saved.count { saved.append(Saved(model: answer.model, isEstimated: usage.isEstimated)) }
        saved[place].requestCount += 1
        saved[place].promptTokenCount += usage.promptTokenCount
        saved[place].completionTokenCount += usage.completionTokenCount
    }

    public mutating func removeAll() {
        hitCount = 0
        staleCount = 0
        saved.removeAll(keepingCapacity: true)
    }
}

extension Metrics {
    /// - Parameter duration: from the turn's beginning until its answers were written: the longest that any took.
    func count(_ tally: borrowing HitTally, at front: DataFront, taking duration: Duration, prices: PriceTable) {
        count(tally.hitCount, .l1Hit, at: front, taking: duration)
        count(tally.staleCount, .stale, at: front, taking: duration)
        for saved in tally.saved {
            let usage = Usage(
                promptTokenCount: saved.promptTokenCount, completionTokenCount: saved.completionTokenCount,
                isEstimated: saved.isEstimated)
            self.saved(usage)
            if let money = prices.microUSD(of: usage, model: saved.model) {
                savedMicroUSD.add(money)
            } else {
                unpricedRequests.add(saved.requestCount)
            }
        }
    }

    private func count(_ count: Int, _ result: ServeResult, at front: DataFront, taking duration: Duration) {
        guard count > 0 else { return }
        requests[front][result].add(count)
        durations[result].observe(duration, count: count)
        firstTokens[result].observe(duration, count: count)
    }
}
