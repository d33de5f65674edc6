// Unsafe pointers are here because this is the hit path: one allocation, read without a bounds check on every probe.
// Every index is masked by the table's own size.

/// Where each entry stands, by the hash of its key: open addressing in one allocation.
///
/// A slot is 64 bits: 32 of the key's hash (the tag), 32 of the place + 1; 0 is empty. The tag also says where a
/// slot would like to be, so that growing and closing a gap read nothing but the table. Linear probing; a removal
/// shifts back what came after it (Knuth, TAOCP 3, 6.4, algorithm R), so that there are no tombstones to sweep.
/// The owner keeps it at most half full: a hit then reads 1.5 slots on average, a miss 2.5 (ibid.), all neighbours.
@usableFromInline
struct PlaceTable: ~Copyable {
    @usableFromInline var slots: UnsafeMutablePointer<UInt64>
    /// One less than the number of slots, which is a power of two.
    @usableFromInline var mask: Int

    /// Places are 31 bits.
    @usableFromInline static var slotCountMax: Int { @inlinable get { 1 << 31 } }

    /// - Precondition: `slotCount` is a power of two, at most `slotCountMax`.
    @inlinable
    init(slotCount: Int) {
        precondition(slotCount & (slotCount - 1) == 0 && slotCount <= Self.slotCountMax, "a power of two up to 2^31")
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: 0, count: slotCount)
        mask = slotCount - 1
    }

    @inlinable
    deinit { slots.deallocate() }

    @inlinable
    static func slot(hash: UInt64, place: Int32) -> UInt64 {
        hash << 32 | UInt64(UInt32(bitPattern: place &+ 1))
    }

    /// - Precondition: the slot is not empty.
    @inlinable
    @inline(__always)
    static func place(in slot: UInt64) -> Int32 { Int32(truncatingIfNeeded: slot) &- 1 }

    /// - Precondition: the slot at `index` is not empty.
    @inlinable
    @inline(__always)
    func place(at index: Int) -> Int32 { Self.place(in: slots[index]) }

    var byteCount: Int { (mask + 1) * MemoryLayout<UInt64>.stride }

    /// Every place, in no order. O(slots).
    @inlinable
    func eachPlace(_ body: (Int32) -> Void) {
        for index in 0...mask where slots[index] != 0 { body(place(at: index)) }
    }

    /// The index of the first slot with this tag for which `isIt` holds; -1 when there is none.
    @inlinable
    @inline(__always)
    func find(_ hash: UInt64, where isIt: (Int32) -> Bool) -> Int {
        let tag = hash << 32
        var index = Int(truncatingIfNeeded: hash) & mask
        while true {
            let slot = slots[index]
            if slot == 0 { return -1 }
            if (slot ^ tag) >> 32 == 0, isIt(Self.place(in: slot)) { return index }
            index = (index &+ 1) & mask
        }
    }

    /// - Precondition: an empty slot is left.
    @inlinable
    @inline(__always)
    func insert(_ slot: UInt64) {
        var index = Int(slot >> 32) & mask
        while slots[index] != 0 { index = (index &+ 1) & mask }
        slots[index] = slot
    }

    /// Empties the slot and moves up those behind it that would rather stand there.
    @inlinable
    @inline(__always)
    func remove(at index: Int) {
        var gap = index
        var next = (gap &+ 1) & mask
        while true {
            let slot = slots[next]
            if slot == 0 { break }
            let home = Int(slot >> 32) & mask
            if (next &- home) & mask >= (next &- gap) & mask {
                slots[gap] = slot
                gap = next
            }
            next = (next &+ 1) & mask
        }
        slots[gap] = 0
    }

    /// Twice the slots. O(slots).
    @inlinable
    mutating func grow() {
        let larger = PlaceTable(slotCount: (mask + 1) * 2)
        for index in 0...mask where slots[index] != 0 { larger.insert(slots[index]) }
        self = larger
    }
}
