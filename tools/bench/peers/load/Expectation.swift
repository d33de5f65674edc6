// Unsafe pointers, because each value is looked at where it was received.

import Glibc

/// How a value is known to be the right one: its length, and eight bytes at each end that depend on the key.
///
/// Where an upstream made the value, only the mark in it is known beforehand: where it stands, and how long the value is,
/// is learned when it is first seen, and holds from then on.
struct Expectation {
    private var byteCount: Int32
    private var headAt: Int32 = 0
    private var tailAt: Int32 = 0
    private var head: UInt64
    private var tail: UInt64

    init(byteCount: Int, head: [UInt8], headAt: Int, tail: [UInt8], tailAt: Int) {
        self.byteCount = Int32(byteCount)
        self.head = Self.word(head)
        self.tail = Self.word(tail)
        self.headAt = Int32(headAt)
        self.tailAt = Int32(tailAt)
    }

    init(anywhere mark: [UInt8]) {
        byteCount = -1
        head = Self.word(mark)
        tail = head
    }

    @inline(__always)
    mutating func isMet(by value: UnsafeRawBufferPointer) -> Bool {
        if byteCount < 0, !learn(value) { return false }
        guard value.count == Int(byteCount) else { return false }
        return value.loadUnaligned(fromByteOffset: Int(headAt), as: UInt64.self) == head
            && value.loadUnaligned(fromByteOffset: Int(tailAt), as: UInt64.self) == tail
    }

    /// The mark's first place and its last.
    private mutating func learn(_ value: UnsafeRawBufferPointer) -> Bool {
        var places: [Int] = []
        for at in 0..<max(0, value.count - 7) where value.loadUnaligned(fromByteOffset: at, as: UInt64.self) == head {
            places.append(at)
        }
        guard let first = places.first, let last = places.last else { return false }
        (headAt, tailAt, byteCount) = (Int32(first), Int32(last), Int32(value.count))
        return true
    }

    private static func word(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    }
}

/// Those of all keys; never freed.
struct Expectations {
    private let table: UnsafeMutablePointer<Expectation>

    init(_ entries: Entries) {
        let all = entries.expectations
        table = .allocate(capacity: all.count)
        table.initialize(from: all, count: all.count)
    }

    @inline(__always)
    func areMet(_ key: UInt32, by value: UnsafeRawBufferPointer) -> Bool { table[Int(key)].isMet(by: value) }
}
