/// Which of a cluster's 16,384 slots keeps a name.
///
/// CRC16 (XMODEM: polynomial 0x1021, start 0, nothing reflected) of the name, or of its hash tag alone: what stands
/// between the first `{` and the next `}`, where that is anything. So names with the same tag are kept together.
/// After the Redis Cluster specification, "Key distribution model".
struct HashSlot: Hashable, Comparable, Sendable {
    static let count = 16_384

    let number: UInt16

    /// Nil where a cluster has no such slot.
    init?(_ number: Int) {
        guard (0..<Self.count).contains(number) else { return nil }
        self.number = UInt16(number)
    }

    /// O(bytes of the tag, or of the name).
    init(of name: [UInt8]) {
        number = Self.checksum(Self.tag(of: name)) & UInt16(Self.count - 1)
    }

    static func < (left: HashSlot, right: HashSlot) -> Bool { left.number < right.number }

    private static func tag(of name: [UInt8]) -> ArraySlice<UInt8> {
        guard let open = name.firstIndex(of: UInt8(ascii: "{")) else { return name[...] }
        let rest = name[(open + 1)...]
        guard let close = rest.firstIndex(of: UInt8(ascii: "}")), close > rest.startIndex else { return name[...] }
        return rest[..<close]
    }

    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        bytes.reduce(0) { checksum, byte in checksum << 8 ^ table[Int(UInt8(checksum >> 8) ^ byte)] }
    }

    /// What each value of a byte does to a checksum.
    private static let table: [UInt16] = (0..<256).map { byte in
        (0..<8).reduce(UInt16(byte) << 8) { checksum, _ in
            checksum & 0x8000 == 0 ? checksum << 1 : checksum << 1 ^ 0x1021
        }
    }
}
