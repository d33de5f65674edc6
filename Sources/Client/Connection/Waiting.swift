import SamovarCore

/// Who waits for a connection or for a place on one, first come, first served.
///
/// O(1) to enter and to leave at the front, O(waiting) to be given up or to expire.
struct Waiting<Ticket> {
    private struct Entry {
        let number: UInt64
        let ticket: Ticket
        let deadline: Instant
        let enteredAt: Instant
    }

    private let countMax: Int
    private let reachTimeout: Duration
    private var entries: [Entry] = []
    private var start = 0
    /// No deadline is before it.
    private var earliestDeadline = Instant.never

    init(countMax: Int, reachTimeout: Duration) {
        self.countMax = countMax
        self.reachTimeout = reachTimeout
    }

    var count: Int { entries.count - start }
    var isEmpty: Bool { count == 0 }

    /// False: as many wait as may.
    mutating func enter(_ number: UInt64, _ ticket: Ticket, deadline: Instant, at now: Instant) -> Bool {
        guard count < countMax else { return false }
        entries.append(Entry(number: number, ticket: ticket, deadline: deadline, enteredAt: now))
        earliestDeadline = min(earliestDeadline, deadline)
        return true
    }

    /// Whose turn it is.
    mutating func next() -> Ticket? {
        guard start < entries.count else { return nil }
        let ticket = entries[start].ticket
        start += 1
        // Half of it may be left behind, so that each is moved once at most.
        if start * 2 > entries.count { compact() }
        return ticket
    }

    /// Wants no more; nil where its turn has come already.
    mutating func leave(_ number: UInt64) -> Ticket? {
        guard let index = entries[start...].firstIndex(where: { $0.number == number }) else { return nil }
        return entries.remove(at: index).ticket
    }

    mutating func leaveAll() -> [Ticket] {
        defer {
            entries = []
            start = 0
            earliestDeadline = .never
        }
        return entries[start...].map(\.ticket)
    }

    enum Reason: Hashable {
        case deadline
        /// There has been no connection for as long as one waits for it.
        case unreachable
    }

    /// Who has waited too long.
    ///
    /// - Parameter lostAt: since when there is no connection; nil while there is one.
    mutating func expired(lostAt: Instant?, at now: Instant) -> [(ticket: Ticket, reason: Reason)] {
        guard wakeAt(lostAt: lostAt) <= now else { return [] }
        var expired: [(ticket: Ticket, reason: Reason)] = []
        var staying: [Entry] = []
        for entry in entries[start...] {
            if entry.deadline <= now {
                expired.append((entry.ticket, .deadline))
            } else if let lostAt, unreachable(entry, lostAt) <= now {
                expired.append((entry.ticket, .unreachable))
            } else {
                staying.append(entry)
            }
        }
        entries = staying
        start = 0
        earliestDeadline = staying.reduce(.never) { min($0, $1.deadline) }
        return expired
    }

    /// When the next may have waited too long.
    func wakeAt(lostAt: Instant?) -> Instant {
        guard let first = entries[start...].first else { return .never }
        // Who came first is also the first to have waited long enough.
        return lostAt.map { min(earliestDeadline, unreachable(first, $0)) } ?? earliestDeadline
    }

    private func unreachable(_ entry: Entry, _ lostAt: Instant) -> Instant {
        max(entry.enteredAt, lostAt).advanced(by: reachTimeout)
    }

    private mutating func compact() {
        entries.removeFirst(start)
        start = 0
        if entries.isEmpty { earliestDeadline = .never }
    }
}
