import SamovarCore

/// L1: the answers in this process's own memory. Drives `BoundedCache`: choose the shard, lock, weigh.
///
/// Sharded by key, each shard with its own lock and its own part of the budget, so that threads rarely meet.
public final class MemoryCache: Sendable {
    /// What an entry weighs beside its coded bytes, its key and its model's name: the rest of its node, its slots of
    /// the table, the answer's own fields, and what the allocator rounds up. Of 100,000 answers, 290 were measured as
    /// growth of the process; this allows for the table at its emptiest.
    public static let overheadPerEntry = 320
    /// How many marks are kept: a mark is small, and losing one costs a look-up.
    private static let markCountMax = 10_000
    /// More than threads that look at once.
    static let shardCountMax = 64
    /// The smallest shard, in bytes. With less, chance would give some shards too many keys.
    static let shardSizeMin = 1 << 20

    private struct Shard: ~Copyable {
        var entries: BoundedCache<RequestKey, StoredAnswer, LRUPolicy>
        var marks: BoundedCache<RequestKey, Instant, LRUPolicy>
    }

    private let shards: Padded<Lock<Shard>>
    private let metrics: Metrics

    /// - Parameters:
    ///   - sizeMax: `l1_size_max`, in bytes.
    ///   - itemSizeMax: `l1_item_size_max`, in bytes.
    public init(sizeMax: Int, itemSizeMax: Int, metrics: Metrics) {
        let count = Self.shardCount(sizeMax: sizeMax, itemSizeMax: itemSizeMax)
        shards = Padded(count: count) { _ in
            Lock(
                Shard(
                    entries: BoundedCache(weightMax: sizeMax / count, itemWeightMax: itemSizeMax),
                    marks: BoundedCache(weightMax: Self.markCountMax / count)))
        }
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

    /// The answer under the key, be it fresh or stale; one that is dead is dropped.
    public func get(_ key: RequestKey, at now: Instant) -> StoredAnswer? {
        var dead: StoredAnswer?
        let alive = lock(for: key).pointee.withLock { shard -> StoredAnswer? in
            guard let found = shard.entries.withValue(key, { now < $0.freshness.diesAt ? copy $0 : nil }) else {
                return nil
            }
            if found == nil { dead = shard.entries.remove(key) }
            return found
        }
        if dead != nil { metrics.evictions[.expired].add(1) }
        return alive
    }

    public func set(_ key: RequestKey, _ stored: StoredAnswer) {
        let weight = Self.weight(of: stored.answer)
        var gone = Gone()
        let action = lock(for: key).pointee.withLock { shard in
            shard.entries.set(key, stored, weight: weight) { gone.append($0) }
        }
        count(action)
    }

    /// Keeps what came from L2, unless something newer has been put here meanwhile.
    public func fill(_ key: RequestKey, _ stored: StoredAnswer) {
        let weight = Self.weight(of: stored.answer)
        var gone = Gone()
        let action = lock(for: key).pointee.withLock { shard -> SetAction? in
            if let there = shard.entries.peek(key), there.freshness.bornAt > stored.freshness.bornAt { return nil }
            return shard.entries.set(key, stored, weight: weight) { gone.append($0) }
        }
        if let action { count(action) }
    }

    private typealias SetAction = BoundedCache<RequestKey, StoredAnswer, LRUPolicy>.SetAction

    private func count(_ action: SetAction) {
        metrics.evictions[.size].add(action.evictedCount)
        if !action.isAdmitted { metrics.evictions[.itemSize].add(1) }
    }

    /// Whether there was anything under the key.
    @discardableResult
    public func remove(_ key: RequestKey) -> Bool {
        lock(for: key).pointee.withLock { $0.entries.remove(key) } != nil
    }

    /// What left under the lock, to be let go of after it: giving back memory takes its time. Mostly it is one.
    private struct Gone {
        private var first: StoredAnswer?
        private var others: [StoredAnswer] = []

        mutating func append(_ stored: consuming StoredAnswer) {
            if first == nil { first = stored } else { others.append(stored) }
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

    static func weight(of answer: Answer) -> Int {
        answer.recording.coded.count + answer.model.utf8.count + RequestKey.byteCount + overheadPerEntry
    }
}
