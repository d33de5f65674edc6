/// Who has to go when room is needed. Knows slots and weights, neither keys nor values.
///
/// `BoundedCache` calls each method once per event, in the order in which the events happen.
public protocol EvictionPolicy: Sendable {
    init()
    /// An entry came to stand at `slot`, which was empty.
    mutating func inserted(at slot: Int, weight: Int)
    /// The entry at `slot` was asked for, and was there.
    mutating func touched(_ slot: Int)
    /// The entry at `slot` is gone: evicted, expired, replaced or invalidated.
    mutating func removed(from slot: Int)
    /// Who goes next; nil when there is nobody.
    mutating func victim() -> Int?
}

/// Least recently used goes first: an intrusive list through two arrays. Every method is O(1).
public struct LRUPolicy: EvictionPolicy {
    private static let none: Int32 = -1
    private var newer: [Int32] = []
    private var older: [Int32] = []
    private var newest = none
    private var oldest = none

    public init() {}

    public mutating func inserted(at slot: Int, weight: Int) {
        while newer.count <= slot {
            newer.append(Self.none)
            older.append(Self.none)
        }
        link(Int32(slot))
    }

    public mutating func touched(_ slot: Int) {
        guard newest != Int32(slot) else { return }
        removed(from: slot)
        link(Int32(slot))
    }

    public mutating func removed(from slot: Int) {
        let before = newer[slot]
        let after = older[slot]
        if before == Self.none { newest = after } else { older[Int(before)] = after }
        if after == Self.none { oldest = before } else { newer[Int(after)] = before }
    }

    public mutating func victim() -> Int? {
        oldest == Self.none ? nil : Int(oldest)
    }

    private mutating func link(_ slot: Int32) {
        newer[Int(slot)] = Self.none
        older[Int(slot)] = newest
        if newest == Self.none { oldest = slot } else { newer[Int(newest)] = slot }
        newest = slot
    }
}
