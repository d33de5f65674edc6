/// SHA-256 (FIPS 180-4), so that answers are checked by other code than that which made them.
enum SHA256 {
    static func hash(_ message: [UInt8]) -> [UInt8] {
        var state = initial
        var words = [UInt32](repeating: 0, count: 64)
        let padded = padded(message)
        for block in stride(from: 0, to: padded.count, by: 64) {
            for index in 0..<16 {
                words[index] = padded[(block + 4 * index)..<(block + 4 * index + 4)].reduce(0) { $0 << 8 | UInt32($1) }
            }
            for index in 16..<64 {
                let (early, late) = (words[index - 15], words[index - 2])
                let first = turned(early, 7) ^ turned(early, 18) ^ early >> 3
                let second = turned(late, 17) ^ turned(late, 19) ^ late >> 10
                words[index] = words[index - 16] &+ first &+ words[index - 7] &+ second
            }
            compress(&state, words)
        }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) } }
    }

    private static func padded(_ message: [UInt8]) -> [UInt8] {
        let zeros = (119 - message.count % 64) % 64
        let length = (0..<8).map { UInt8(truncatingIfNeeded: UInt64(message.count * 8) >> (56 - 8 * UInt64($0))) }
        return message + [0x80] + [UInt8](repeating: 0, count: zeros) + length
    }

    private static func compress(_ state: inout [UInt32], _ words: [UInt32]) {
        var now = state
        for index in 0..<64 {
            let sum1 = turned(now[4], 6) ^ turned(now[4], 11) ^ turned(now[4], 25)
            let choice = now[4] & now[5] ^ ~now[4] & now[6]
            let first = now[7] &+ sum1 &+ choice &+ constants[index] &+ words[index]
            let sum0 = turned(now[0], 2) ^ turned(now[0], 13) ^ turned(now[0], 22)
            let second = sum0 &+ (now[0] & now[1] ^ now[0] & now[2] ^ now[1] & now[2])
            now = [first &+ second, now[0], now[1], now[2], now[3] &+ first, now[4], now[5], now[6]]
        }
        for index in 0..<8 { state[index] &+= now[index] }
    }

    private static func turned(_ word: UInt32, _ count: UInt32) -> UInt32 { word >> count | word << (32 - count) }

    /// The first bits of the fractions of roots of the first primes, computed in whole numbers.
    private static let primes = (2...311).filter { number in !(2..<number).contains { number % $0 == 0 } }
    private static let initial = primes.prefix(8).map { fraction(of: $0, root: 2) }
    private static let constants = primes.prefix(64).map { fraction(of: $0, root: 3) }

    private static func fraction(of prime: Int, root: Int) -> UInt32 {
        // The largest r with r^root <= prime * 2^(32 root): the root's fraction is in its low 32 bits.
        var low: UInt64 = 0
        for bit in stride(from: UInt64(38), through: 0, by: -1) {
            let next = low | 1 << bit
            if fits(next, prime, root) { low = next }
        }
        return UInt32(truncatingIfNeeded: low)
    }

    private static func fits(_ number: UInt64, _ prime: Int, _ root: Int) -> Bool {
        let number = UInt128(number)
        let power = root == 2 ? number * number : number * number * number
        return power <= UInt128(prime) << UInt128(32 * root)
    }
}
