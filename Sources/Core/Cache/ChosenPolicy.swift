/// Who goes first when a cache is full, by the name that the configuration has for it (`cache.policy`).
public enum PolicyName: String, CaseIterable, Hashable, Sendable {
    /// Least recently used: `LRUPolicy`.
    case lru
    /// Asked for once goes before what is in use: `S3FIFOPolicy`.
    case s3fifo
}

/// One of the policies, chosen at run time. Costs a branch that always goes the same way; LRU's nodes keep the 8 bytes
/// of state that only the other needs.
public struct ChosenPolicy: EvictionPolicy, ~Copyable {
    public typealias State = S3FIFOPolicy.State

    @usableFromInline let isLRU: Bool
    @usableFromInline var lru: LRUPolicy
    @usableFromInline var s3fifo: S3FIFOPolicy

    @inlinable
    public init(_ name: PolicyName, weightMax: Int) {
        isLRU = name == .lru
        lru = LRUPolicy(weightMax: weightMax)
        s3fifo = S3FIFOPolicy(weightMax: weightMax)
    }

    public var byteCount: Int { s3fifo.byteCount }

    /// The default policy.
    @inlinable
    public init(weightMax: Int) {
        self.init(.lru, weightMax: weightMax)
    }

    @inlinable
    @inline(__always)
    public mutating func inserted(
        at place: Int32, weight: Int, hash: UInt64, replacing former: State?, in states: PolicyStates<State>
    ) -> State {
        guard isLRU else {
            return s3fifo.inserted(at: place, weight: weight, hash: hash, replacing: former, in: states)
        }
        let links = lru.pushed(place, in: states.leading(LRUPolicy.State.self))
        return State(links: links, weight: weight, isMain: false)
    }

    @inlinable
    @inline(__always)
    public mutating func touched(_ place: Int32, in states: PolicyStates<State>) {
        isLRU ? lru.touched(place, in: states.leading(LRUPolicy.State.self)) : s3fifo.touched(place, in: states)
    }

    @inlinable
    @inline(__always)
    public mutating func removed(from place: Int32, hash: UInt64, in states: PolicyStates<State>) {
        guard isLRU else { return s3fifo.removed(from: place, hash: hash, in: states) }
        lru.unlink(place, in: states.leading(LRUPolicy.State.self))
    }

    @inlinable
    @inline(__always)
    public mutating func victim(in states: PolicyStates<State>) -> Int32? {
        isLRU ? lru.victim(in: states.leading(LRUPolicy.State.self)) : s3fifo.victim(in: states)
    }
}
