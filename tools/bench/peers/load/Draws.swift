// Unsafe pointers, because the keys to come are drawn before the load begins, and only read while it runs.

import Glibc

/// Which keys are asked for, in turn: each once, or at random with the Zipf distribution.
struct Draws {
    private let keys: UnsafeMutablePointer<UInt32>
    private let count: Int
    private var at = 0
    private let isEndless: Bool

    /// Enough that their shares are those of the distribution, and few enough to be ready at once.
    private static let drawnCount = 1 << 18

    /// Each of so many, once.
    init(eachOf keyCount: Int) {
        count = keyCount
        keys = .allocate(capacity: keyCount)
        for key in 0..<keyCount { (keys + key).initialize(to: UInt32(key)) }
        isEndless = false
    }

    /// Key k with a share of 1 / (k + 1)^exponent; the same ones in every run.
    init(of keyCount: Int, exponent: Double) {
        var sum = 0.0
        let cumulative = (1...keyCount).map { rank in
            sum += 1 / pow(Double(rank), exponent)
            return sum
        }
        var random = Generator(seed: 1)
        count = Self.drawnCount
        keys = .allocate(capacity: count)
        for index in 0..<count {
            let wanted = Double.random(in: 0..<sum, using: &random)
            var (low, high) = (0, keyCount - 1)
            while low < high {
                let middle = (low + high) / 2
                if cumulative[middle] > wanted { high = middle } else { low = middle + 1 }
            }
            (keys + index).initialize(to: UInt32(low))
        }
        isEndless = true
    }

    /// The next ones, as many as there are up to `most`.
    @inline(__always)
    mutating func take(_ most: Int, into room: UnsafeMutablePointer<UInt32>) -> Int {
        if isEndless, at &+ most > count { at = 0 }
        let taken = min(most, count &- at)
        room.update(from: keys + at, count: taken)
        at &+= taken
        return taken
    }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): runs repeat.
struct Generator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
