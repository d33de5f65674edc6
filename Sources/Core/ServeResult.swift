/// How a request was answered. The raw values are the metrics' label.
public enum ServeResult: String, CaseIterable, Hashable, Sendable {
    case l1Hit = "l1_hit"
    case l2Hit = "l2_hit"
    case coalesced
    case miss
    case stale
    case fallback
    case bypass
    case error
}

/// What a reply says about where it came from.
public struct Provenance: Hashable, Sendable {
    public var result: ServeResult
    /// How old a stored answer is; nil for one that was made now.
    public var age: Duration?
    /// What is left of its fresh time; negative for a stale one.
    public var remaining: Duration?
    /// Whether the answer is kept; nil where that is not known yet.
    public var stored: Bool?
    /// On which step of the ladder; nil: it was simply answered.
    public var step: LadderStep?

    public init(
        result: ServeResult, age: Duration? = nil, remaining: Duration? = nil, stored: Bool? = nil,
        step: LadderStep? = nil
    ) {
        self.result = result
        self.age = age
        self.remaining = remaining
        self.stored = stored
        self.step = step
    }
}
