// Unsafe pointers, because a chunk is made by copies from the chunk before it, which lies right in front of it in the
// output. Nothing in the coded bytes is trusted: every count and place is checked before anything is copied, and a
// chunk that does not fit its room is not begun. `ChunkCoder` describes the format.

/// Reads what `ChunkCoder` wrote, a chunk at a time, into memory that the caller owns.
///
/// Damaged bytes give an error or other bytes, never a trap, and never a byte outside of the room.
struct ChunkDecoder {
    /// Bytes of a chunk that were new, and that the next chunk may replace by others.
    struct Hole {
        /// In the chunk that was made last.
        var start = 0
        var count = 0
        /// How many bytes replace it; only while a chunk is made.
        var next = 0
    }

    /// A chunk with more new pieces than this cannot be repeated. What the caller gives room for in `holes`.
    static let holeCountMax = 8

    /// How many coded bytes are read. A chunk that found no room is not counted.
    private(set) var index = 0
    /// Where the chunk that was made last speaks of usage. It lies within the chunk.
    private(set) var usage = UsagePlace.nowhere
    /// Of the chunk that was made last; more than the most where it cannot be repeated, as at the beginning.
    private var holeCount = Int.max

    /// Makes the next chunk at the beginning of `output` and returns its size; nil where it finds no room.
    ///
    /// After nil, the same call with more room goes on. O(size of the chunk).
    ///
    /// - Precondition: behind `output` and `previous` there are 16 bytes that may be read, and behind `output` written
    ///   over: short copies are rounded up. `holes` and `previous` are as the last call left them.
    mutating func next(
        _ coded: UnsafeRawBufferPointer, previous: UnsafeRawBufferPointer, holes: UnsafeMutablePointer<Hole>,
        output: UnsafeMutableRawBufferPointer
    ) throws(RecordingError) -> Int? {
        let begin = index
        let usageBefore = usage
        var reader = CodedReader(coded, index: begin)
        var control = try reader.byte()
        var isUsageGiven = false
        while control > ChunkFormat.operations, control != ChunkFormat.plain {
            isUsageGiven = true
            switch control {
            case ChunkFormat.usageNowhere: usage = .nowhere
            case ChunkFormat.usageWhole: usage = .whole
            case ChunkFormat.usageMember: usage = .member(fromEnd: try reader.variable(), count: try reader.variable())
            default: throw .damaged
            }
            control = try reader.byte()
        }
        let made =
            switch control {
            case ChunkFormat.operations: try operations(&reader, previous, holes, output)
            case ChunkFormat.plain: plain(&reader, output)
            default: try repeated(control, &reader, previous, holes, output, movesUsage: !isUsageGiven)
            }
        guard let made else {
            usage = usageBefore
            return nil
        }
        if case .member(let fromEnd, let count) = usage {
            guard fromEnd >= 0, fromEnd <= made, count <= made - fromEnd else { throw .damaged }
        }
        index = reader.index
        return made
    }

    /// All that is left, as it is.
    private mutating func plain(_ reader: inout CodedReader, _ output: UnsafeMutableRawBufferPointer) -> Int? {
        let count = reader.remaining
        guard count <= output.count, let target = output.baseAddress else { return count == 0 ? 0 : nil }
        reader.copyAll(to: target)
        holeCount = .max
        return count
    }

    /// The chunk before, with other bytes in its holes.
    @inline(__always)
    private mutating func repeated(
        _ control: UInt8, _ reader: inout CodedReader, _ previous: UnsafeRawBufferPointer,
        _ holes: UnsafeMutablePointer<Hole>, _ output: UnsafeMutableRawBufferPointer, movesUsage: Bool
    ) throws(RecordingError) -> Int? {
        guard holeCount <= Self.holeCountMax else { throw .damaged }
        let literalCount = try readHoles(control, &reader, holes)
        var replacedCount = 0
        for place in 0..<holeCount { replacedCount += holes[place].count }
        let made = previous.count - replacedCount + literalCount
        guard made <= output.count else { return nil }
        guard literalCount <= reader.remaining else { throw .damaged }
        if movesUsage, case .member(let fromEnd, let count) = usage {
            usage = .member(fromEnd: moved(fromEnd, holes, previous.count), count: count)
        }
        // From here on all places are known to be good: the holes lie in order within the chunk before.
        guard let source = previous.baseAddress, let target = output.baseAddress else { return made }
        var (from, to) = (0, 0)
        for place in 0..<holeCount {
            let hole = holes[place]
            copyRounded(target + to, source + from, hole.start - from)
            to += hole.start - from
            from = hole.start + hole.count
            reader.copy(hole.next, to: target + to)
            holes[place] = Hole(start: to, count: hole.next)
            to += hole.next
        }
        copyRounded(target + to, source + from, previous.count - from)
        return made
    }

    /// Reads what each hole gets, and returns the sum.
    @inline(__always)
    private func readHoles(
        _ control: UInt8, _ reader: inout CodedReader, _ holes: UnsafeMutablePointer<Hole>
    ) throws(RecordingError) -> Int {
        if control == ChunkFormat.wideRepeat {
            var sum = 0
            for place in 0..<holeCount {
                holes[place].next = try reader.variable()
                sum += holes[place].next
            }
            return sum
        }
        if holeCount == 1 {
            holes[0].next = Int(control)
            return Int(control)
        }
        guard holeCount > 0 else {
            guard control == 0 else { throw .damaged }
            return 0
        }
        var pair = control
        var sum = 0
        for place in 0..<holeCount {
            if place & 1 == 0 {
                if place > 0 { pair = try reader.byte() }
                holes[place].next = Int(pair >> 4)
            } else {
                holes[place].next = Int(pair & 15)
            }
            sum += holes[place].next
        }
        return sum
    }

    /// A place counted from the end moves with the holes behind it.
    private func moved(_ fromEnd: Int, _ holes: UnsafeMutablePointer<Hole>, _ previousCount: Int) -> Int {
        var fromEnd = fromEnd
        let end = previousCount - fromEnd
        for place in 0..<holeCount where holes[place].start >= end {
            fromEnd += holes[place].next - holes[place].count
        }
        return fromEnd
    }

    /// New bytes, and copies from the chunk before and from the dictionary.
    private mutating func operations(
        _ reader: inout CodedReader, _ previous: UnsafeRawBufferPointer, _ holes: UnsafeMutablePointer<Hole>,
        _ output: UnsafeMutableRawBufferPointer
    ) throws(RecordingError) -> Int? {
        guard let target = output.baseAddress else { return nil }
        let dictionary = ChunkDictionary.bytes
        var made = 0
        var (expected, expectedInDictionary) = (0, 0)
        holeCount = 0
        while true {
            let token = try reader.byte()
            let literalCount = try token >> 4 < 15 ? Int(token >> 4) : 15 + reader.variable()
            guard literalCount <= reader.remaining else { throw .damaged }
            guard literalCount <= output.count - made else { return nil }
            if literalCount > 0 {
                if holeCount < Self.holeCountMax { holes[holeCount] = Hole(start: made, count: literalCount) }
                holeCount += 1
                reader.copy(literalCount, to: target + made)
                made += literalCount
                expected += literalCount
            }
            let code = token & 15
            if code == ChunkFormat.noCopy { return made }
            let isRest = code == ChunkFormat.copyRest
            let counted = try code < 15 ? Int(code) + 2 : 17 + reader.variable()
            let source = try reader.variable()
            let shift = source >> 2 ^ -(source >> 1 & 1)
            if source & 1 == 0 {
                let start = expected + shift
                guard start >= 0, start <= previous.count else { throw .damaged }
                let count = isRest ? previous.count - start : counted
                guard count <= previous.count - start else { throw .damaged }
                guard count <= output.count - made else { return nil }
                if let base = previous.baseAddress { copyRounded(target + made, base + start, count) }
                made += count
                expected = start + count
                if isRest { return made }
            } else {
                let start = expectedInDictionary + shift
                guard !isRest, start >= 0, start <= dictionary.count, counted <= dictionary.count - start else {
                    throw .damaged
                }
                guard counted <= output.count - made else { return nil }
                UnsafeMutableRawBufferPointer(rebasing: output[made..<made + counted])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: dictionary[start..<start + counted]))
                made += counted
                expectedInDictionary = start + counted
            }
        }
    }
}

/// The coded bytes and how far they are read.
private struct CodedReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var index: Int

    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, index: Int) {
        self.bytes = bytes
        self.index = index
    }

    var remaining: Int { @inline(__always) get { bytes.count - index } }

    @inline(__always)
    mutating func byte() throws(RecordingError) -> UInt8 {
        guard index < bytes.count else { throw .damaged }
        defer { index += 1 }
        return bytes[index]
    }

    /// LEB128. Five groups of seven bits: below 2^35, so that sums of them are far under what an Int holds.
    @inline(__always)
    mutating func variable() throws(RecordingError) -> Int {
        let first = try byte()
        return first < 0x80 ? Int(first) : try longVariable(first)
    }

    @inline(never)
    private mutating func longVariable(_ first: UInt8) throws(RecordingError) -> Int {
        var value = Int(first & 0x7F)
        for shift in stride(from: 7, to: 35, by: 7) {
            let byte = try byte()
            value |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .damaged
    }

    /// Copies the next `count` bytes, of which the caller knows that they are there.
    mutating func copyAll(to target: UnsafeMutableRawPointer) {
        guard let base = bytes.baseAddress else { return }
        target.copyMemory(from: base + index, byteCount: remaining)
        index = bytes.count
    }

    @inline(__always)
    mutating func copy(_ count: Int, to target: UnsafeMutableRawPointer) {
        guard let base = bytes.baseAddress else { return }
        if count <= 16, remaining >= 16 {
            target.storeBytes(of: (base + index).loadUnaligned(as: SIMD16<UInt8>.self), as: SIMD16<UInt8>.self)
        } else {
            target.copyMemory(from: base + index, byteCount: count)
        }
        index += count
    }
}

/// Copies `count` bytes, rounded up to sixteen where they are few: a call would cost more than they do.
@inline(__always)
private func copyRounded(_ target: UnsafeMutableRawPointer, _ source: UnsafeRawPointer, _ count: Int) {
    guard count <= 256 else { return target.copyMemory(from: source, byteCount: count) }
    var offset = 0
    while offset < count {
        target.storeBytes(
            of: source.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self), toByteOffset: offset,
            as: SIMD16<UInt8>.self)
        offset += 16
    }
}
