/// Arrivals that are due and wait for a connection that is free, oldest first; they wait on the plan's time.
///
/// Bounded: what falls due while `waitingMax` wait is dropped, and said so.
struct ArrivalQueue: Sendable {
    private var plan: ArrivalPlan
    /// No arrival is planned from here on.
    private let endsAt: UInt64
    private let startsAt: UInt64
    /// A ring of the planned instants.
    private var ring: [UInt64]
    private var head = 0
    private(set) var waitingCount = 0
    /// When the next one falls due; nil after the last.
    private(set) var nextAt: UInt64?

    /// - Parameters:
    ///   - startsAt: where the plan's time begins; instants in nanoseconds.
    ///   - endsAt: what would fall due then or later is not planned.
    init(_ plan: ArrivalPlan, from startsAt: UInt64, until endsAt: UInt64, waitingMax: Int) {
        self.plan = plan
        self.startsAt = startsAt
        self.endsAt = endsAt
        ring = [UInt64](repeating: 0, count: max(1, waitingMax))
        planNext()
    }

    /// Lets fall due what is planned until now. O(arrivals since the last call).
    ///
    /// - Parameter dropped: called with the instant of each for which there is no room.
    mutating func advance(to now: UInt64, dropped: (UInt64) -> Void) {
        while let due = nextAt, due <= now {
            if waitingCount < ring.count {
                ring[(head + waitingCount) % ring.count] = due
                waitingCount += 1
            } else {
                dropped(due)
            }
            planNext()
        }
    }

    /// The one that waits longest.
    mutating func take() -> UInt64? {
        guard waitingCount > 0 else { return nil }
        defer {
            head = (head + 1) % ring.count
            waitingCount -= 1
        }
        return ring[head]
    }

    private mutating func planNext() {
        let (at, overflow) = startsAt.addingReportingOverflow(plan.next())
        nextAt = overflow || at >= endsAt ? nil : at
    }
}
