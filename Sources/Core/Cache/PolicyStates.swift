// Unsafe pointers are here because a policy's state lies in the cache's nodes, whose key and value it must not know.
// `BoundedCache` owns the memory and makes one of these for each call.

/// The policy's own part of every node, by the node's place. Valid during one call of the policy.
public struct PolicyStates<State: BitwiseCopyable> {
    @usableFromInline let first: UnsafeMutableRawPointer
    /// From one node to the next, in bytes.
    @usableFromInline let stride: Int

    @inlinable
    init(first: UnsafeMutableRawPointer, stride: Int) {
        self.first = first
        self.stride = stride
    }

    @inlinable
    public subscript(place: Int32) -> State {
        @inline(__always) get { at(place).pointee }
        @inline(__always) nonmutating set { at(place).pointee = newValue }
        @inline(__always) nonmutating _modify { yield &at(place).pointee }
    }

    /// The same nodes for a policy within the policy, whose state comes first in the outer one's.
    @inlinable
    @inline(__always)
    func leading<Inner: BitwiseCopyable>(_ inner: Inner.Type) -> PolicyStates<Inner> {
        PolicyStates<Inner>(first: first, stride: stride)
    }

    @inlinable
    @inline(__always)
    func at(_ place: Int32) -> UnsafeMutablePointer<State> {
        (first + Int(place) &* stride).assumingMemoryBound(to: State.self)
    }
}
