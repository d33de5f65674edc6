import SamovarCore

/// L1: the answers in this process's own memory. Drives `BoundedCache`: lock, weigh.
public final class MemoryCache: Sendable {
    /// What an entry weighs beside its coded bytes: key, slot, links, and the answer's own fields, as measured.
    public static let overheadPerEntry = 420
    /// How many marks are kept: a mark is small, and losing one costs a look-up.
    private static let markCountMax = 10_000

    private let entries: Lock<BoundedCache<RequestKey, StoredAnswer, LRUPolicy>>
    private let marks: Lock<BoundedCache<RequestKey, Instant, LRUPolicy>>
    private let metrics: Metrics

    /// - Parameters:
    ///   - sizeMax: `l1_size_max`, in bytes.
    ///   - itemSizeMax: `l1_item_size_max`, in bytes.
    public init(sizeMax: Int, itemSizeMax: Int, metrics: Metrics) {
        entries = Lock(BoundedCache(weightMax: sizeMax, itemWeightMax: itemSizeMax))
        marks = Lock(BoundedCache(weightMax: Self.markCountMax))
        self.metrics = metrics
    }

    /// The answer under the key, be it fresh or stale; one that is dead is dropped.
    public func get(_ key: RequestKey, at now: Instant) -> StoredAnswer? {
        entries.withLock { entries in
            guard let stored = entries.get(key) else { return nil }
            guard now < stored.freshness.diesAt else {
                entries.remove(key)
                metrics.evictions[.expired].add(1)
                return nil
            }
            return stored
        }
    }

    public func set(_ key: RequestKey, _ stored: StoredAnswer) {
        let weight = Self.weight(of: stored.answer)
        let action = entries.withLock { $0.set(key, stored, weight: weight) }
        count(action)
    }

    /// Keeps what came from L2, unless something newer has been put here meanwhile.
    public func fill(_ key: RequestKey, _ stored: StoredAnswer) {
        let weight = Self.weight(of: stored.answer)
        let action = entries.withLock { entries -> BoundedCache<RequestKey, StoredAnswer, LRUPolicy>.SetAction? in
            if let there = entries.peek(key), there.freshness.bornAt > stored.freshness.bornAt { return nil }
            return entries.set(key, stored, weight: weight)
        }
        if let action { count(action) }
    }

    private func count(_ action: BoundedCache<RequestKey, StoredAnswer, LRUPolicy>.SetAction) {
        metrics.evictions[.size].add(action.evicted.count)
        if !action.isAdmitted { metrics.evictions[.itemSize].add(1) }
    }

    /// Whether there was anything under the key.
    @discardableResult
    public func remove(_ key: RequestKey) -> Bool {
        entries.withLock { $0.remove(key) != nil }
    }

    /// Notes that what this key asks for can never be kept, so that looking it up is no use until then.
    public func mark(_ key: RequestKey, until: Instant) {
        marks.withLock { _ = $0.set(key, until, weight: 1) }
    }

    public func isMarked(_ key: RequestKey, at now: Instant) -> Bool {
        marks.withLock { $0.peek(key).map { now < $0 } ?? false }
    }

    /// Entries and their weight in bytes.
    public var fill: (count: Int, byteCount: Int) {
        entries.withLock { ($0.count, $0.weight) }
    }

    static func weight(of answer: Answer) -> Int {
        answer.recording.coded.count + answer.model.utf8.count + RequestKey.byteCount + overheadPerEntry
    }
}
