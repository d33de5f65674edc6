// Unsafe pointers are here because this is the hit path: nodes lie in one allocation, so that a hit reads one slot of
// the table and one node, counts no reference but the value's, and checks no bound. Every place comes out of the
// table or the policy, which have it from here.

/// A cache bounded by weight. What to keep is the policy's business; how much there is room for is this one's.
///
/// Weights are whatever the owner counts: bytes with key and overhead in the daemon, 1 per entry in traces. Evicts
/// before it inserts; an entry heavier than `itemWeightMax` is not admitted and disturbs nobody. A copy would copy
/// everything, so there is none. Every operation is O(1), an insertion O(evicted), and O(entries) each time that the
/// memory doubles; it is given back only as a whole. An entry costs its node (policy's state, weight, key, value) and
/// 16 to 32 bytes of table.
public struct BoundedCache<Key: CacheKey, Value, Policy: EvictionPolicy & ~Copyable>: ~Copyable {
    /// The state comes first: `PolicyStates` finds it there. A node without an entry is not initialised; its first
    /// bytes are the place of the next such node.
    @usableFromInline
    struct Node {
        @usableFromInline var state: Policy.State
        @usableFromInline let weight: Int
        @usableFromInline let key: Key
        @usableFromInline let value: Value

        @inlinable
        init(state: Policy.State, weight: Int, key: Key, value: Value) {
            self.state = state
            self.weight = weight
            self.key = key
            self.value = value
        }
    }

    public let weightMax: Int
    public let itemWeightMax: Int
    @usableFromInline var total = 0
    @usableFromInline var used = 0
    @usableFromInline var policy: Policy
    @usableFromInline var table: PlaceTable
    @usableFromInline var nodes: UnsafeMutablePointer<Node>
    /// Nodes that there is memory for: half as many as the table has slots.
    @usableFromInline var capacity: Int
    /// Nodes that have ever been used; those behind them are fresh memory.
    @usableFromInline var touchedCount = 0
    /// The first node that was used and is not now; -1 when there is none.
    @usableFromInline var firstFree: Int32 = -1

    /// - Parameter itemWeightMax: the heaviest entry that is admitted; never more than `weightMax`.
    @inlinable
    public init(weightMax: Int, itemWeightMax: Int? = nil) {
        self.init(weightMax: weightMax, itemWeightMax: itemWeightMax, policy: Policy(weightMax: weightMax))
    }

    /// - Parameters:
    ///   - itemWeightMax: the heaviest entry that is admitted; never more than `weightMax`.
    ///   - policy: one that was made for `weightMax`.
    @inlinable
    public init(weightMax: Int, itemWeightMax: Int? = nil, policy: consuming Policy) {
        self.weightMax = weightMax
        self.itemWeightMax = min(itemWeightMax ?? weightMax, weightMax)
        self.policy = policy
        table = PlaceTable(slotCount: 16)
        capacity = 8
        nodes = .allocate(capacity: capacity)
    }

    @inlinable
    deinit {
        table.eachPlace { (nodes + Int($0)).deinitialize(count: 1) }
        nodes.deallocate()
    }

    public var count: Int { @inlinable get { used } }
    /// Of all entries; at most `weightMax`.
    public var weight: Int { @inlinable get { total } }

    /// What its table, its nodes and its policy occupy, in bytes, used or not; not what the values refer to.
    public var byteCount: Int { table.byteCount + policy.byteCount + capacity * MemoryLayout<Node>.stride }

    /// The value, counted as used.
    @inlinable
    public mutating func get(_ key: Key) -> Value? {
        withValue(key) { $0 }
    }

    /// What `body` makes of the value, which is counted as used; nil when there is none.
    ///
    /// Lends the value: what is not kept costs no reference count.
    @inlinable
    @inline(__always)
    public mutating func withValue<Result>(_ key: Key, _ body: (borrowing Value) -> Result) -> Result? {
        let index = find(key)
        guard index >= 0 else { return nil }
        let place = table.place(at: index)
        policy.touched(place, in: states)
        return body(nodes[Int(place)].value)
    }

    /// The value, without counting it as used.
    @inlinable
    public func peek(_ key: Key) -> Value? {
        let index = find(key)
        return index < 0 ? nil : nodes[Int(table.place(at: index))].value
    }

    public struct SetAction: Sendable {
        /// False: heavier than `itemWeightMax`, and so not kept.
        public let isAdmitted: Bool
        /// How many had to go for it.
        public let evictedCount: Int

        @inlinable
        init(isAdmitted: Bool, evictedCount: Int) {
            self.isAdmitted = isAdmitted
            self.evictedCount = evictedCount
        }
    }

    /// Keeps the value under the key, in place of what was there.
    ///
    /// - Parameter letGo: takes each value that is not kept any longer: what was under the key, then who had to go, in
    ///   that order. An owner with a lock may want to let go of them after it.
    @inlinable
    @discardableResult
    public mutating func set(
        _ key: Key, _ value: Value, weight: Int, letGo: (consuming Value) -> Void = { _ in }
    ) -> SetAction {
        precondition(weight >= 0, "a weight is not negative")
        var former: Policy.State?
        let there = find(key)
        if there >= 0 {
            former = states[table.place(at: there)]
            letGo(take(at: there))
        }
        guard weight <= itemWeightMax else { return SetAction(isAdmitted: false, evictedCount: 0) }
        var evictedCount = 0
        while total > weightMax &- weight || used == Self.countMax, let place = policy.victim(in: states) {
            letGo(take(at: index(of: place)))
            evictedCount &+= 1
        }
        let place = freePlace()
        let hash = key.cacheHash
        let state = policy.inserted(at: place, weight: weight, hash: hash, replacing: former, in: states)
        (nodes + Int(place)).initialize(to: Node(state: state, weight: weight, key: key, value: value))
        table.insert(PlaceTable.slot(hash: hash, place: place))
        total &+= weight
        used &+= 1
        return SetAction(isAdmitted: true, evictedCount: evictedCount)
    }

    /// Removes the entry, if it is there, and returns its value.
    @inlinable
    @discardableResult
    public mutating func remove(_ key: Key) -> Value? {
        let index = find(key)
        return index < 0 ? nil : take(at: index)
    }

    /// Evicts whom the policy would let go next, and returns its value; nil when there is nobody.
    @inlinable
    @discardableResult
    public mutating func evict() -> Value? {
        guard let place = policy.victim(in: states) else { return nil }
        return take(at: index(of: place))
    }

    /// The keys whose values `isIt` picks out, in no order; counts nothing as used. O(slots): it reads every node.
    public func keys(where isIt: (borrowing Value) -> Bool) -> [Key] {
        var keys: [Key] = []
        table.eachPlace { place in
            if isIt(nodes[Int(place)].value) { keys.append(nodes[Int(place)].key) }
        }
        return keys
    }

    /// The largest table is half full.
    @usableFromInline static var countMax: Int { @inlinable get { PlaceTable.slotCountMax / 2 } }

    @usableFromInline var states: PolicyStates<Policy.State> {
        @inlinable
        @inline(__always)
        get { PolicyStates(first: UnsafeMutableRawPointer(nodes), stride: MemoryLayout<Node>.stride) }
    }

    @inlinable
    @inline(__always)
    func find(_ key: Key) -> Int {
        table.find(key.cacheHash) { nodes[Int($0)].key == key }
    }

    @inlinable
    @inline(__always)
    func index(of place: Int32) -> Int {
        table.find(nodes[Int(place)].key.cacheHash) { $0 == place }
    }

    /// Takes the entry out of its node, which becomes free.
    @inlinable
    @inline(__always)
    mutating func take(at index: Int) -> Value {
        let place = table.place(at: index)
        policy.removed(from: place, hash: nodes[Int(place)].key.cacheHash, in: states)
        table.remove(at: index)
        let node = (nodes + Int(place)).move()
        UnsafeMutableRawPointer(nodes + Int(place)).storeBytes(of: firstFree, as: Int32.self)
        firstFree = place
        total &-= node.weight
        used &-= 1
        return node.value
    }

    @inlinable
    @inline(__always)
    mutating func freePlace() -> Int32 {
        if firstFree >= 0 {
            let place = firstFree
            firstFree = UnsafeMutableRawPointer(nodes + Int(place)).load(as: Int32.self)
            return place
        }
        if touchedCount == capacity { grow() }
        touchedCount &+= 1
        return Int32(truncatingIfNeeded: touchedCount &- 1)
    }

    /// Twice the memory. Called when every node has an entry.
    @inlinable
    @inline(never)
    mutating func grow() {
        let larger = UnsafeMutablePointer<Node>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: nodes, count: capacity)
        nodes.deallocate()
        nodes = larger
        capacity *= 2
        table.grow()
    }
}
