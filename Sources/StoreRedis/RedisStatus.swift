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
    /// Not closed while the server does not let us lease: each process calls for itself then.
    public let leaseBreakerState: Breaker.State
    public let leases: LeaseCounts
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
    let leases = LeaseCounters()
}

/// What came of sharing calls with other processes.
public struct LeaseCounts: Hashable, Sendable {
    /// Leases that nobody had.
    public let acquiredCount: Int
    /// Wishes to lead that found another attempt under way.
    public let followedCount: Int
    /// Wishes to lead that found a good answer.
    public let hitCount: Int
    /// Leases taken from a pod that seemed dead.
    public let stolenCount: Int
    /// Wishes to lead that were refused, because the leading pods of the key died too often.
    public let poisonedCount: Int
    /// Answers that were not stored, because the lease was another's by then.
    public let lostCommitCount: Int
    /// Entries given to other processes.
    public let publishedCount: Int
    /// Not sent, because a breaker was open.
    public let skippedCount: Int
}

/// The counters behind `LeaseCounts`.
struct LeaseCounters: Sendable {
    let acquired = Counter()
    let followed = Counter()
    let hits = Counter()
    let stolen = Counter()
    let poisoned = Counter()
    let lostCommits = Counter()
    let published = Counter()
    let skipped = Counter()

    var current: LeaseCounts {
        LeaseCounts(
            acquiredCount: acquired.current, followedCount: followed.current, hitCount: hits.current,
            stolenCount: stolen.current, poisonedCount: poisoned.current, lostCommitCount: lostCommits.current,
            publishedCount: published.current, skippedCount: skipped.current)
    }
}
