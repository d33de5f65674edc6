/// Whether an answer is made anew before it expires, so that nobody has to wait when it does.
///
/// Each hit near the end rolls dice of its own: the nearer the end and the longer the answer takes to make, the likelier
/// it is the one. On average one new call is made, shortly before the end; no timer, and nothing that pods would have to
/// agree on. XFetch of Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB
/// 2015, where the exponential distribution is shown to be the best; their `delta` is our generation time, their `beta`
/// the route's `early_refresh`.
public enum EarlyRefresh {
    /// The largest factor.
    public static let factorMax = 10.0
    /// Dice are rolled for the last so many times factor x generation time. Of all rolls before it, less than e^-8
    /// (0.03 %) would have said yes.
    private static let windowFactor = 8.0

    /// How long before its end an answer is looked at in this way; at most half of its fresh life. Zero: never.
    public static func window(of generationTime: Duration, ttl: Duration, factor: Double) -> Duration {
        guard factor > 0, generationTime > .zero else { return .zero }
        let window = Double(generationTime.nanoseconds) * factor * windowFactor
        let half = ttl.nanoseconds / 2
        return .nanoseconds(window < Double(half) ? Int64(window) : half)
    }

    /// Whether this hit has the answer made anew. O(1).
    ///
    /// - Parameters:
    ///   - remaining: what is left of the answer's fresh life.
    ///   - draw: a random number, exponentially distributed with mean 1: -ln(u) for u in 0..<1.
    public static func isDue(
        remaining: Duration, generationTime: Duration, factor: Double, draw: Double
    ) -> Bool {
        guard factor > 0 else { return false }
        return Double(generationTime.nanoseconds) * factor * draw >= Double(remaining.nanoseconds)
    }
}
