/// A point on the process's one monotonic time line, in nanoseconds since an arbitrary origin.
///
/// The only kind of point in time that a machine sees. It never goes back, goes on while the host is
/// suspended, and has nothing to do with the time of day. 292 years fit.
public struct Instant: InstantProtocol, Hashable, Sendable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    public static let zero = Instant(nanoseconds: 0)
    /// Later than every instant that will be reached: "no deadline".
    public static let never = Instant(nanoseconds: .max)

    /// The instant `duration` later. Saturates at `never`, and at the far past for a negative one.
    public func advanced(by duration: Duration) -> Instant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.nanoseconds)
        guard overflow else { return Instant(nanoseconds: sum) }
        return Instant(nanoseconds: duration < .zero ? .min : .max)
    }

    public func duration(to other: Instant) -> Duration {
        let (difference, overflow) = other.nanoseconds.subtractingReportingOverflow(nanoseconds)
        guard overflow else { return .nanoseconds(difference) }
        return .nanoseconds(other < self ? Int64.min : Int64.max)
    }

    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension Duration {
    /// This length in whole nanoseconds, saturating at what 64 bits hold (292 years).
    public var nanoseconds: Int64 {
        // Up to nine seconds, which spares a division of 128 bits.
        if let few = Int64(exactly: attoseconds) { return few / 1_000_000_000 }
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, carry) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        guard !carry else { return seconds < 0 ? .min : .max }
        return sum
    }

    /// This length in whole milliseconds, rounded toward zero.
    public var milliseconds: Int64 { nanoseconds / 1_000_000 }

    /// This length in seconds, for figures that people read; never for a decision.
    public var seconds: Double { Double(nanoseconds) / 1e9 }
}

/// A time of day as milliseconds since 1970 (UTC): what is written into values that outlive the process.
///
/// Clocks of pods differ and jump, so no deadline is ever judged by one alone.
public struct WallTime: Hashable, Comparable, Sendable {
    public var milliseconds: Int64

    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    public static func < (left: WallTime, right: WallTime) -> Bool {
        left.milliseconds < right.milliseconds
    }

    public func duration(to other: WallTime) -> Duration {
        let (difference, overflow) = other.milliseconds.subtractingReportingOverflow(milliseconds)
        return .milliseconds(overflow ? (other < self ? Int64.min : Int64.max) : difference)
    }
}
