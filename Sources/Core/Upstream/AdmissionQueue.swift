/// Flights that wait before one upstream, and who of them goes next.
///
///     class        interactive before batch before prewarm, always
///     tenant       those who have had no more than their share before all others (`FairShare`)
///     flight       the earliest deadline; of those within a tenth of a second the one for which most callers wait
///
/// What may not go now (its model's or its tenant's limit is reached) is skipped, not waited for. The queue is bounded:
/// where it is full, the least urgent class gives way, in it the tenant with the most flights, of those the flight with
/// the latest deadline (longest queue drop: Suter, Lakshman, Stiliadis, Choudhury, "Buffer management schemes for
/// supporting TCP in gigabit routers with per-flow queueing", IEEE JSAC 17(6), 1999).
public struct AdmissionQueue: Sendable {
    /// A flight as it is known in queues. Later ones have greater numbers.
    public struct Ticket: Hashable, Comparable, Sendable {
        public let number: Int

        public init(number: Int) {
            self.number = number
        }

        public static func < (left: Ticket, right: Ticket) -> Bool { left.number < right.number }
    }

    /// What of a flight decides when it goes.
    public struct Place: Sendable {
        public var ticket: Ticket
        public var requestClass: RequestClass
        public var tenant: Tenant
        public var model: String
        public var deadline: Instant
        /// How many callers wait for it.
        public var callerCount: Int
        /// How much is granted with it: see `WorkEstimate`.
        public var work: Int

        public init(
            ticket: Ticket, requestClass: RequestClass = .interactive, tenant: Tenant, model: String,
            deadline: Instant, callerCount: Int = 1, work: Int = 1
        ) {
            self.ticket = ticket
            self.requestClass = requestClass
            self.tenant = tenant
            self.model = model
            self.deadline = deadline
            self.callerCount = callerCount
            self.work = work
        }
    }

    /// Orders that are wrong on purpose, so that a check can show that it would notice.
    package enum SeededOrder: Sendable {
        /// Tenants have no shares.
        case anyTenant
        /// The latest deadline goes first.
        case lastFirst
        /// The one for which most callers wait goes first.
        case mostWantedFirst
    }

    /// Of how many flights it is made: `queue_max`.
    public var countMax: Int
    private let seeded: SeededOrder?
    private var places: [Ticket: Place] = [:]
    private var classes = RequestClass.allCases.map { _ in ClassQueue() }

    public init(countMax: Int) {
        self.init(countMax: countMax, seeded: nil)
    }

    package init(countMax: Int, seeded: SeededOrder?) {
        self.countMax = countMax
        self.seeded = seeded
    }

    public var count: Int { places.count }
    public var isEmpty: Bool { places.isEmpty }
    public func count(of requestClass: RequestClass) -> Int { classes[requestClass.rank].count }
    public func contains(_ ticket: Ticket) -> Bool { places[ticket] != nil }

    /// Whether a flight waits that asks another model.
    public func hasOther(than model: String) -> Bool { classes.contains { $0.countByModel.hasOther(than: model) } }

    // MARK: Coming and going

    public enum EnterAction: Hashable, Sendable {
        case entered
        /// It has entered, and this one had to leave for it.
        case displaced(Ticket)
        /// All that wait rank above it.
        case full
    }

    /// A flight wants to wait. O(log n), O(tenants) where the queue is full.
    ///
    /// - Precondition: it does not wait yet.
    public mutating func enter(_ place: Place) -> EnterAction {
        precondition(places[place.ticket] == nil, "a flight waits once before an upstream")
        guard places.count >= countMax else {
            insert(place)
            return .entered
        }
        guard let victim = victim(for: place) else { return .full }
        leave(victim)
        insert(place)
        return .displaced(victim)
    }

    private mutating func insert(_ place: Place) {
        places[place.ticket] = place
        classes[place.requestClass.rank].insert(place, Rank(place, seeded))
    }

    /// Who leaves for it; nil where it is the newcomer who does not come in.
    private func victim(for place: Place) -> Ticket? {
        guard let least = RequestClass.allCases.last(where: { !classes[$0.rank].isEmpty }), least >= place.requestClass
        else { return nil }
        let queue = classes[least.rank]
        guard let longest = queue.longest else { return nil }
        if least > place.requestClass { return longest.worst.ticket }
        let own = queue.count(of: place.tenant) + 1
        if longest.tenant != place.tenant, own < longest.count { return longest.worst.ticket }
        // Among its own, and among those who have as many, the later deadline gives way.
        guard longest.tenant == place.tenant || own == longest.count else { return nil }
        return Rank(place, seeded) < longest.worst ? longest.worst.ticket : nil
    }

    /// It waits no more. Idempotent. O(log n).
    public mutating func leave(_ ticket: Ticket) {
        guard let place = places.removeValue(forKey: ticket) else { return }
        classes[place.requestClass.rank].remove(place)
    }

    /// Nobody waits here any more. Returns who did, in the order in which they came. O(n log n).
    public mutating func removeAll() -> [Ticket] {
        let all = places.keys.sorted()
        for ticket in all { leave(ticket) }
        return all
    }

    /// Others wait for it too: what it is worth has changed. O(log n).
    public mutating func update(_ place: Place) {
        guard places[place.ticket] != nil else { return }
        leave(place.ticket)
        insert(place)
    }

    // MARK: Whose turn it is

    /// Who goes next, of those who may; it still waits. O(tenants x models that wait).
    public func next(where mayGo: (Tenant, _ model: String) -> Bool) -> Ticket? {
        for queue in classes {
            if let ticket = queue.next(ignoringShares: seeded != nil, where: mayGo) { return ticket }
        }
        return nil
    }

    /// It goes: it leaves, and its tenant has had so much of its share. O(log n).
    public mutating func goes(_ ticket: Ticket) {
        guard let place = places.removeValue(forKey: ticket) else { return }
        classes[place.requestClass.rank].grant(place)
    }

    /// How many go before a flight that would come now, as far as shares tell: all that are more urgent, and of each
    /// tenant at most as many as its own tenant then has. O(tenants).
    public func aheadCount(of tenant: Tenant, _ requestClass: RequestClass) -> Int {
        let before = classes[..<requestClass.rank].reduce(0) { $0 + $1.count }
        return before + classes[requestClass.rank].aheadCount(of: tenant)
    }
}

extension AdmissionQueue {
    /// The less, the sooner.
    struct Rank: Comparable, Sendable {
        /// Deadlines within a tenth of a second are one.
        let tick: Int64
        let unwanted: Int
        let ticket: Ticket

        init(_ place: Place, _ seeded: SeededOrder?) {
            let tick = place.deadline.nanoseconds / 100_000_000
            switch seeded {
            case .lastFirst: self.tick = -place.deadline.nanoseconds
            case .mostWantedFirst: self.tick = 0
            case .anyTenant, nil: self.tick = tick
            }
            unwanted = -place.callerCount
            ticket = place.ticket
        }

        static func < (left: Rank, right: Rank) -> Bool {
            (left.tick, left.unwanted, left.ticket.number) < (right.tick, right.unwanted, right.ticket.number)
        }
    }

    /// The same, the other way round.
    struct WorstFirst: Comparable, Sendable {
        let rank: Rank

        static func < (left: WorstFirst, right: WorstFirst) -> Bool { right.rank < left.rank }
    }
}
