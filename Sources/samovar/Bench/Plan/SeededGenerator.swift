/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the same numbers for the same seed, so that a run can be repeated.
struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// One of several sequences of a seed that have nothing to do with each other.
    init(seed: UInt64, stream: UInt64) {
        var mixer = SeededGenerator(seed: seed)
        let base = mixer.next()
        mixer = SeededGenerator(seed: base ^ (stream &* 0xD1B5_4A32_D192_ED03))
        state = mixer.next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1, in steps of 2⁻⁵³.
    mutating func share() -> Double { Double(next() >> 11) * 0x1p-53 }
}
