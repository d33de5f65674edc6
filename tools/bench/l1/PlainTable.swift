import SamovarCore

/// What L1's price is measured against: a look-up that does nothing else. Open addressing over an array of trivial
/// structs, as full as the cache's own table may be, without removal, order, weight, lifetime or lock.
struct PlainTable: ~Copyable {
    private struct Slot {
        var key: RequestKey
        var value: UInt64
    }

    private static let empty = RequestKey(bytes: Array(repeating: 0, count: RequestKey.byteCount))
    private var slots: [Slot]
    private let mask: Int

    init(count: Int) {
        var slotCount = 16
        while slotCount / 2 < count { slotCount *= 2 }
        slots = Array(repeating: Slot(key: Self.empty, value: 0), count: slotCount)
        mask = slotCount - 1
    }

    mutating func insert(_ key: RequestKey, _ value: UInt64) {
        var index = Int(truncatingIfNeeded: key.cacheHash) & mask
        while slots[index].value != 0 { index = (index + 1) & mask }
        slots[index] = Slot(key: key, value: value)
    }

    /// 0: not there.
    @inline(__always)
    func get(_ key: RequestKey) -> UInt64 {
        slots.withUnsafeBufferPointer { slots in
            var index = Int(truncatingIfNeeded: key.cacheHash) & mask
            while true {
                if slots[index].key == key || slots[index].value == 0 { return slots[index].value }
                index = (index &+ 1) & mask
            }
        }
    }
}
