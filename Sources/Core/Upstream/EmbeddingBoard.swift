/// Which embeddings are asked for together, and when.
///
/// An input goes alone while its upstream has room. Otherwise it gathers with others of its kin until there is room, the
/// batch is full, or the window of the first of them has passed. Order is defined everywhere: the batch that has
/// gathered longest goes first, and members are in the order of joining.
public struct EmbeddingBoard: Sendable {
    /// What is the same for all inputs of one call. Whoever differs in any of it is never in one call with it.
    public struct Kin: Hashable, Sendable {
        /// With its upstreams and its limits.
        public let route: Route
        public let tenant: Tenant
        /// Whose right to ask it is.
        public let authorization: Secret?
        /// What is sent upstream beside the body.
        public let headers: KeyedHeaders
        /// Every member of the body but `input`.
        public let rest: BodyDigest

        public init(
            route: Route, tenant: Tenant, authorization: Secret?, headers: KeyedHeaders, rest: BodyDigest
        ) {
            self.route = route
            self.tenant = tenant
            self.authorization = authorization
            self.headers = headers
            self.rest = rest
        }
    }

    /// One batch, from its first member until its call is over.
    public struct Ticket: Hashable, Comparable, Sendable {
        /// In the order in which they began to gather.
        public let number: Int

        public static func < (left: Ticket, right: Ticket) -> Bool { left.number < right.number }
    }

    private struct Entry {
        let kin: Kin
        let goesAt: Instant
        var batch: EmbeddingBatch
    }

    /// `body_size_max`: of a call's body, in bytes.
    public var bodySizeMax: Int
    private var entries: [Ticket: Entry] = [:]
    private var tickets: [EmbeddingBatch.Member: Ticket] = [:]
    /// The one of its kin that can be joined. All that gather are here.
    private var open: [Kin: Ticket] = [:]
    /// How many were called and have not gone yet, by who may answer them.
    private var calledCounts: [[String]: Int] = [:]
    private var nextNumber = 0

    public init(bodySizeMax: Int = 8 << 20) {
        self.bodySizeMax = bodySizeMax
    }

    /// Whether nothing is left of anybody.
    public var isEmpty: Bool { entries.isEmpty && tickets.isEmpty && open.isEmpty && calledCounts.isEmpty }
    /// Those that gather, the oldest first. O(batches log batches).
    public var gathering: [Ticket] { open.values.sorted() }
    /// When the next window has passed; `never` where nobody gathers. O(batches).
    public var next: Instant { open.values.compactMap { entries[$0]?.goesAt }.min() ?? .never }

    /// Who is in it, in the order of the inputs.
    public func members(of ticket: Ticket) -> [EmbeddingBatch.Member] { entries[ticket]?.batch.members ?? [] }

    /// How many were called and have not gone yet, of those that these upstreams may answer. O(1).
    public func calledCount(of upstreams: [String]) -> Int { calledCounts[upstreams, default: 0] }

    public struct SubmitAction: Hashable, Sendable {
        /// Where it waits; nil: it goes alone, at once.
        public let member: EmbeddingBatch.Member?
        /// Which go now. One of them may be its own.
        public let called: [Ticket]
    }

    /// Another input is asked for. O(1) but for the hash of its kin.
    ///
    /// - Parameters:
    ///   - limits: of its route.
    ///   - hasRoom: whether its upstream would take a call at once.
    public mutating func submit(
        _ size: EmbeddingBatch.Size, of kin: Kin, limits: EmbeddingBatch.Limits, hasRoom: Bool, at now: Instant
    ) -> SubmitAction {
        if hasRoom, open[kin] == nil { return SubmitAction(member: nil, called: []) }
        nextNumber += 1
        let member = EmbeddingBatch.Member(number: nextNumber)
        var called: [Ticket] = []
        if let ticket = open[kin], entries[ticket]?.batch.join(member, size) == true {
            tickets[member] = ticket
            if hasRoom || entries[ticket]?.batch.isFull == true { call(ticket, &called) }
            return SubmitAction(member: member, called: called)
        }
        // There is no room for this one beside the others: they go, and it begins anew.
        if let ticket = open[kin] { call(ticket, &called) }
        let ticket = begin(member, size, kin, limits, at: now)
        if entries[ticket]?.batch.isFull == true { call(ticket, &called) }
        return SubmitAction(member: member, called: called)
    }

    private mutating func begin(
        _ member: EmbeddingBatch.Member, _ size: EmbeddingBatch.Size, _ kin: Kin, _ limits: EmbeddingBatch.Limits,
        at now: Instant
    ) -> Ticket {
        var batch = EmbeddingBatch(limits, bodySizeMax: bodySizeMax)
        _ = batch.join(member, size)
        let ticket = Ticket(number: nextNumber)
        entries[ticket] = Entry(kin: kin, goesAt: now.advanced(by: limits.window), batch: batch)
        tickets[member] = ticket
        open[kin] = ticket
        return ticket
    }

    /// Calls those whose window has passed, the oldest first.
    public mutating func tick(at now: Instant) -> [Ticket] {
        var called: [Ticket] = []
        for ticket in gathering where entries[ticket].map({ $0.goesAt <= now }) == true { call(ticket, &called) }
        return called
    }

    /// There is room for this one. False: it gathers no more.
    public mutating func call(_ ticket: Ticket) -> Bool {
        var called: [Ticket] = []
        call(ticket, &called)
        return !called.isEmpty
    }

    private mutating func call(_ ticket: Ticket, _ called: inout [Ticket]) {
        guard let kin = entries[ticket]?.kin, open[kin] == ticket else { return }
        open[kin] = nil
        entries[ticket]?.batch.call()
        calledCounts[kin.route.upstreams, default: 0] += 1
        called.append(ticket)
    }

    /// Its call is made now, for these. Empty: all of them have left, and it is over.
    public mutating func go(_ ticket: Ticket) -> [EmbeddingBatch.Member] {
        uncount(ticket)
        return entries[ticket]?.batch.go() ?? []
    }

    /// It was called, and waits for its call no longer.
    private mutating func uncount(_ ticket: Ticket) {
        guard let entry = entries[ticket], entry.batch.isCalled else { return }
        let upstreams = entry.kin.route.upstreams
        let count = calledCounts[upstreams, default: 1] - 1
        calledCounts[upstreams] = count > 0 ? count : nil
    }

    /// Nobody waits for this one any more. Returns the batch that is over with it, whose call is to be given up if it
    /// was made. Idempotent.
    public mutating func leave(_ member: EmbeddingBatch.Member) -> Ticket? {
        guard let ticket = tickets.removeValue(forKey: member), entries[ticket]?.batch.leave(member) == .over else {
            return nil
        }
        end(ticket)
        return ticket
    }

    /// The upstream has refused a call because of one input. Nil: because of none that is there.
    public mutating func refuse(at index: Int, of ticket: Ticket) -> EmbeddingBatch.RefuseAction? {
        guard let action = entries[ticket]?.batch.refuse(at: index) else { return nil }
        tickets[action.refused] = nil
        return action
    }

    /// Its call is over, however it ended. Idempotent.
    public mutating func end(_ ticket: Ticket) {
        uncount(ticket)
        guard let entry = entries.removeValue(forKey: ticket) else { return }
        if open[entry.kin] == ticket { open[entry.kin] = nil }
        for member in entry.batch.members { tickets[member] = nil }
    }
}
