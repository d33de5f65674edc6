// Unsafe pointers are here because rows of counters must neither move nor share a cache line.

import Synchronization

/// Numbers that only grow, counted by many threads at once without one waiting for another.
///
/// Each thread has a row of its own (`Lane`), on cache lines of its own, and is its only writer: an addition is a load
/// and a store, 1.6 ns where an atomic addition took 5.7, and no line goes from processor to processor. A sum adds up
/// the rows: O(lanes), exact once the writers are done, and never less than what was counted before it.
@usableFromInline
final class Tally: @unchecked Sendable {
    @usableFromInline let count: Int
    @usableFromInline let rowCount: Int
    /// Numbers from one row to the next.
    @usableFromInline let stride: Int
    @usableFromInline let cells: UnsafeMutablePointer<Atomic<Int>>

    /// Two lines of 64 bytes: processors fetch them in pairs.
    private static let alignment = 128

    /// - Parameter count: how many numbers.
    @usableFromInline
    init(count: Int) {
        let cell = MemoryLayout<Atomic<Int>>.stride
        self.count = count
        rowCount = Lane.count
        stride = (count * cell + Self.alignment - 1) / Self.alignment * Self.alignment / cell
        cells = UnsafeMutableRawPointer.allocate(byteCount: rowCount * stride * cell, alignment: Self.alignment)
            .bindMemory(to: Atomic<Int>.self, capacity: rowCount * stride)
        for index in 0..<rowCount * stride { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit {
        cells.deinitialize(count: rowCount * stride)
        UnsafeMutableRawPointer(cells).deallocate()
    }

    /// - Precondition: `0 <= index < count`.
    @inlinable
    @inline(__always)
    func add(_ amount: Int, at index: Int) { add(amount, at: index, in: Lane.current) }

    /// The same, where the thread's lane is at hand.
    @inlinable
    @inline(__always)
    func add(_ amount: Int, at index: Int, in lane: Int) {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "no such number")
        let cell = cells + (lane &* stride &+ index)
        if lane == Lane.shared {
            cell.pointee.wrappingAdd(amount, ordering: .relaxed)
        } else {
            cell.pointee.store(cell.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
        }
    }

    /// - Precondition: `0 <= index < count`.
    @usableFromInline
    func sum(at index: Int) -> Int {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "no such number")
        return (0..<rowCount).reduce(0) { $0 &+ cells[$1 * stride + index].load(ordering: .relaxed) }
    }
}
