/// Numbers that look random and are a function of a seed and an index.
///
/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014), entered at its
/// `index`-th step. Nothing is remembered, so two loops drawing at once cannot disturb each other's row.
enum Noise {
    static func draw(seed: UInt64, index: Int) -> UInt64 {
        var z = seed &+ (UInt64(bitPattern: Int64(index)) &+ 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// At least 0, below 1.
    static func unit(seed: UInt64, index: Int) -> Double {
        Double(draw(seed: seed, index: index) >> 11) / Double(1 << 53)
    }
}
