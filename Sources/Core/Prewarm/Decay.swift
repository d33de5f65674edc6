/// How much an event of the past counts: half as much for every half-life that has gone by.
///
/// Forward decay (Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", ICDE 2009): an event at `t` is noted with the
/// weight 2^((t - landmark) / halfLife) and never touched again; whoever reads divides by the weight of now. Powers are
/// looked up at 256 steps of a half-life and straight between them, which is a millionth off at most.
struct Decay: Hashable, Sendable {
    let halfLife: Duration
    private(set) var landmark: Instant

    private static let stepsPerHalfLife: Int64 = 256
    /// Half-lives after which whoever keeps weights has to `rebase`: 2^512 times 2^40 events is far from overflow.
    private static let exponentMax: Int64 = 512

    /// - Precondition: `halfLife` is at least a second.
    init(halfLife: Duration, landmark: Instant) {
        precondition(halfLife >= .seconds(1), "a half-life is at least a second")
        self.halfLife = halfLife
        self.landmark = landmark
    }

    /// What an event at this instant is noted with. What was before the landmark counts as at it.
    func weight(at now: Instant) -> Double {
        let elapsed = max(0, landmark.duration(to: now).nanoseconds)
        let (steps, rest) = elapsed.quotientAndRemainder(dividingBy: step)
        let exponent = min(steps / Self.stepsPerHalfLife, 1_000)
        let within = 1 + Double(rest) / Double(step) * (Self.fractions[1] - 1)
        return Double(sign: .plus, exponent: Int(exponent), significand: Self.fractions[Int(steps & 255)] * within)
    }

    private var step: Int64 { halfLife.nanoseconds / Self.stepsPerHalfLife }

    /// 2^(step / 256) of each step.
    private static let fractions: [Double] = {
        // 2^(1/2), 2^(1/4), … 2^(1/256).
        var roots: [Double] = [Double(2).squareRoot()]
        while roots.count < 8 { roots.append(roots[roots.count - 1].squareRoot()) }
        return (0..<256).map { step in
            (0..<8).reduce(1.0) { product, bit in step & (128 >> bit) == 0 ? product : product * roots[bit] }
        }
    }()

    /// Moves the landmark, once weights become large. Returns what all that was noted is to be multiplied by: a power
    /// of two, so that nothing is rounded; nil mostly.
    mutating func rebase(at now: Instant) -> Double? {
        // A whole number of half-lives, so that steps stay where they are.
        let exponent = max(0, landmark.duration(to: now).nanoseconds) / (step * Self.stepsPerHalfLife)
        guard exponent >= Self.exponentMax else { return nil }
        let (length, overflow) = (step * Self.stepsPerHalfLife).multipliedReportingOverflow(by: exponent)
        landmark = overflow ? now : landmark.advanced(by: .nanoseconds(length))
        return Double(sign: .plus, exponent: -Int(min(exponent, 1_000)), significand: 1)
    }

    /// For how long events as frequent as those noted since `start` would have to come, without decay, to count as
    /// much: what turns a decayed count into a rate. At most halfLife / ln 2.
    func span(since start: Instant, at now: Instant) -> Duration {
        let elapsed = Decay(halfLife: halfLife, landmark: start).weight(at: now)
        let seconds = halfLife.seconds / 0.693_147_180_559_945_3 * (1 - 1 / elapsed)
        return .nanoseconds(Int64(seconds * 1e9))
    }
}
