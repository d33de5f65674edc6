/// A piece of an earlier text that a chunk has too.
struct Copy {
    let start: Int
    let count: Int
    /// Where it begins, from where it was expected to.
    let shift: Int
    /// It ends both texts: then its count need not be written.
    let isRest: Bool

    var end: Int { start + count }

    /// How many bytes it saves.
    let gain: Int

    /// Nil where nothing worth a copy begins there.
    init?(
        from text: [UInt8], _ start: Int, _ bytes: [UInt8], _ index: Int, expected: Int, isRestKnown: Bool
    ) {
        guard start < text.count else { return nil }
        let most = min(bytes.count - index, text.count - start)
        var count = 0
        while count < most, bytes[index + count] == text[start + count] { count += 1 }
        isRest = isRestKnown && index + count == bytes.count && start + count == text.count
        guard count >= ChunkFormat.copyMin || (isRest && count > 0) else { return nil }
        self.start = start
        self.count = count
        shift = start - expected
        let sizeByteCount = isRest || count < 17 ? 0 : Self.variableByteCount(count - 17)
        // What ends the chunk spares the operation that would say so.
        gain =
            count - (isRest ? 0 : 1) - sizeByteCount - Self.variableByteCount(Self.zigzag(shift) << 1)
    }

    static func zigzag(_ value: Int) -> Int { value << 1 ^ value >> (Int.bitWidth - 1) }

    static func variableByteCount(_ value: Int) -> Int {
        max(1, (Int.bitWidth - value.leadingZeroBitCount + 6) / 7)
    }
}

/// Where in a text each four bytes begin: hashed, each slot a chain of places.
struct PieceIndex: Sendable {
    /// The first place in each slot, plus one; 0 is none. Both are kept to spare allocations.
    private var heads: [Int32] = []
    /// The next place of the same slot, plus one.
    private var chain: [Int32] = []

    /// Texts longer than this are not indexed: only what continues the last copy is found in them.
    private static let byteMax = 64 << 10
    /// How many places of a slot are tried. It bounds the time a byte takes.
    private static let tryMax = 8

    /// Of the dictionary, filled once.
    static let dictionary: PieceIndex = {
        var index = PieceIndex()
        index.fill(dictionaryBytes)
        return index
    }()
    static let dictionaryBytes = Array(ChunkDictionary.bytes)

    mutating func fill(_ text: [UInt8]) {
        heads.removeAll(keepingCapacity: true)
        chain.removeAll(keepingCapacity: true)
        guard text.count >= ChunkFormat.copyMin, text.count <= Self.byteMax else { return }
        let slotCount = text.count.nextPowerOfTwo * 2
        heads.append(contentsOf: repeatElement(0, count: slotCount))
        chain.append(contentsOf: repeatElement(0, count: text.count))
        // From the end, so that the first of equal pieces is found first.
        for start in stride(from: text.count - ChunkFormat.copyMin, through: 0, by: -1) {
            let slot = Self.slot(text, start, slotCount)
            chain[start] = heads[slot]
            heads[slot] = Int32(start + 1)
        }
    }

    /// The copy that saves most among those that begin with the four bytes at `index`, if it saves more than `other`.
    func longest(
        in text: [UInt8], _ bytes: [UInt8], _ index: Int, expected: Int, isRestKnown: Bool, orElse other: Copy?
    ) -> Copy? {
        guard !heads.isEmpty, index + ChunkFormat.copyMin <= bytes.count else { return other }
        var best = other
        var next = Int(heads[Self.slot(bytes, index, heads.count)]) - 1
        var tries = 0
        while next >= 0, tries < Self.tryMax {
            if let copy = Copy(from: text, next, bytes, index, expected: expected, isRestKnown: isRestKnown),
                copy.gain > best?.gain ?? 0
            {
                best = copy
            }
            next = Int(chain[next]) - 1
            tries += 1
        }
        return best
    }

    private static func slot(_ bytes: [UInt8], _ start: Int, _ slotCount: Int) -> Int {
        var word: UInt32 = 0
        for offset in 0..<ChunkFormat.copyMin { word = word << 8 | UInt32(bytes[start + offset]) }
        // Fibonacci hashing (Knuth, TAOCP 3, 6.4).
        return Int(truncatingIfNeeded: (UInt64(word) &* 0x9E37_79B9_7F4A_7C15) >> 40) & (slotCount - 1)
    }
}

extension Int {
    /// The smallest power of two that is not below this. For 1 and above.
    fileprivate var nextPowerOfTwo: Int { 1 << (bitWidth - (self - 1).leadingZeroBitCount) }
}
