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
    /// By arm, and then by model. Mostly there is none.
    private(set) var arms: [OfArm] = []

    struct OfArm {
        let arm: SplitArm
        var hitCount = 0
        var staleCount = 0
        var saved: [Saved] = []
    }

    public init() {}

    public var isEmpty: Bool { hitCount == 0 && staleCount == 0 }

    /// One more answer out of L1.
    ///
    /// - Parameter arm: of its route's split, where that is split.
    public mutating func add(_ answer: Answer, _ provenance: Provenance, arm: SplitArm? = nil) {
        if provenance.result == .stale { staleCount += 1 } else { hitCount += 1 }
        if let usage = answer.usage { Self.add(usage, of: answer.model, to: &saved) }
        if let arm { add(answer, provenance, of: arm) }
    }

    private static func add(_ usage: Usage, of model: String, to saved: inout [Saved]) {
        let place = saved.lastIndex { $0.isEstimated == usage.isEstimated && $0.model == model } ?? saved.count
        if place == saved.count { saved.append(Saved(model: model, isEstimated: usage.isEstimated)) }
        saved[place].requestCount += 1
        saved[place].promptTokenCount += usage.promptTokenCount
        saved[place].completionTokenCount += usage.completionTokenCount
    }

    private mutating func add(_ answer: Answer, _ provenance: Provenance, of arm: SplitArm) {
        let place = arms.lastIndex { $0.arm == arm } ?? arms.count
        if place == arms.count { arms.append(OfArm(arm: arm)) }
        if provenance.result == .stale { arms[place].staleCount += 1 } else { arms[place].hitCount += 1 }
        if let usage = answer.usage { Self.add(usage, of: answer.model, to: &arms[place].saved) }
    }

    public mutating func removeAll() {
        hitCount = 0
        staleCount = 0
        saved.removeAll(keepingCapacity: true)
        arms.removeAll(keepingCapacity: true)
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
        for counted in tally.arms { count(counted, taking: duration, prices: prices) }
    }

    private func count(_ counted: HitTally.OfArm, taking duration: Duration, prices: PriceTable) {
        let figures = figures(of: counted.arm)
        for (count, result) in [(counted.hitCount, ServeResult.l1Hit), (counted.staleCount, .stale)] where count > 0 {
            figures.answered(result, taking: duration, count: count)
            figures.firstTokens.observe(duration, count: count)
        }
        for saved in counted.saved {
            let usage = Usage(
                promptTokenCount: saved.promptTokenCount, completionTokenCount: saved.completionTokenCount)
            figures.saved(usage, microUSD: prices.microUSD(of: usage, model: saved.model))
        }
    }

    private func count(_ count: Int, _ result: ServeResult, at front: DataFront, taking duration: Duration) {
        guard count > 0 else { return }
        requests[front][result].add(count)
        durations[result].observe(duration, count: count)
        firstTokens[result].observe(duration, count: count)
    }
}
