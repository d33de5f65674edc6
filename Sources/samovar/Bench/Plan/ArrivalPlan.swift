import Foundation

/// When requests are to be sent, whatever the server does: the n-th arrival, in nanoseconds from the plan's start.
///
/// An open loop. What is late is late by the plan, so a server that stalls is charged for all who would have asked
/// meanwhile (Tene, "How NOT to Measure Latency", 2013: coordinated omission).
struct ArrivalPlan: Sendable {
    enum Spacing: String, CaseIterable, Sendable {
        /// One every 1 / rate seconds.
        case constant
        /// As if many people asked who know nothing of each other: gaps are exponential.
        case poisson
    }

    /// Requests a second.
    let rate: Double
    private let spacing: Spacing
    private let first: Double
    private let interval: Double
    private var count = 0.0
    private var elapsed = 0.0
    private var random: SeededGenerator

    /// One of several equal parts of a plan, which together are the plan.
    ///
    /// - Precondition: `rate > 0`, `part < parts`.
    init(rate: Double, spacing: Spacing, seed: UInt64, part: Int = 0, of parts: Int = 1) {
        precondition(rate > 0 && part < parts, "a plan has a rate, and a part is one of its parts")
        self.rate = rate / Double(parts)
        self.spacing = spacing
        first = Double(part) * 1e9 / rate
        interval = Double(parts) * 1e9 / rate
        random = SeededGenerator(seed: seed, stream: UInt64(part) << 8 | 1)
    }

    /// The next arrival; never before the one before it. O(1).
    mutating func next() -> UInt64 {
        switch spacing {
        case .constant:
            // Multiplied anew each time: a sum of rounded intervals would drift.
            defer { count += 1 }
            return UInt64(first + count * interval)
        case .poisson:
            elapsed -= log1p(-random.share()) * interval
            return UInt64(elapsed)
        }
    }
}
