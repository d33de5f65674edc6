/// Who has to go when room is needed. Knows places and weights, neither keys nor values.
///
/// `BoundedCache` calls each method once per event, in the order in which the events happen. What a policy must know
/// of each entry stands in the entry's own node, next to the key: an event costs no second look-up. A policy that is
/// specialised with its cache costs no call either, hence `@inlinable`.
public protocol EvictionPolicy: ~Copyable {
    /// What the policy keeps in each node: links, a frequency, a priority.
    associatedtype State: BitwiseCopyable & Sendable

    /// - Parameter weightMax: the cache's budget, in the unit of the weights.
    init(weightMax: Int)
    /// An entry comes to stand at `place`, which is empty: nothing of `states[place]` may be used yet.
    ///
    /// - Parameters:
    ///   - hash: the key's, for policies that remember who was there (S3-FIFO's ghosts).
    ///   - former: what the node of the same key kept, which was `removed` just now, where this takes its place.
    /// - Returns: what its node is to keep.
    mutating func inserted(
        at place: Int32, weight: Int, hash: UInt64, replacing former: State?, in states: PolicyStates<State>
    ) -> State
    /// The entry at `place` was asked for, and was there.
    mutating func touched(_ place: Int32, in states: PolicyStates<State>)
    /// The entry at `place` is gone: evicted, expired, replaced or invalidated.
    ///
    /// - Parameter hash: the key's.
    mutating func removed(from place: Int32, hash: UInt64, in states: PolicyStates<State>)
    /// Who goes next; nil when there is nobody. The cache then takes it away, and says so by `removed`.
    mutating func victim(in states: PolicyStates<State>) -> Int32?
    /// What it occupies beside the nodes, in bytes; 0 where it does not say.
    var byteCount: Int { get }
}

extension EvictionPolicy where Self: ~Copyable {
    public var byteCount: Int { 0 }
}
