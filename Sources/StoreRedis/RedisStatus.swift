import SamovarCore
import SamovarEngine

/// What the store has done since the process started, and how it stands now.
public struct RedisStatus: Sendable {
    /// All look-ups: hits, misses of all kinds, skipped.
    public let getCount: Int
    public let hitCount: Int
    /// Redis answered, and there was nothing to use.
    public let missCount: Int
    /// Answers offered for keeping: written, refused, too large, skipped.
    public let setCount: Int
    public let writtenCount: Int
    /// Not sent, because the breaker was open.
    public let skippedCount: Int
    /// Writes not sent, because the server had refused the ones before.
    public let skippedWriteCount: Int
    public let timeoutCount: Int
    /// Commands that failed otherwise: no connection, a lost one, an error reply.
    public let errorCount: Int
    /// Misses because what was stored was not the key's answer.
    public let damaged: [ValueDamage: Int]
    /// Not written: larger than `value_size_max`.
    public let tooLargeCount: Int
    public let connectCount: Int
    public let liveConnectionCount: Int
    /// Of several primaries: closed or open where all are, otherwise half-open.
    public let breakerState: Breaker.State
    /// Not closed while the server refuses writes; reads go on.
    public let writeBreakerState: Breaker.State
    public let topology: TopologyCounts

    public var damagedCount: Int { damaged.values.reduce(0, +) }
}

/// The counters behind `RedisStatus`.
struct RedisCounters: Sendable {
    let gets = Counter()
    let hits = Counter()
    let misses = Counter()
    let sets = Counter()
    let written = Counter()
    let skipped = Counter()
    let skippedWrites = Counter()
    let timeouts = Counter()
    let errors = Counter()
    let damaged = Counters<ValueDamage>()
    let tooLarge = Counter()
}
