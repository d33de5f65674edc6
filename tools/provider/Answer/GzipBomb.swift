import NIOCore

/// Zeros as gzip (RFC 1952): about one byte for every 160.
enum GzipBomb {
    static let zeroCount = 10 << 20

    /// Made when first asked for.
    static let body = zeros(zeroCount)

    /// One deflate block with fixed codes (RFC 1951, 3.2.6): a zero, then "258 bytes from one byte back" over and over.
    static func zeros(_ count: Int) -> ByteBuffer {
        var bytes = ByteBuffer(bytes: [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF])
        var bits = BitWriter()
        bits.write(0b011, count: 3)  // the last block, fixed codes
        if count > 0 {
            bits.write(Self.zero, count: 8)
            for _ in 0..<((count - 1) / 258) { bits.write(Self.copy258FromOneBack, count: 13) }
            for _ in 0..<((count - 1) % 258) { bits.write(Self.zero, count: 8) }
        }
        bits.write(0, count: 7)  // end of block
        bits.flush()
        bytes.writeBytes(bits.bytes)
        bytes.writeInteger(crc(ofZeros: count), endianness: .little)
        bytes.writeInteger(UInt32(count), endianness: .little)
        return bytes
    }

    // Huffman codes go into the stream from their highest bit on; here they stand turned round.
    private static let zero: UInt32 = 0x0C
    private static let copy258FromOneBack: UInt32 = 0xA3  // length code 285, then five zeros: distance 1

    private static func crc(ofZeros count: Int) -> UInt32 {
        let table = (0..<256).map { (byte: UInt32) -> UInt32 in
            var crc = byte
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
            return crc
        }
        var crc = UInt32.max
        for _ in 0..<count { crc = (crc >> 8) ^ table[Int(crc & 0xFF)] }
        return ~crc
    }
}

/// Bits into bytes, lowest first.
private struct BitWriter {
    private(set) var bytes: [UInt8] = []
    private var pending: UInt32 = 0
    private var pendingCount = 0

    mutating func write(_ bits: UInt32, count: Int) {
        pending |= bits << UInt32(pendingCount)
        pendingCount += count
        while pendingCount >= 8 {
            bytes.append(UInt8(pending & 0xFF))
            pending >>= 8
            pendingCount -= 8
        }
    }

    mutating func flush() {
        if pendingCount > 0 { write(0, count: 8 - pendingCount) }
    }
}
