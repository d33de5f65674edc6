/// The only source of chance in a schedule: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). One seed, one schedule.
struct Dice {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 ^ 0xD1B5_4A32_D192_ED03 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.count))
    }

    /// True in so many of a thousand throws.
    mutating func permille(_ count: Int) -> Bool { number(0...999) < count }
}

/// Nanoseconds, written as people say them.
func milliseconds(_ count: Int) -> Int64 { Int64(count) * 1_000_000 }
func microseconds(_ count: Int) -> Int64 { Int64(count) * 1_000 }
