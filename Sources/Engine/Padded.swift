// Unsafe pointers are here because elements must neither move nor share a cache line, which an array promises of
// neither. The number of elements is fixed, and the elements guard themselves.

/// A fixed number of elements, each on cache lines of its own: threads that use different ones do not slow each
/// other down.
@usableFromInline
struct Padded<Element: ~Copyable & Sendable>: ~Copyable, @unchecked Sendable {
    /// Two lines of 64 bytes: processors fetch them in pairs.
    @usableFromInline static var alignment: Int { @inlinable get { 128 } }

    @usableFromInline let count: Int
    @usableFromInline let first: UnsafeMutableRawPointer

    @inlinable
    init(count: Int, _ make: (Int) -> Element) {
        precondition(count > 0, "at least one element")
        self.count = count
        first = .allocate(byteCount: count * Self.stride, alignment: Self.alignment)
        for index in 0..<count { self[index].initialize(to: make(index)) }
    }

    @inlinable
    deinit {
        for index in 0..<count { self[index].deinitialize(count: 1) }
        first.deallocate()
    }

    @usableFromInline static var stride: Int {
        @inlinable
        get { (MemoryLayout<Element>.stride + alignment - 1) & ~(alignment - 1) }
    }

    /// - Precondition: `0 <= index < count`.
    @inlinable
    subscript(index: Int) -> UnsafeMutablePointer<Element> {
        @inline(__always)
        get {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "no such element")
            return (first + index &* Self.stride).assumingMemoryBound(to: Element.self)
        }
    }
}
