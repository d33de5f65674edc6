import SamovarCore
import Synchronization

/// L1: the answers in this process's own memory. Drives `BoundedCache`: choose the shard, lock, weigh.
///
/// Sharded by key, each shard with its own lock and its own part of the budget, so that threads rarely meet. With a
/// second cache each entry is known by its name there too (`MemoryCache+Names`). Lock order: a shard, then its names.
public final class MemoryCache: Sendable {
    /// What an entry weighs beside its coded bytes, its key and its model's name: the rest of its node, its slots of
    /// the table, the answer's own fields, and what the allocator rounds up.
    public static let overheadPerEntry = 424
    /// And, under S3-FIFO, the ghost that it may leave: a node and its slots of a table.
    public static let overheadPerGhost = 80
    /// And its place among the names: a slot of a table that is a third full at its emptiest.
    public static let overheadPerName = 128
    /// How many marks are kept: a mark is small, and losing one costs a look-up.
    private static let markCountMax = 10_000
    /// More than threads that look at once.
    static let shardCountMax = 64
    /// The smallest shard, in bytes. With less, chance would give some shards too many keys.
    static let shardSizeMin = 1 << 20

    /// An answer, and what only this cache knows about it.
    struct Kept {
        let stored: StoredAnswer
        /// When the look, or the call, began that brought it: changes that were heard of later are later.
        let checkedAt: Instant
        /// 0 where there is no second cache.
        let name: UInt64
    }

    struct Shard: ~Copyable {
        var entries: BoundedCache<RequestKey, Kept, ChosenPolicy>
        var marks: BoundedCache<RequestKey, Instant, LRUPolicy>
    }

    let shards: Padded<Lock<Shard>>
    /// Who goes first when a shard is full.
    public let policy: PolicyName
    private let metrics: Metrics
    /// What a key is called in the second cache; nil: there is none that tells of changes.
    let naming: (@Sendable (RequestKey) -> UInt64)?
    let names: Padded<Lock<Names>>
    /// Nanoseconds of the instant before which nothing was checked that may be used. See `trust(since:)`.
    private let trustedSince = Atomic<Int64>(0)

    /// - Parameters:
    ///   - sizeMax: `l1_size_max`, in bytes.
    ///   - itemSizeMax: `l1_item_size_max`, in bytes.
    ///   - policy: who goes first when it is full.
    ///   - naming: what a key is called in the second cache, where that tells of changes.
    public init(
        sizeMax: Int, itemSizeMax: Int, policy: PolicyName = .lru, metrics: Metrics,
        naming: (@Sendable (RequestKey) -> UInt64)? = nil
    ) {
        let count = Self.shardCount(sizeMax: sizeMax, itemSizeMax: itemSizeMax)
        shards = Padded(count: count) { _ in
            Lock(
                Shard(
                    entries: BoundedCache(
                        weightMax: sizeMax / count, itemWeightMax: itemSizeMax,
                        policy: ChosenPolicy(policy, weightMax: sizeMax / count)),
                    marks: BoundedCache(weightMax: Self.markCountMax / count)))
        }
        names = Padded(count: naming == nil ? 1 : Names.groupCount) { _ in Lock(Names()) }
        self.policy = policy
        self.naming = naming
        self.metrics = metrics
    }

    /// A power of two: as many as leave each shard its smallest size and room for two of the largest items.
    static func shardCount(sizeMax: Int, itemSizeMax: Int) -> Int {
        var count = 1
        while count < shardCountMax {
            let shardSize = sizeMax / (count * 2)
            guard shardSize >= shardSizeMin, shardSize / 2 >= itemSizeMax else { break }
            count *= 2
        }
        return count
    }

    /// What was checked before this is not handed out any more, and stays until something newer takes its place.
    public func trust(since instant: Instant) {
        trustedSince.store(instant.nanoseconds, ordering: .relaxed)
    }

    /// The answer under the key, be it fresh or stale; one that is dead is dropped.
    public func get(_ key: RequestKey, at now: Instant) -> StoredAnswer? {
        let trusted = trustedSince.load(ordering: .relaxed)
        var dead: Kept?
        let alive = lock(for: key).pointee.withLock { shard -> StoredAnswer? in
            guard
                let found = shard.entries.withValue(
                    key,
                    { kept in
                        now < kept.stored.freshness.diesAt && kept.checkedAt.nanoseconds >= trusted
                            ? kept.stored : nil
                    })
            else { return nil }
            if found == nil { dead = removeDead(key, from: &shard, at: now) }
            return found
        }
        if dead != nil { metrics.evictions[.expired].add(1) }
        return alive
    }

    private func removeDead(_ key: RequestKey, from shard: inout Shard, at now: Instant) -> Kept? {
        guard let there = shard.entries.peek(key), now >= there.stored.freshness.diesAt else { return nil }
        let dead = shard.entries.remove(key)
        if let dead { forget(dead) }
        return dead
    }

    /// - Parameter since: when the call began that brought the answer.
    /// - Returns: its name, if something was heard of it since then.
    @discardableResult
    public func set(_ key: RequestKey, _ stored: StoredAnswer, since: Instant = .never) -> UInt64? {
        put(key, stored, since: since, onlyIfNewer: false)
    }

    /// Keeps what came from L2, unless something newer has been put here meanwhile that may be used.
    ///
    /// - Parameter since: when the look began that brought it.
    /// - Returns: its name, if something was heard of it since then.
    @discardableResult
    public func fill(_ key: RequestKey, _ stored: StoredAnswer, since: Instant = .never) -> UInt64? {
        put(key, stored, since: since, onlyIfNewer: true)
    }

    private func put(_ key: RequestKey, _ stored: StoredAnswer, since: Instant, onlyIfNewer: Bool) -> UInt64? {
        let name = naming?(key) ?? 0
        let kept = Kept(stored: stored, checkedAt: since, name: name)
        let weight = Self.weight(of: stored.answer, under: policy, isNamed: naming != nil)
        let trusted = trustedSince.load(ordering: .relaxed)
        var gone = Gone()
        let (action, isHeardOf) = lock(for: key).pointee.withLock { shard -> (SetAction?, Bool) in
            if onlyIfNewer, let there = shard.entries.peek(key), there.checkedAt.nanoseconds >= trusted,
                there.stored.freshness.bornAt > stored.freshness.bornAt
            {
                return (nil, false)
            }
            let action = shard.entries.set(key, kept, weight: weight) { gone.append($0) }
            guard naming != nil else { return (action, false) }
            gone.each(forget)
            guard action.isAdmitted else { return (action, false) }
            return (action, register(name, key, stored.answer.identity, since: since))
        }
        if let action { count(action) }
        return isHeardOf ? name : nil
    }

    private typealias SetAction = BoundedCache<RequestKey, Kept, ChosenPolicy>.SetAction

    private func count(_ action: SetAction) {
        metrics.evictions[.size].add(action.evictedCount)
        if !action.isAdmitted { metrics.evictions[.itemSize].add(1) }
    }

    /// Whether there was anything under the key.
    @discardableResult
    public func remove(_ key: RequestKey) -> Bool {
        let gone = lock(for: key).pointee.withLock { shard -> Kept? in
            let gone = shard.entries.remove(key)
            if let gone { forget(gone) }
            return gone
        }
        return gone != nil
    }

    /// Removes the answers that `isIt` picks out, shard by shard. Returns how many. O(entries): each shard is held for
    /// as long as reading its part takes.
    @discardableResult
    public func removeAll(where isIt: @Sendable (Answer) -> Bool) -> Int {
        (0..<shards.count).reduce(into: 0) { count, index in
            var gone: [Kept] = []
            shards[index].pointee.withLock { shard in
                for key in shard.entries.keys(where: { isIt($0.stored.answer) }) {
                    guard let kept = shard.entries.remove(key) else { continue }
                    forget(kept)
                    gone.append(kept)
                }
            }
            count += gone.count
        }
    }

    /// What left under the lock, to be let go of after it: giving back memory takes its time. Mostly it is one.
    private struct Gone {
        private var first: Kept?
        private var others: [Kept] = []

        mutating func append(_ kept: consuming Kept) {
            if first == nil { first = kept } else { others.append(kept) }
        }

        func each(_ body: (Kept) -> Void) {
            if let first { body(first) }
            for other in others { body(other) }
        }
    }

    /// Notes that what this key asks for can never be kept, so that looking it up is no use until then.
    public func mark(_ key: RequestKey, until: Instant) {
        lock(for: key).pointee.withLock { _ = $0.marks.set(key, until, weight: 1) }
    }

    public func isMarked(_ key: RequestKey, at now: Instant) -> Bool {
        lock(for: key).pointee.withLock { $0.marks.peek(key).map { now < $0 } ?? false }
    }

    /// Entries and their weight in bytes. Each shard as it is when it is asked.
    public var fill: (count: Int, byteCount: Int) {
        (0..<shards.count).reduce(into: (0, 0)) { sum, index in
            let (count, byteCount) = shards[index].pointee.withLock { ($0.entries.count, $0.entries.weight) }
            sum.0 += count
            sum.1 += byteCount
        }
    }

    /// Which shard is in the half of the hash that the shard's own table does not use.
    private func lock(for key: RequestKey) -> UnsafeMutablePointer<Lock<Shard>> {
        shards[Int(key.cacheHash >> 32) & (shards.count - 1)]
    }

    /// What an answer is charged here, in bytes.
    static func weight(of answer: Answer, under policy: PolicyName = .lru, isNamed: Bool = false) -> Int {
        answer.recording.coded.count + answer.model.utf8.count + RequestKey.byteCount + overheadPerEntry
            + (policy == .s3fifo ? overheadPerGhost : 0) + (isNamed ? overheadPerName : 0)
    }
}
