/// A cache bounded by weight. What to keep is the policy's business; how much there is room for is this one's.
///
/// Weights are whatever the owner counts: bytes with key and overhead in the daemon, 1 per entry in traces. Evicts
/// before it inserts; an entry heavier than `itemWeightMax` is not admitted and disturbs nobody. A copy would copy
/// everything, so there is none. Every operation is O(1), an insertion O(evicted).
public struct BoundedCache<Key: Hashable, Value, Policy: EvictionPolicy>: ~Copyable {
    private struct Entry {
        let key: Key
        var value: Value
        let weight: Int
    }

    public let weightMax: Int
    public let itemWeightMax: Int
    public private(set) var weight = 0
    private var policy = Policy()
    private var slots: [Key: Int] = [:]
    private var entries: [Entry?] = []
    private var free: [Int] = []

    /// - Parameter itemWeightMax: the heaviest entry that is admitted; never more than `weightMax`.
    public init(weightMax: Int, itemWeightMax: Int? = nil, policy: Policy.Type = Policy.self) {
        self.weightMax = weightMax
        self.itemWeightMax = min(itemWeightMax ?? weightMax, weightMax)
    }

    public var count: Int { slots.count }

    /// The value, counted as used.
    public mutating func get(_ key: Key) -> Value? {
        guard let slot = slots[key] else { return nil }
        policy.touched(slot)
        return entries[slot]?.value
    }

    /// The value, without counting it as used.
    public func peek(_ key: Key) -> Value? {
        slots[key].flatMap { entries[$0]?.value }
    }

    public struct SetAction {
        /// False: heavier than `itemWeightMax`, and so not kept.
        public let isAdmitted: Bool
        /// Who had to go for it.
        public let evicted: [Value]
    }

    /// Keeps the value under the key, in place of what was there.
    @discardableResult
    public mutating func set(_ key: Key, _ value: Value, weight: Int) -> SetAction {
        precondition(weight >= 0, "a weight is not negative")
        remove(key)
        guard weight <= itemWeightMax else { return SetAction(isAdmitted: false, evicted: []) }
        var evicted: [Value] = []
        while self.weight + weight > weightMax, let slot = policy.victim() {
            if let entry = take(slot) { evicted.append(entry.value) }
        }
        let slot = free.popLast() ?? entries.count
        if slot == entries.count { entries.append(nil) }
        entries[slot] = Entry(key: key, value: value, weight: weight)
        slots[key] = slot
        self.weight += weight
        policy.inserted(at: slot, weight: weight)
        return SetAction(isAdmitted: true, evicted: evicted)
    }

    /// Removes the entry, if it is there, and returns its value.
    @discardableResult
    public mutating func remove(_ key: Key) -> Value? {
        guard let slot = slots[key] else { return nil }
        return take(slot)?.value
    }

    private mutating func take(_ slot: Int) -> Entry? {
        guard let entry = entries[slot] else { return nil }
        policy.removed(from: slot)
        entries[slot] = nil
        slots[entry.key] = nil
        free.append(slot)
        weight -= entry.weight
        return entry
    }
}
