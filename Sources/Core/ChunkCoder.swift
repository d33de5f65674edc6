/// The stored form of an answer's chunks: each is written as what differs from the one before it.
///
///     chunk   := [ usage ]  ( repeat | 0xF0 wide repeat | 0xF1 operations | 0xF5 plain )
///     usage   := 0xF2 nowhere  |  0xF3 whole  |  0xF4 fromEnd count
///
/// **Repeat**: the chunk before with other bytes in its *holes*, which are the pieces that were new in it. A stream's
/// chunk is a repeat with one hole, its token, or with two where the provider pads it: one byte and the new bytes.
///
///     repeat  := counts  bytes of the first hole, of the second…
///     counts  := no hole: 0x00  |  one hole: its count, below 0xF0
///              | more: four bits each, two holes a byte, the first at most 14, nothing left over is 0
///     wide    := a number for each hole, then the bytes as above
///
/// **Operations** make a chunk from new bytes, from pieces of the chunk before and from the dictionary (LZ77). The new
/// bytes of each operation are a hole of this chunk; a chunk of more than eight holes cannot be repeated.
///
///     operation := token  [ literals - 15 ]  bytes  [ copies - 17 ]  [ source ]
///     token     := literals in the high four bits: 0 to 14, or 15 and the rest behind
///                | copies in the low four bits: 0 none, and the chunk ends | 1 all that is left of the chunk before,
///                  and the chunk ends | 2 to 14: 4 to 16 bytes | 15: 17 and the rest behind
///     source    := zigzag of the shift * 2 | 0 in the chunk before: from where the last copy ended + new bytes since
///                                          | 1 in the dictionary: from where the last copy out of it ended
///
/// **Plain**: all bytes that follow, as they are; the recording ends with them. A body is one chunk, and is asked for far
/// more often than it is stored: it is kept so that a hit is one copy.
///
/// All other numbers are LEB128. Where usage is not given it is where it was, moved by the holes behind it.
enum ChunkFormat {
    static let wideRepeat: UInt8 = 0xF0
    static let operations: UInt8 = 0xF1
    static let usageNowhere: UInt8 = 0xF2
    static let usageWhole: UInt8 = 0xF3
    static let usageMember: UInt8 = 0xF4
    static let plain: UInt8 = 0xF5
    static let noCopy: UInt8 = 0
    static let copyRest: UInt8 = 1
    /// A shorter copy costs as much as it saves.
    static let copyMin = 4
}

/// Writes chunks in their stored form. O(bytes) a chunk.
struct ChunkCoder: Sendable {
    private var output: [UInt8] = []
    private var previous: [UInt8] = []
    /// The holes of the chunk before; nil where it cannot be repeated.
    private var holes: [Range<Int>]?
    private var usage = UsagePlace.nowhere
    private var pieces = PieceIndex()

    /// New bytes that are worth a search for something shorter than a repeat.
    private static let repeatedByteMax = 40

    mutating func append(_ chunk: Chunk) {
        let bytes = chunk.bytes
        var repetition = holes.flatMap { Repetition(of: previous, holes: $0, in: bytes) }
        if let found = repetition, found.byteCount > Self.repeatedByteMax || found.sameCount >= ChunkFormat.copyMin {
            // The holes are wider than what changes: others may be smaller, now and from now on.
            let (coded, holes) = operations(bytes)
            if coded.count < found.codedCount {
                repetition = nil
                appendUsage(chunk.usage, unlike: usage)
                take(coded, holes)
            }
        } else if repetition == nil {
            appendUsage(chunk.usage, unlike: usage)
            let (coded, holes) = operations(bytes)
            take(coded, holes)
        }
        if let repetition {
            appendUsage(chunk.usage, unlike: repetition.moved(usage, in: previous.count))
            repetition.append(bytes, to: &output)
            holes = repetition.holes
        }
        usage = chunk.usage
        previous = bytes
    }

    /// The one chunk of a body.
    static func plain(_ chunk: Chunk) -> [UInt8] {
        var coded: [UInt8] = []
        coded.reserveCapacity(chunk.bytes.count + 1)
        coded.append(ChunkFormat.plain)
        coded.append(contentsOf: chunk.bytes)
        return coded
    }

    private mutating func take(_ coded: [UInt8], _ holes: [Range<Int>]) {
        output += coded
        self.holes = holes.count <= ChunkDecoder.holeCountMax ? holes : nil
    }

    consuming func finish() -> [UInt8] {
        // A recording may be kept for hours: what growing over-allocated is given back.
        var exact: [UInt8] = []
        exact.reserveCapacity(output.count)
        exact.append(contentsOf: output)
        return exact
    }

    private mutating func appendUsage(_ usage: UsagePlace, unlike expected: UsagePlace) {
        guard usage != expected else { return }
        switch usage {
        case .nowhere: output.append(ChunkFormat.usageNowhere)
        case .whole: output.append(ChunkFormat.usageWhole)
        case .member(let fromEnd, let count):
            output.append(ChunkFormat.usageMember)
            output.appendVariable(fromEnd)
            output.appendVariable(count)
        }
    }

    /// The chunk as operations, and its holes.
    private mutating func operations(_ bytes: [UInt8]) -> (coded: [UInt8], holes: [Range<Int>]) {
        pieces.fill(previous)
        var coded = [ChunkFormat.operations]
        var holes: [Range<Int>] = []
        var (expected, expectedInDictionary) = (0, 0)
        var (index, literalStart) = (0, 0)
        while index < bytes.count {
            let continued = expected + index - literalStart
            var best = Copy(from: previous, continued, bytes, index, expected: continued, isRestKnown: true)
            best = pieces.longest(in: previous, bytes, index, expected: continued, isRestKnown: true, orElse: best)
            let inChunk = best
            best = PieceIndex.dictionary.longest(
                in: PieceIndex.dictionaryBytes, bytes, index, expected: expectedInDictionary, isRestKnown: false,
                orElse: best)
            guard let best, best.gain > 0 else {
                // Where little repeats, as in a long text, ever fewer places are looked at (as LZ4 does).
                index += 1 + (index - literalStart) >> 7
                continue
            }
            let isInDictionary = best.gain > inChunk?.gain ?? 0
            if literalStart < index { holes.append(literalStart..<index) }
            coded.appendOperation(bytes[literalStart..<index], best, isInDictionary: isInDictionary)
            index += best.count
            if isInDictionary {
                expected = continued
                expectedInDictionary = best.end
            } else {
                expected = best.end
            }
            literalStart = index
            if best.isRest { return (coded, holes) }
        }
        if literalStart < bytes.count { holes.append(literalStart..<bytes.count) }
        coded.appendOperation(bytes[literalStart...], nil, isInDictionary: false)
        return (coded, holes)
    }
}

extension [UInt8] {
    /// LEB128: seven bits a byte, low ones first.
    mutating func appendVariable(_ value: Int) {
        var value = UInt(value)
        while value >= 0x80 {
            append(UInt8(value & 0x7F) | 0x80)
            value >>= 7
        }
        append(UInt8(value))
    }

    fileprivate mutating func appendOperation(_ literal: ArraySlice<UInt8>, _ copy: Copy?, isInDictionary: Bool) {
        let code =
            switch copy {
            case nil: ChunkFormat.noCopy
            case let copy? where copy.isRest: ChunkFormat.copyRest
            case let copy?: UInt8(Swift.min(15, copy.count - 2))
            }
        append(UInt8(Swift.min(15, literal.count)) << 4 | code)
        if literal.count >= 15 { appendVariable(literal.count - 15) }
        append(contentsOf: literal)
        guard let copy else { return }
        if code == 15 { appendVariable(copy.count - 17) }
        appendVariable(Copy.zigzag(copy.shift) << 1 | (isInDictionary ? 1 : 0))
    }
}
