/// Eight bytes of a JSON text looked at in one step (SWAR: "SIMD within a register").
///
/// A byte test sets the high bit of every byte that passes. Borrows run from low bytes to high ones only, so the
/// lowest bit that is set is always right, and those above a hit mean nothing: ask for the first hit alone.
/// Mycroft's zero byte test; Warren, "Hacker's Delight", 6-1.
enum JSONWords {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080
    private static let spaces: UInt64 = ones &* 0x20
    private static let quotes: UInt64 = ones &* 0x22
    private static let backslashes: UInt64 = ones &* 0x5C

    /// Marks bytes that are not the plain text of a string: `"`, `\` and control characters. Bytes beyond ASCII are
    /// plain.
    @inline(__always)
    static func notPlain(_ word: UInt64) -> UInt64 {
        let quote = word ^ quotes
        let backslash = word ^ backslashes
        return ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | (word &- spaces) & ~word) & highs
    }

    /// How many of the eight bytes, from the first on, are spaces.
    @inline(__always)
    static func spaceCount(_ word: UInt64) -> Int { (word ^ spaces).trailingZeroBitCount >> 3 }

    /// The index, 0 to 7, of the first byte that a test has marked; 8 where it has marked none.
    @inline(__always)
    static func first(_ marks: UInt64) -> Int { marks.trailingZeroBitCount >> 3 }

    /// `\u00` and the two hex digits of a control character, in the six low bytes.
    @inline(__always)
    static func escapedControl(_ byte: UInt8) -> UInt64 {
        let low = UInt64(byte & 15)
        let high = UInt64(byte >> 4)
        let digit = low < 10 ? 0x30 + low : 0x57 + low
        return 0x3030_755C | (0x30 + high) << 32 | digit << 40
    }
}
