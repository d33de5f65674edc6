// Unsafe memory: every member of every object passes here, and an array asks at each step whether it is shared. The
// memory has one owner, which cannot be copied; every index is compared with `count`.

/// The members of the objects that are open, innermost last, in memory that stays for the next body.
struct MemberStack: ~Copyable, @unchecked Sendable {
    private var base: UnsafeMutablePointer<CanonicalMember>
    private var capacity = 64
    private(set) var count = 0

    /// What stays allocated between two bodies.
    private static let keptMax = 4_096

    init() { base = .allocate(capacity: capacity) }

    deinit { base.deallocate() }

    /// Forgets all, and gives back memory that is more than what is kept.
    mutating func trim() {
        count = 0
        guard capacity > Self.keptMax else { return }
        base.deallocate()
        capacity = 64
        base = .allocate(capacity: capacity)
    }

    /// Forgets those from `first` on.
    @inline(__always)
    mutating func cut(to first: Int) {
        precondition(first >= 0 && first <= count, "cut beyond the end")
        count = first
    }

    @inline(__always)
    mutating func append(_ member: CanonicalMember) {
        if count == capacity { grow() }
        (base + count).initialize(to: member)
        count += 1
    }

    @inline(never)
    private mutating func grow() {
        let moved = UnsafeMutablePointer<CanonicalMember>.allocate(capacity: capacity * 2)
        moved.moveInitialize(from: base, count: count)
        base.deallocate()
        base = moved
        capacity *= 2
    }

    @inline(__always)
    subscript(index: Int) -> CanonicalMember {
        _read {
            precondition(index >= 0 && index < count, "no such member")
            yield base[index]
        }
        _modify {
            precondition(index >= 0 && index < count, "no such member")
            yield &base[index]
        }
    }

    /// Those from `first` on in canonical order. O(n log n).
    func sorted(since first: Int, in text: borrowing Scratch) -> [CanonicalMember] {
        (first..<count).map { base[$0] }.sorted { $0.precedes($1, in: text) }
    }
}
