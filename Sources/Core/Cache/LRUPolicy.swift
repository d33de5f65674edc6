/// Least recently used goes first: an intrusive list through the nodes. Every method is O(1).
public struct LRUPolicy: EvictionPolicy {
    /// The neighbours in the order of use; `none` at the ends.
    public struct State: BitwiseCopyable, Sendable {
        @usableFromInline var newer: Int32
        @usableFromInline var older: Int32

        @inlinable
        init(newer: Int32, older: Int32) {
            self.newer = newer
            self.older = older
        }
    }

    @usableFromInline static var none: Int32 { @inlinable get { -1 } }
    @usableFromInline var newest: Int32
    @usableFromInline var oldest: Int32

    @inlinable
    public init(weightMax: Int) {
        newest = Self.none
        oldest = Self.none
    }

    @inlinable
    @inline(__always)
    public mutating func inserted(
        at place: Int32, weight: Int, hash: UInt64, replacing former: State?, in states: PolicyStates<State>
    ) -> State {
        pushed(place, in: states)
    }

    /// `place` comes to stand first, as the newest. Returns what its node is to keep.
    @inlinable
    @inline(__always)
    mutating func pushed(_ place: Int32, in states: PolicyStates<State>) -> State {
        let state = State(newer: Self.none, older: newest)
        if newest == Self.none { oldest = place } else { states[newest].newer = place }
        newest = place
        return state
    }

    @inlinable
    @inline(__always)
    public mutating func touched(_ place: Int32, in states: PolicyStates<State>) {
        guard newest != place else { return }
        unlink(place, in: states)
        states[place] = pushed(place, in: states)
    }

    @inlinable
    @inline(__always)
    public mutating func removed(from place: Int32, hash: UInt64, in states: PolicyStates<State>) {
        unlink(place, in: states)
    }

    @inlinable
    @inline(__always)
    mutating func unlink(_ place: Int32, in states: PolicyStates<State>) {
        let state = states[place]
        if state.newer == Self.none { newest = state.older } else { states[state.newer].older = state.older }
        if state.older == Self.none { oldest = state.newer } else { states[state.older].newer = state.newer }
    }

    @inlinable
    @inline(__always)
    public mutating func victim(in states: PolicyStates<State>) -> Int32? {
        oldest == Self.none ? nil : oldest
    }
}
