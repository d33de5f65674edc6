import SamovarCore

/// When a cluster is asked for its slot map.
///
/// Every `every`, and sooner when something looks wrong: but only one asks at a time, however many found it wrong, and
/// not within `waitMin` of the time before. Where no node gives a usable map, the wait grows with each round.
struct MapRefresh: Sendable {
    static let every = Duration.seconds(10)
    static let waitMin = Duration.milliseconds(250)

    private var dueAt: Instant
    private var endedAt: Instant?
    private var isUnderWay = false
    private var backoff: Backoff

    init(at now: Instant, backoff: Backoff = Backoff()) {
        dueAt = now
        self.backoff = backoff
    }

    /// The map seems wrong: a command was sent on, or a primary is gone. Idempotent. O(1).
    mutating func wanted(at now: Instant) {
        dueAt = min(dueAt, max(now, endedAt.map { $0.advanced(by: Self.waitMin) } ?? now))
    }

    enum Turn: Hashable, Sendable {
        /// Ask; `ended` must follow.
        case ask
        case wait(until: Instant)
    }

    mutating func turn(at now: Instant) -> Turn {
        precondition(!isUnderWay, "one at a time")
        guard now >= dueAt else { return .wait(until: dueAt) }
        isUnderWay = true
        dueAt = .never
        return .ask
    }

    /// A round is over.
    ///
    /// - Parameters:
    ///   - hasMap: some node gave a usable one.
    ///   - jitter: a random number in 0..<1.
    mutating func ended(hasMap: Bool, at now: Instant, jitter: Double) {
        precondition(isUnderWay)
        isUnderWay = false
        endedAt = now
        // Wanted while it was under way: what was found wrong may be newer than the map.
        let isWanted = dueAt != .never
        let wait: Duration
        if hasMap {
            backoff.succeeded()
            wait =
                isWanted
                ? Self.waitMin : Self.every / 2 + .nanoseconds(Int64(Double((Self.every / 2).nanoseconds) * jitter))
        } else {
            wait = max(Self.waitMin, backoff.failed(jitter: jitter))
        }
        dueAt = now.advanced(by: wait)
    }
}
