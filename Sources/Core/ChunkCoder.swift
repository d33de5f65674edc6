/// Codes each chunk as copies from the chunk before it and the bytes that are new.
///
///     chunk   := usage  count  op…            until `count` bytes are made
///     op      := literalCount  literal…  [ copyCount  shift ]    the copy is left out when the literal ends the chunk
///     usage   := 0 nowhere | 1 whole | 2 as in the chunk before | 3 fromEnd count
///     shift   := zigzag; the copy begins at (where the last copy ended + literals since) + shift in the chunk before
///
/// All numbers are LEB128. Where only the token changes, a chunk is one copy, one literal and one copy. Where a
/// provider pads chunks with a random member there is a second hole, and so on: any number of holes, found by
/// looking up six bytes at a time (LZ77 with the chunk before as its window). O(bytes) a chunk.
struct ChunkCoder: Sendable {
    private var output: [UInt8] = []
    private var previous: [UInt8] = []
    private var previousUsage = UsagePlace.nowhere
    /// Where in `previous` each hashed six bytes begin, plus one; 0 is none. Kept to spare an allocation a chunk.
    private var table: [Int32] = []

    /// A shorter copy costs as much as it saves.
    private static let copyMin = 6
    /// Chunks longer than this are coded without looking for moved pieces, only for a common beginning and end.
    private static let tableByteMax = 64 << 10

    mutating func append(_ chunk: Chunk) {
        appendUsage(chunk.usage)
        output.appendVariable(chunk.bytes.count)
        appendOperations(chunk.bytes)
        previous = chunk.bytes
    }

    consuming func finish() -> [UInt8] {
        // A recording may be kept for hours: what growing over-allocated is given back.
        var exact: [UInt8] = []
        exact.reserveCapacity(output.count)
        exact.append(contentsOf: output)
        return exact
    }

    private mutating func appendUsage(_ usage: UsagePlace) {
        defer { previousUsage = usage }
        switch usage {
        case .nowhere: output.append(0)
        case .whole: output.append(1)
        case previousUsage: output.append(2)
        case .member(let fromEnd, let count):
            output.append(3)
            output.appendVariable(fromEnd)
            output.appendVariable(count)
        }
    }

    private mutating func appendOperations(_ bytes: [UInt8]) {
        var index = 0
        var literalStart = 0
        var expected = 0
        var isTableReady = false
        let window = previous
        while index < bytes.count {
            var match = Match(start: expected + (index - literalStart), count: 0)
            match.extend(bytes, index, window)
            if match.count < Self.copyMin, index + Self.copyMin <= bytes.count, window.count >= Self.copyMin {
                if !isTableReady {
                    fillTable()
                    isTableReady = true
                }
                if let start = lookUp(bytes, index) {
                    match = Match(start: start, count: 0)
                    match.extend(bytes, index, window)
                }
            }
            guard match.count >= Self.copyMin || (match.count > 0 && index + match.count == bytes.count) else {
                index += 1
                continue
            }
            appendLiteral(bytes[literalStart..<index])
            output.appendVariable(match.count)
            output.appendVariable(zigzag: match.start - (expected + index - literalStart))
            index += match.count
            expected = match.start + match.count
            literalStart = index
        }
        if literalStart < bytes.count { appendLiteral(bytes[literalStart...]) }
    }

    private struct Match {
        let start: Int
        var count: Int

        mutating func extend(_ bytes: [UInt8], _ index: Int, _ window: [UInt8]) {
            guard start < window.count else { return }
            let most = min(bytes.count - index, window.count - start)
            while count < most, bytes[index + count] == window[start + count] { count += 1 }
        }
    }

    private mutating func appendLiteral(_ bytes: ArraySlice<UInt8>) {
        output.appendVariable(bytes.count)
        output.append(contentsOf: bytes)
    }

    private mutating func fillTable() {
        let size = previous.count.nextPowerOfTwo * 2
        table.removeAll(keepingCapacity: true)
        guard previous.count <= Self.tableByteMax else { return }
        table.append(contentsOf: repeatElement(0, count: size))
        // From the end, so that the first of equal pieces is found.
        for start in stride(from: previous.count - Self.copyMin, through: 0, by: -1) {
            table[Self.slot(previous, start, size)] = Int32(start + 1)
        }
    }

    private func lookUp(_ bytes: [UInt8], _ index: Int) -> Int? {
        guard !table.isEmpty else { return nil }
        let start = Int(table[Self.slot(bytes, index, table.count)]) - 1
        guard start >= 0 else { return nil }
        for offset in 0..<Self.copyMin where previous[start + offset] != bytes[index + offset] { return nil }
        return start
    }

    private static func slot(_ bytes: [UInt8], _ start: Int, _ size: Int) -> Int {
        var word: UInt64 = 0
        for offset in 0..<copyMin { word = word << 8 | UInt64(bytes[start + offset]) }
        // Fibonacci hashing (Knuth, TAOCP 3, 6.4).
        return Int(truncatingIfNeeded: (word &* 0x9E37_79B9_7F4A_7C15) >> 40) & (size - 1)
    }
}

/// Reads what `ChunkCoder` wrote. Trusts nothing: damaged bytes give an error, never a trap or a huge allocation.
struct ChunkDecoder {
    private let coded: [UInt8]
    private var index = 0
    private var previous: [UInt8] = []
    private var previousUsage = UsagePlace.nowhere
    /// What the remaining chunks may weigh together.
    private var remaining: Int

    init(_ coded: [UInt8], rawByteCount: Int) {
        self.coded = coded
        self.remaining = rawByteCount
    }

    mutating func next() throws(RecordingError) -> Chunk? {
        guard index < coded.count else {
            guard remaining == 0 else { throw .damaged }
            return nil
        }
        let place = try usagePlace()
        let count = try variable()
        guard count <= remaining else { throw .damaged }
        remaining -= count
        let bytes = try operations(count)
        if case .member(let fromEnd, let length) = place {
            guard fromEnd >= 0, length >= 0, fromEnd <= count, length <= count - fromEnd else { throw .damaged }
        }
        previous = bytes
        previousUsage = place
        return Chunk(bytes: bytes, usage: place)
    }

    private mutating func usagePlace() throws(RecordingError) -> UsagePlace {
        defer { index += 1 }
        switch coded[index] {
        case 0: return .nowhere
        case 1: return .whole
        case 2: return previousUsage
        case 3:
            index += 1
            let fromEnd = try variable()
            let count = try variable()
            index -= 1
            return .member(fromEnd: fromEnd, count: count)
        default: throw .damaged
        }
    }

    private mutating func operations(_ count: Int) throws(RecordingError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        var expected = 0
        while bytes.count < count {
            let literalCount = try variable()
            guard literalCount <= count - bytes.count, literalCount <= coded.count - index else { throw .damaged }
            bytes.append(contentsOf: coded[index..<index + literalCount])
            index += literalCount
            guard bytes.count < count else { break }
            let copyCount = try variable()
            let start = expected + literalCount + (try zigzag())
            guard copyCount > 0, copyCount <= count - bytes.count, start >= 0, start <= previous.count,
                copyCount <= previous.count - start
            else { throw .damaged }
            bytes.append(contentsOf: previous[start..<start + copyCount])
            expected = start + copyCount
        }
        return bytes
    }

    private mutating func variable() throws(RecordingError) -> Int {
        var value = 0
        // Five groups of seven bits: counts are below 2^35, far under what an Int holds.
        for shift in stride(from: 0, to: 35, by: 7) {
            guard index < coded.count else { throw .damaged }
            let byte = coded[index]
            index += 1
            value |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .damaged
    }

    private mutating func zigzag() throws(RecordingError) -> Int {
        let value = try variable()
        return value & 1 == 0 ? value >> 1 : -(value >> 1) - 1
    }
}

extension [UInt8] {
    /// LEB128: seven bits a byte, low ones first.
    fileprivate mutating func appendVariable(_ value: Int) {
        var value = UInt(value)
        while value >= 0x80 {
            append(UInt8(value & 0x7F) | 0x80)
            value >>= 7
        }
        append(UInt8(value))
    }

    fileprivate mutating func appendVariable(zigzag value: Int) {
        appendVariable(value >= 0 ? value << 1 : ~value << 1 | 1)
    }
}

extension Int {
    /// The smallest power of two that is not below this. For 1 and above.
    fileprivate var nextPowerOfTwo: Int { 1 << (bitWidth - (self - 1).leadingZeroBitCount) }
}
