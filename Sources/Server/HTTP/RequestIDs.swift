/// Names for the replies of one connection: 64 bits, unlike any other's.
///
/// A sequence seeded once, as asking the system for randomness costs a call each time (SplitMix64; Steele, Lea and
/// Flood, OOPSLA 2014). They are names, no secrets.
struct RequestIDs {
    private var state: UInt64

    /// - Parameter seed: the same seed gives the same names; for those who must repeat a run.
    init(seed: UInt64 = .random(in: .min ... .max)) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
