/// Which flight goes to which upstream, and when: the one place where everything that limits misses comes together.
///
///     submit ──▶ granted ──▶ attempt ──▶ ended ──▶ over, or submit again
///        │          ▲
///        ├─▶ waits ─┴─ no room in time, nobody waits any more, breaker opens ─▶ refused
///        └─▶ refused: too many wait, cannot be answered in time, breaker open
///
/// A flight that cannot go at once stands in the queues of all upstreams that may answer it; the first that has room
/// takes it. Composed of `AdmissionQueue`, `Pace`, `ConcurrencyLimit`, `Bulkhead`, `Breaker`, `SlowStart` (`UpstreamGate`,
/// one for each upstream), `Balancer`, `Ejection`, `RetryBudget` and `WorkEstimate`.
///
/// **Driving it.** One for the process, under a lock. Every event returns `Moves`: unlock, tell those who were granted and
/// refused, and see to it that `look` is called at `lookAgainAt`, which may have moved after any event.
public struct Dispatcher: Sendable {
    public typealias Ticket = AdmissionQueue.Ticket

    /// What became of those who wait.
    public struct Moves: Sendable {
        public var granted: [(ticket: Ticket, permit: Permit)] = []
        public var refused: [(ticket: Ticket, rejection: Rejection)] = []
        /// When to `look`, if nothing happens before.
        public var lookAgainAt = Instant.never
    }

    /// A flight that has not gone yet.
    struct Waiting: Sendable {
        var asking: Asking
        /// Places of the upstreams that may answer it, in the order of the route.
        var gates: [Int]
        var tokens: WorkEstimate.Tokens
        /// It stands in no queue before.
        var notBefore: Instant

        var credential: Tenant? { asking.bringsCredential ? asking.tenant : nil }
    }

    /// An attempt that has a permit.
    struct UnderWay: Sendable {
        let gate: Int
        let model: String
        let tenant: Tenant
        let credential: Tenant?
        /// Expected tokens, for balance and shares.
        let work: Int
        /// Reserved tokens, for the token budgets.
        let tokens: Int
        let startedAt: Instant
        /// Whether there is anybody else to ask.
        let hasOthers: Bool
        /// Of the flight: no second attempt after it.
        let deadline: Instant
        var sending: Pace.Sending?
        /// How many were under way there, this one included.
        var inflight = 0
        /// What its beginning has shown was taken in already.
        var hasBegun = false
        var hasShownToken = false
        var isProbe = false
        var isCredentialProbe = false
    }

    /// When something that waits is due.
    struct Due: Comparable, Sendable {
        let at: Instant
        let ticket: Ticket

        static func < (left: Due, right: Due) -> Bool {
            (left.at.nanoseconds, left.ticket.number) < (right.at.nanoseconds, right.ticket.number)
        }
    }

    var settings: AdmissionSettings
    var gates: [UpstreamGate]
    private var gateByName: [String: Int] = [:]
    var waiting: [Ticket: Waiting] = [:]
    /// Nobody waits any longer than that.
    var expiries = IndexedHeap<Ticket, Due>()
    /// Second attempts that are not due yet.
    var delayed = IndexedHeap<Ticket, Due>()
    var underWay: [Int: UnderWay] = [:]
    var tenants: TenantPaces
    var balancer = Balancer()
    var ejection: Ejection
    var retryBudget: RetryBudget
    var estimate = WorkEstimate()
    private var ticketNumber = 0
    private var permitNumber = 0

    public init(_ upstreams: [UpstreamLimits], settings: AdmissionSettings = AdmissionSettings(), at now: Instant) {
        self.init(upstreams, settings: settings, order: nil, at: now)
    }

    package init(
        _ upstreams: [UpstreamLimits], settings: AdmissionSettings, order: AdmissionQueue.SeededOrder?, at now: Instant
    ) {
        self.settings = settings
        gates = upstreams.map { UpstreamGate($0, settings, order: order, at: now) }
        for (index, upstream) in upstreams.enumerated() { gateByName[upstream.name] = index }
        tenants = TenantPaces(settings.tenant)
        ejection = Ejection()
        retryBudget = RetryBudget(.init(ratio: settings.retryRatio))
    }

    /// Takes other settings for the upstreams that there are; what was learned and who waits stay.
    public mutating func configure(_ upstreams: [UpstreamLimits], settings: AdmissionSettings, at now: Instant) -> Moves
    {
        self.settings = settings
        for limits in upstreams {
            if let index = gateByName[limits.name] { gates[index].configure(limits, settings, at: now) }
        }
        tenants.configure(settings.tenant, at: now)
        retryBudget.configure(.init(ratio: settings.retryRatio))
        return look(at: now, jitter: 0.5)
    }

    // MARK: Events

    /// A flight wants to go upstream. Its own ticket is among those granted or refused, or it waits. O(log n), and what
    /// `look` costs.
    ///
    /// - Parameter jitter: a random number in 0..<1, as everywhere here.
    public mutating func submit(_ asking: Asking, at now: Instant, jitter: Double) -> (ticket: Ticket, moves: Moves) {
        ticketNumber += 1
        let ticket = Ticket(number: ticketNumber)
        var moves = Moves()
        advance(&moves, at: now, jitter: jitter)
        admit(ticket, waiting(for: asking), &moves, at: now, jitter: jitter)
        moves.lookAgainAt = lookAgainAt(now)
        return (ticket, moves)
    }

    /// Time has passed. O(those that are due, and the tenants and models that wait).
    public mutating func look(at now: Instant, jitter: Double) -> Moves {
        var moves = Moves()
        advance(&moves, at: now, jitter: jitter)
        moves.lookAgainAt = lookAgainAt(now)
        return moves
    }

    /// Nobody waits for it any more. Idempotent. O(log n).
    public mutating func leave(_ ticket: Ticket) { forget(ticket) }

    /// Another caller waits for it now, with a class and deadlines of its own. O(log n).
    public mutating func joined(
        _ ticket: Ticket, _ requestClass: RequestClass, callerCount: Int, until deadline: Instant, at now: Instant
    ) {
        guard var one = waiting[ticket] else { return }
        one.asking.callerCount = callerCount
        one.asking.requestClass = min(one.asking.requestClass, requestClass)
        one.asking.deadline = min(one.asking.deadline, deadline)
        one.asking.latestDeadline = max(one.asking.latestDeadline, deadline)
        waiting[ticket] = one
        expiries.update(ticket, Due(at: lastStart(of: one, at: now), ticket: ticket))
        for gate in one.gates where gates[gate].queue.contains(ticket) {
            gates[gate].queue.update(place(of: ticket, one))
        }
    }

    public func isWaiting(_ ticket: Ticket) -> Bool { waiting[ticket] != nil }

    // MARK: Parts

    private func waiting(for asking: Asking) -> Waiting {
        var known = asking.upstreams.compactMap { gateByName[$0] }
        var notBefore = Instant.zero
        if let again = asking.again, let failed = gateByName[again.upstream] {
            // Another one is preferred; the one that failed only where there is no other.
            let others = known.filter { $0 != failed }
            if others.isEmpty {
                notBefore = again.plan.hereNotBefore ?? .never
            } else {
                known = others
                notBefore = again.plan.elsewhereNotBefore
            }
        }
        let tokens = estimate.tokens(
            model: asking.model, bodySize: asking.bodySize, outputTokensMax: asking.outputTokensMax)
        return Waiting(asking: asking, gates: known, tokens: tokens, notBefore: notBefore)
    }

    func place(of ticket: Ticket, _ one: Waiting) -> AdmissionQueue.Place {
        AdmissionQueue.Place(
            ticket: ticket, requestClass: one.asking.requestClass, tenant: one.asking.tenant, model: one.asking.model,
            deadline: one.asking.deadline, callerCount: one.asking.callerCount, work: one.tokens.expected)
    }

    /// It waits nowhere any more.
    @discardableResult
    mutating func forget(_ ticket: Ticket) -> Waiting? {
        guard let one = waiting.removeValue(forKey: ticket) else { return nil }
        expiries.remove(ticket)
        delayed.remove(ticket)
        for gate in one.gates { gates[gate].queue.leave(ticket) }
        return one
    }

    mutating func nextPermitNumber() -> Int {
        permitNumber += 1
        return permitNumber
    }
}
