import Crypto

/// The first 48 bits of the SHA-256 of a prompt: what an answer certifies itself with.
struct Digest: Hashable, Sendable {
    let bits: UInt64

    init(of bytes: [UInt8]) {
        bits = Self.firstEightBytes(of: bytes) >> 16
    }

    /// Twelve lower-case hex digits.
    var hex: String {
        Self.hex(bits, digitCount: 12)
    }

    var firstByte: Int {
        Int(bits >> 40)
    }

    /// The `index`-th of a row of numbers that look random and are a function of the digest alone.
    func noise(_ index: Int) -> UInt64 {
        Noise.draw(seed: bits, index: index)
    }

    /// Of the SHA-256, as a number.
    static func firstEightBytes(of bytes: [UInt8]) -> UInt64 {
        SHA256.hash(data: bytes).withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    static func hex(_ bits: UInt64, digitCount: Int) -> String {
        String(unsafeUninitializedCapacity: digitCount) { digits in
            for index in 0..<digitCount {
                let nibble = UInt8(truncatingIfNeeded: bits >> (4 * UInt64(digitCount - 1 - index)) & 0xF)
                digits.initializeElement(at: index, to: nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
            }
            return digitCount
        }
    }
}

/// What a digest is taken over: for each message in order, role + "\n" + text + "\n", as UTF-8.
struct Transcript {
    private var bytes: [UInt8] = []

    mutating func add(role: String, text: String) {
        bytes.append(contentsOf: role.utf8)
        bytes.append(0x0A)
        bytes.append(contentsOf: text.utf8)
        bytes.append(0x0A)
    }

    var digest: Digest { Digest(of: bytes) }

    /// A quarter of the bytes, rounded up.
    var tokenCount: Int { (bytes.count + 3) / 4 }
}
