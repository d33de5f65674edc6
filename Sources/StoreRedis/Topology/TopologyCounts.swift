import SamovarEngine

/// What has been seen of Redis's own changes.
public struct TopologyCounts: Hashable, Sendable {
    /// Primaries that are known now.
    public let primaryCount: Int
    /// How often the primaries became others, the first ones included.
    public let changeCount: Int
    /// Commands that a node sent on because it keeps their slot no more.
    public let movedCount: Int
    /// Commands that a node sent on for this once, because their slot is on its way.
    public let askCount: Int
    /// Commands that had to be sent again because their slot was not together.
    public let tryAgainCount: Int
    /// Slot maps that were read.
    public let mapCount: Int
}

/// The counters behind `TopologyCounts`.
struct TopologyCounters: Sendable {
    let changes = Counter()
    let moved = Counter()
    let asks = Counter()
    let tryAgains = Counter()
    let maps = Counter()
}
