/// A chunk seen as the one before it with other bytes in its holes.
struct Repetition {
    /// Where the holes are in the chunk.
    let holes: [Range<Int>]
    /// Where they were in the chunk before.
    private let replaced: [Range<Int>]
    /// How many bytes the holes have.
    let byteCount: Int
    /// How many of them stand at the beginning or at the end of the same hole in the chunk before.
    let sameCount: Int

    /// Nil where something beside the holes differs. O(bytes).
    init?(of previous: [UInt8], holes replaced: [Range<Int>], in bytes: [UInt8]) {
        guard let holes = Self.find(previous, replaced, bytes) else { return nil }
        self.holes = holes
        self.replaced = replaced
        byteCount = holes.reduce(0) { $0 + $1.count }
        sameCount = zip(holes, replaced).reduce(0) { sum, pair in
            sum + Self.sameCount(bytes[pair.0], previous[pair.1])
        }
    }

    /// Where usage is if nothing is said of it: a place counted from the end moves with the holes behind it.
    func moved(_ usage: UsagePlace, in previousCount: Int) -> UsagePlace {
        guard case .member(var fromEnd, let count) = usage else { return usage }
        let end = previousCount - fromEnd
        for (hole, replaced) in zip(holes, replaced) where replaced.lowerBound >= end {
            fromEnd += hole.count - replaced.count
        }
        return .member(fromEnd: fromEnd, count: count)
    }

    var codedCount: Int {
        let counts = holes.map(\.count)
        guard !isNarrow else { return byteCount + (counts.count == 1 ? 1 : max(1, (counts.count + 1) / 2)) }
        return byteCount + 1 + counts.reduce(0) { $0 + Copy.variableByteCount($1) }
    }

    /// Whether the counts fit into the short form.
    private var isNarrow: Bool {
        guard let first = holes.first?.count else { return true }
        return holes.count == 1 ? first < ChunkFormat.wideRepeat : first < 15 && holes.allSatisfy { $0.count < 16 }
    }

    func append(_ bytes: [UInt8], to output: inout [UInt8]) {
        if !isNarrow {
            output.append(ChunkFormat.wideRepeat)
            for hole in holes { output.appendVariable(hole.count) }
        } else if holes.count <= 1 {
            output.append(UInt8(byteCount))
        } else {
            for place in stride(from: 0, to: holes.count, by: 2) {
                let second = place + 1 < holes.count ? holes[place + 1].count : 0
                output.append(UInt8(holes[place].count << 4 | second))
            }
        }
        for hole in holes { output.append(contentsOf: bytes[hole]) }
    }

    /// Finds what stands between the holes, each piece where it first comes after the one before it.
    private static func find(_ previous: [UInt8], _ replaced: [Range<Int>], _ bytes: [UInt8]) -> [Range<Int>]? {
        let head = previous[..<(replaced.first?.lowerBound ?? previous.count)]
        guard bytes.starts(with: head) else { return nil }
        guard let last = replaced.last else { return bytes.count == previous.count ? [] : nil }
        let tail = previous[last.upperBound...]
        guard bytes.count - head.count >= tail.count, bytes.suffix(tail.count).elementsEqual(tail) else { return nil }
        var holes: [Range<Int>] = []
        var index = head.count
        // A search that goes wrong again and again would take O(bytes²): it is given up.
        var comparisons = 4 * bytes.count
        for (place, hole) in replaced.dropLast().enumerated() {
            let piece = previous[hole.upperBound..<replaced[place + 1].lowerBound]
            guard let found = search(piece, bytes, from: index, &comparisons) else { return nil }
            holes.append(index..<found)
            index = found + piece.count
        }
        guard index <= bytes.count - tail.count else { return nil }
        holes.append(index..<bytes.count - tail.count)
        return holes
    }

    private static func search(
        _ piece: ArraySlice<UInt8>, _ bytes: [UInt8], from index: Int, _ comparisons: inout Int
    ) -> Int? {
        var start = index
        while start + piece.count <= bytes.count, comparisons > 0 {
            var same = 0
            while same < piece.count, bytes[start + same] == piece[piece.startIndex + same] { same += 1 }
            if same == piece.count { return start }
            comparisons -= same + 1
            start += 1
        }
        return nil
    }

    private static func sameCount(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Int {
        let most = min(one.count, other.count)
        var front = 0
        while front < most, one[one.startIndex + front] == other[other.startIndex + front] { front += 1 }
        var back = 0
        while back < most - front, one[one.endIndex - 1 - back] == other[other.endIndex - 1 - back] { back += 1 }
        return front + back
    }
}
