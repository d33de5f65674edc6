// Unsafe pointers, because a request is one memcpy of bytes that were laid out before the load began.

import Glibc

/// Texts side by side in one allocation, by number; never freed, since they last as long as the process.
struct Pieces {
    private let bytes: UnsafeMutablePointer<UInt8>
    private let starts: UnsafeMutablePointer<Int>
    /// Of the longest.
    let byteMax: Int

    init(_ texts: some Collection<[UInt8]>) {
        let total = texts.reduce(0) { $0 + $1.count }
        bytes = .allocate(capacity: max(1, total))
        starts = .allocate(capacity: texts.count + 1)
        var (at, longest) = (0, 0)
        for (number, text) in texts.enumerated() {
            starts[number] = at
            (bytes + at).initialize(from: text, count: text.count)
            at += text.count
            longest = max(longest, text.count)
        }
        starts[texts.count] = at
        byteMax = longest
    }

    /// Writes one, and returns how many bytes it has.
    @inline(__always)
    func copy(_ number: UInt32, to room: UnsafeMutableRawPointer) -> Int {
        let start = starts[Int(number)]
        let count = starts[Int(number) + 1] &- start
        memcpy(room, bytes + start, count)
        return count
    }

    @inline(__always)
    func bytes(_ number: UInt32) -> UnsafeRawBufferPointer {
        let start = starts[Int(number)]
        return UnsafeRawBufferPointer(start: bytes + start, count: starts[Int(number) + 1] &- start)
    }
}
