import NIOCore

/// How fast the provider may be asked: `burst` calls at once, then so many a second.
///
/// The generic cell rate algorithm (ITU-T I.371, "virtual scheduling"): the whole state is one instant, the time
/// at which the bucket would be full again.
struct Bucket: Sendable {
    enum Verdict: Equatable {
        /// How many more would be granted at once.
        case granted(remaining: Int)
        case denied(retryAfter: TimeAmount)
    }

    /// At most an hour, so that no sum of intervals overflows.
    private let interval: TimeAmount
    private let burst: Int
    private var fullAt: NIODeadline = .uptimeNanoseconds(0)

    /// - Parameter burst: nil for one second's worth, at least one.
    init(perSecond: Double, burst: Int?) {
        interval = .nanoseconds(Int64(min(1e9 / perSecond, 3.6e12).rounded()))
        self.burst = burst ?? max(1, Int(perSecond.rounded(.up)))
    }

    mutating func take(at now: NIODeadline) -> Verdict {
        let fullAfterThis = max(fullAt, now) + interval
        let latest = now + interval * burst
        guard fullAfterThis <= latest else { return .denied(retryAfter: fullAfterThis - latest) }
        fullAt = fullAfterThis
        return .granted(remaining: Int((latest - fullAfterThis).nanoseconds / interval.nanoseconds))
    }
}
