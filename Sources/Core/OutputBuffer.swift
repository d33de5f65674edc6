// Unsafe pointers, because whole answers are made here by copies within the buffer itself, some wider than what they
// copy: an array zeroes or counts what is about to be overwritten, and asks for its uniqueness at every step. One value
// owns the memory and cannot be copied; whatever leaves this file is a view for the length of a closure, or a region that
// the next call ends.

/// Bytes on their way out: appended behind, consumed in front, their memory kept from use to use.
///
/// One is meant to serve an event loop for its life. Not thread-safe; it may move between threads. Appending is
/// amortised O(bytes).
public struct OutputBuffer: ~Copyable, @unchecked Sendable {
    @usableFromInline var base: UnsafeMutableRawPointer
    /// What the memory holds, without the slack behind it.
    public internal(set) var capacity: Int
    /// Where the bytes begin: those before it were consumed.
    @usableFromInline var start: Int
    @usableFromInline var end: Int

    /// Bytes behind the capacity that are allocated and never used: copies may be rounded up to whole words.
    static let slack = 64

    /// - Parameter capacity: how many bytes fit before the first growth.
    public init(capacity: Int = 0) {
        precondition(capacity >= 0)
        base = Self.allocate(capacity)
        self.capacity = capacity
        start = 0
        end = 0
    }

    deinit { base.deallocate() }

    /// How many bytes wait.
    @inlinable public var count: Int { end - start }
    @inlinable public var isEmpty: Bool { end == start }

    /// Makes room for `count` more bytes and gives all the room there is, not yet initialised. What is written at its
    /// beginning becomes part of the buffer with `commit`. It is valid until the next call.
    @inlinable public mutating func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer {
        precondition(count >= 0)
        if capacity - end < count { grow(by: count) }
        return UnsafeMutableRawBufferPointer(start: base + end, count: capacity - end)
    }

    /// Takes the first `count` bytes of the reserved region in.
    @inlinable public mutating func commit(_ count: Int) {
        precondition(count >= 0 && count <= capacity - end)
        end += count
    }

    @inlinable public mutating func append(_ byte: UInt8) {
        if end == capacity { grow(by: 1) }
        (base + end).storeBytes(of: byte, as: UInt8.self)
        end += 1
    }

    @inlinable public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        if capacity - end < bytes.count { grow(by: bytes.count) }
        (base + end).copyMemory(from: source, byteCount: bytes.count)
        end += bytes.count
    }

    @inlinable public mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    @inlinable public mutating func append(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { append($0) }
    }

    @inlinable public mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The number in decimal digits, as in `content-length: 42`.
    @inlinable public mutating func append(decimal value: Int) {
        // A sign and the nineteen digits of 2^63.
        if capacity - end < 20 { grow(by: 20) }
        if value < 0 { append(UInt8(ascii: "-")) }
        var rest = value.magnitude
        var digitCount = 1
        var power: UInt = 10
        while rest >= power {
            digitCount += 1
            let (next, overflow) = power.multipliedReportingOverflow(by: 10)
            if overflow { break }
            power = next
        }
        for place in stride(from: digitCount - 1, through: 0, by: -1) {
            (base + end + place).storeBytes(of: UInt8(truncatingIfNeeded: rest % 10) + 0x30, as: UInt8.self)
            rest /= 10
        }
        end += digitCount
    }

    /// The number's bytes as they lie in memory: `append(integer: value.bigEndian)` is network order.
    @inlinable public mutating func append(integer value: some FixedWidthInteger & BitwiseCopyable) {
        let size = value.bitWidth / 8
        if capacity - end < size { grow(by: size) }
        (base + end).storeBytes(of: value, as: type(of: value))
        end += size
    }

    /// Takes back what was appended last, down to `count` bytes: for what fails half-way.
    @inlinable public mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count)
        end = start + count
    }

    /// Drops the first `count` bytes: they were sent. O(1).
    @inlinable public mutating func consume(_ count: Int) {
        precondition(count >= 0 && count <= self.count)
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    public mutating func removeAll(keepingCapacity: Bool = false) {
        start = 0
        end = 0
        guard !keepingCapacity else { return }
        base.deallocate()
        base = Self.allocate(0)
        capacity = 0
    }

    /// The bytes that wait, for the length of the closure.
    @inlinable public func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base + start, count: end - start))
    }

    /// The same, to write over: a length that stands before what it counts is known only afterwards.
    @inlinable public mutating func withUnsafeMutableBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeMutableRawBufferPointer(start: base + start, count: end - start))
    }

    /// A copy of the bytes that wait.
    public var bytes: [UInt8] { withUnsafeBytes { Array($0) } }

    /// Makes room for `count` more bytes: where consumed ones were, if these are as many as those that move there.
    @usableFromInline mutating func grow(by count: Int) {
        let waiting = end - start
        let (needed, overflow) = waiting.addingReportingOverflow(count)
        precondition(!overflow)
        if needed <= capacity, start >= waiting {
            base.copyMemory(from: base + start, byteCount: waiting)
        } else {
            let larger = max(needed, capacity * 2, 64)
            let memory = Self.allocate(larger)
            memory.copyMemory(from: base + start, byteCount: waiting)
            base.deallocate()
            base = memory
            capacity = larger
        }
        start = 0
        end = waiting
    }

    private static func allocate(_ capacity: Int) -> UnsafeMutableRawPointer {
        .allocate(byteCount: capacity + slack, alignment: 16)
    }
}
