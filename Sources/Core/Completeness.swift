/// Whether an answer is whole, and whether it may be kept.
///
/// Whole: a clean end, no error in any disguise, and `[DONE]` or a finish reason for every choice seen.
/// Kept: whole, and not ended by `length` or `content_filter`, unless the route says so.
public struct Completeness: Sendable {
    private var unfinished: Set<Int> = []
    private var seen: Set<Int> = []
    private var isDone = false
    private var isError = false
    private var endedBy: NotStoredReason?

    public init() {}

    /// Another chunk passed. O(choices in it).
    public mutating func observe(_ facts: ChunkFacts) {
        isDone = isDone || facts.isDone
        isError = isError || facts.isError
        for choice in facts.choices {
            if seen.insert(choice.index).inserted { unfinished.insert(choice.index) }
            guard let reason = choice.finishReason else { continue }
            unfinished.remove(choice.index)
            // A stream may hold several choices: one cut by a filter makes the whole unfit, whatever comes after.
            if reason == "length", endedBy == nil { endedBy = .length }
            if reason == "content_filter" { endedBy = .contentFilter }
        }
    }

    public enum Verdict: Hashable, Sendable {
        case keep
        /// Whole, and good for those who wait for it; not to be stored.
        case pass(NotStoredReason)
        /// Not whole: an error to everyone.
        case incomplete
    }

    /// The upstream has ended its answer cleanly. O(1).
    public func verdict(storesLength: Bool, storesContentFilter: Bool) -> Verdict {
        if isError { return .incomplete }
        let isWhole = isDone || (!seen.isEmpty && unfinished.isEmpty)
        guard isWhole else { return .incomplete }
        switch endedBy {
        case .length where !storesLength: return .pass(.length)
        case .contentFilter where !storesContentFilter: return .pass(.contentFilter)
        default: return .keep
        }
    }
}
