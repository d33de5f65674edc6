import SamovarCore

/// Which server is the primary, as sentinels tell, and when which sentinel is asked.
///
///     resting ──due──▶ asking a sentinel ──names one──▶ checking it ──is a primary──▶ resting
///                        ▲        │ silent, knows none     │ is none
///                        └────────┴──── the next one ◀─────┘        no one left: resting, longer each time
///
/// A sentinel's word is not enough: a server that has just been put down is still named for a while, so the one that is
/// named must say itself that it is a primary. Sentinels tell of a failover unasked; that this may get lost is why they
/// are asked every `askEvery` too. Their quorum is their own affair.
///
/// After Redis's "Sentinel client spec".
struct SentinelWatch: Sendable {
    static let askEvery = Duration.seconds(5)
    /// Rounds do not follow each other faster, whatever is heard.
    static let roundWaitMin = Duration.milliseconds(100)

    private enum Phase: Hashable, Sendable {
        case resting
        /// Position in `order`.
        case asking(Int)
        case checking(Int, Endpoint.Address)
    }

    /// Who answered well last comes first.
    private var order: [Int]
    private var phase = Phase.resting
    private var dueAt: Instant
    private var endedAt: Instant?
    private var backoff: Backoff
    /// Found to be no primaries in this round.
    private var refused: [Endpoint.Address] = []
    /// Another round is wanted, as something went wrong or was heard while this one was under way.
    private var isTroubledMeanwhile = false
    private var heardMeanwhile: Int?
    private(set) var primary: Endpoint.Address?

    init(
        sentinelCount: Int, at now: Instant,
        backoff: Backoff = Backoff(waitMin: .milliseconds(100), waitMax: .seconds(2))
    ) {
        precondition(sentinelCount > 0)
        order = Array(0..<sentinelCount)
        dueAt = now
        self.backoff = backoff
    }

    enum Step: Hashable, Sendable {
        case wait(until: Instant)
        /// Ask for the primary's address; `named` must follow.
        case ask(sentinel: Int)
        /// Ask this server whether it is a primary; `checked` must follow.
        case check(Endpoint.Address)
    }

    /// What is to be done now. O(1).
    mutating func step(at now: Instant) -> Step {
        switch phase {
        case .resting:
            guard now >= dueAt else { return .wait(until: dueAt) }
            phase = .asking(0)
            refused = []
            isTroubledMeanwhile = false
            return .ask(sentinel: order[0])
        case .asking(let position): return .ask(sentinel: order[position])
        case .checking(_, let address): return .check(address)
        }
    }

    /// The sentinel has answered, or has not: nil where it is silent or knows of no such primary.
    mutating func named(_ address: Endpoint.Address?, at now: Instant, jitter: Double) {
        guard case .asking(let position) = phase else { return }
        // Another sentinel that names the same dead server does not make it alive.
        guard let address, !refused.contains(address) else { return next(after: position, at: now, jitter: jitter) }
        phase = .checking(position, address)
    }

    /// The server that was named is a primary, or is not, or is silent. Returns the primary where it is a new one.
    ///
    /// - Parameter jitter: a random number in 0..<1.
    mutating func checked(isPrimary: Bool, at now: Instant, jitter: Double) -> Endpoint.Address? {
        guard case .checking(let position, let address) = phase else { return nil }
        guard isPrimary else {
            refused.append(address)
            next(after: position, at: now, jitter: jitter)
            return nil
        }
        moveToFront(order[position])
        backoff.succeeded()
        // Spread, so that many processes do not ask in step.
        let half = Self.askEvery / 2
        rest(for: half + .nanoseconds(Int64(Double(half.nanoseconds) * jitter)), at: now)
        defer { primary = address }
        return address == primary ? nil : address
    }

    /// A sentinel has said by itself that our primary is another one now: it is asked first, and at once.
    mutating func heard(from sentinel: Int, at now: Instant) {
        guard order.contains(sentinel) else { return }
        // Positions must not shift under a round.
        if phase == .resting { moveToFront(sentinel) } else { heardMeanwhile = sentinel }
        troubled(at: now)
    }

    /// The primary's connections fail, or it takes no writes: it may be another one by now.
    mutating func troubled(at now: Instant) {
        guard phase == .resting else {
            isTroubledMeanwhile = true
            return
        }
        dueAt = min(dueAt, max(now, endedAt.map { $0.advanced(by: Self.roundWaitMin) } ?? now))
    }

    private mutating func next(after position: Int, at now: Instant, jitter: Double) {
        guard position + 1 == order.count else {
            phase = .asking(position + 1)
            return
        }
        rest(for: max(Self.roundWaitMin, backoff.failed(jitter: jitter)), at: now)
    }

    private mutating func rest(for wait: Duration, at now: Instant) {
        phase = .resting
        endedAt = now
        dueAt = now.advanced(by: isTroubledMeanwhile ? Self.roundWaitMin : wait)
        if let heardMeanwhile { moveToFront(heardMeanwhile) }
        heardMeanwhile = nil
    }

    private mutating func moveToFront(_ sentinel: Int) {
        order.removeAll { $0 == sentinel }
        order.insert(sentinel, at: 0)
    }
}
