import SamovarCore

/// When a connection is tried.
///
///              wanted                     it has served, then ended
///     idle ─────────────▶ trying ─────▶ connected ─────────────────▶ idle
///       ▲                    └── failed ──┴── ended without a reply ──┐
///       └────────────── the wait has passed ───── resting ◀───────────┘
///
/// A connection that ends before it has done more than to greet counts as a failed try: else a server that is about to
/// leave would be dialled without end.
struct Dialing: Hashable, Sendable {
    private enum Phase: Hashable {
        case idle
        case trying
        case connected
        case resting(until: Instant)
    }

    private var backoff: Backoff
    private var phase = Phase.idle

    init(waitMin: Duration, waitMax: Duration) { backoff = Backoff(waitMin: waitMin, waitMax: waitMax) }

    /// Somebody needs a connection: whether to try one now.
    mutating func wanted(at now: Instant) -> Bool {
        switch phase {
        case .trying, .connected: return false
        case .resting(let until): guard now >= until else { return false }
        case .idle: break
        }
        phase = .trying
        return true
    }

    mutating func connected() { phase = .connected }

    /// The try failed, or the connection takes no more requests.
    ///
    /// - Parameters:
    ///   - hasServed: whether anything came of it.
    ///   - jitter: a random number in 0..<1.
    mutating func ended(hasServed: Bool, jitter: Double, at now: Instant) {
        if hasServed {
            backoff.succeeded()
            phase = .idle
        } else {
            phase = .resting(until: now.advanced(by: backoff.failed(jitter: jitter)))
        }
    }

    /// When somebody who needs a connection should ask again.
    var wakeAt: Instant {
        if case .resting(let until) = phase { until } else { .never }
    }
}
