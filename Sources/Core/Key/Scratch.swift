// Unsafe memory: the canonical form of a body is written byte for byte on the way of every request, and the checked
// array costs more than the work. The memory has one owner, which cannot be copied. Every operation here keeps its own
// bounds: it makes room before it writes, and what it reads lies below `count`.

/// Bytes that are written, used and forgotten, in memory that stays for the next body.
///
/// Grows by doubling.
struct Scratch: ~Copyable, @unchecked Sendable {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private(set) var capacity: Int
    private(set) var count = 0

    /// What stays allocated between two bodies. 256 KiB: prompts are rarely longer.
    static let keptMax = 256 << 10

    init() {
        capacity = 0
        base = .allocate(capacity: 0)
    }

    deinit { base.deallocate() }

    /// Forgets the bytes and keeps the memory.
    @inline(__always)
    mutating func clear() { count = 0 }

    /// Forgets the bytes, and gives back the memory where it is more than what is kept.
    mutating func trim() {
        count = 0
        guard capacity > Self.keptMax else { return }
        base.deallocate()
        capacity = 0
        base = .allocate(capacity: 0)
    }

    /// Makes room for so many bytes more. Whoever writes through `end` has asked for that room just before.
    @inline(__always)
    mutating func reserve(_ more: Int) {
        if capacity - count < more { grow(more) }
    }

    @inline(never)
    private mutating func grow(_ more: Int) {
        let larger = max(capacity * 2, count + more)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        moved.update(from: base, count: count)
        base.deallocate()
        base = moved
        capacity = larger
    }

    /// Where the next byte goes.
    var end: UnsafeMutablePointer<UInt8> {
        @inline(__always) get { base + count }
    }

    /// Takes in bytes that were written at `end`.
    ///
    /// - Precondition: room for them was reserved.
    @inline(__always)
    mutating func advance(_ written: Int) {
        precondition(written >= 0 && written <= capacity - count, "written beyond what was reserved")
        count += written
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        reserve(1)
        base[count] = byte
        count += 1
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let first = bytes.baseAddress, !bytes.isEmpty else { return }
        reserve(bytes.count)
        end.update(from: first, count: bytes.count)
        count += bytes.count
    }

    @inline(__always)
    mutating func append(_ bytes: StaticString) {
        append(UnsafeBufferPointer(start: bytes.utf8Start, count: bytes.utf8CodeUnitCount))
    }

    /// Appends the first `count` bytes of a word, the lowest first.
    @inline(__always)
    mutating func append(_ word: UInt64, count bytesOfIt: Int) {
        reserve(8)
        UnsafeMutableRawPointer(end).storeBytes(of: word.littleEndian, as: UInt64.self)
        count += bytesOfIt
    }

    /// The bytes from one place to another.
    @inline(__always)
    func bytes(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "read beyond what was written")
        return UnsafeBufferPointer(start: base + range.lowerBound, count: range.count)
    }

    /// The first eight bytes as a number that compares as they do; zeros behind fewer.
    @inline(__always)
    func head(_ range: Range<Int>) -> UInt64 {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "read beyond what was written")
        let bytes = UnsafeRawPointer(base)
        if range.count >= 8 { return bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt64.self).bigEndian }
        guard range.upperBound >= 8 else {
            return self.bytes(range).reduce(0) { $0 << 8 | UInt64($1) } << UInt64(64 - 8 * range.count)
        }
        // The word that ends where the range does; what comes before the range is shifted out.
        let word = bytes.loadUnaligned(fromByteOffset: range.upperBound - 8, as: UInt64.self).bigEndian
        return word << UInt64(64 - 8 * range.count)
    }

    /// Moves bytes to another place below `count`; the two may overlap.
    @inline(__always)
    mutating func move(_ range: Range<Int>, to place: Int) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "read beyond what was written")
        precondition(place >= 0 && place + range.count <= count, "moved beyond what was written")
        (base + place).update(from: base + range.lowerBound, count: range.count)
    }

    /// Writes over bytes below `count`.
    @inline(__always)
    mutating func overwrite(at place: Int, with bytes: UnsafeBufferPointer<UInt8>) {
        precondition(place >= 0 && place + bytes.count <= count, "written beyond what was written")
        guard let first = bytes.baseAddress else { return }
        (base + place).update(from: first, count: bytes.count)
    }

    @inline(__always)
    mutating func overwrite(at place: Int, with byte: UInt8) {
        precondition(place >= 0 && place < count, "written beyond what was written")
        base[place] = byte
    }
}
