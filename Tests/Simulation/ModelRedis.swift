import SamovarCore

/// Redis as far as leases go: one step a command, its own clock, and a memory that can be lost.
///
/// The commands are those of the scripts: what they check, what they write, and in which order.
struct ModelRedis {
    /// An answer as it is stored: sealed with what it is for.
    struct Value {
        let key: Int
        /// The flight whose attempt made it.
        let maker: Int
        let count: Int
        let generation: Int
    }

    struct Lease {
        let attempt: AttemptID
        var heartbeat: UInt64
        let pod: PodID
        var sight: LeaseSight { LeaseSight(attempt: attempt, heartbeat: heartbeat, pod: pod) }
    }

    /// An entry of a stream, sealed with what it is for.
    struct Sealed {
        let number: Int
        let attempt: AttemptID
        let generation: Int
        let entry: PublishedEntry
    }

    struct Stream {
        let name: AttemptID
        var entries: [Sealed] = []
        var interest: [(pod: PodID, until: Int64)] = []
    }

    struct Cell {
        var value: Value?
        var valueUntil: Int64 = 0
        var staleLife: Int64 = 0
        var lease: Lease?
        var leaseUntil: Int64 = 0
        var takeovers = 0
        var takeoversUntil: Int64 = 0
        var streams: [Stream] = []
        /// What a purge leaves behind: that there was one, and whose lease it took.
        var isPurged = false
        var purgedAttempts: [AttemptID] = []
        /// When the lease was last taken or renewed, by true time: for the judge.
        var beatAt: Int64 = 0
    }

    enum Reply {
        case hit(Value)
        case leads(LeaseSight)
        case follows(LeaseSight)
        case poisoned
        case renewed(isFollowed: Bool)
        case lost
        case done
        case read(entries: [Sealed], last: Int)
        case sight(LeaseSight?)
    }

    static let leaseLife = milliseconds(10_000)
    static let takeoverLife = milliseconds(600_000)
    static let interestLife = milliseconds(15_000)
    static let takeoversMax = 3

    var cells: [Cell]
    /// How far its clock is from true time.
    var clockOffset: Int64 = 0
    var streamEntryMax = 4_096
    /// Entries are numbered by time in Redis: those of a stream that was lost and made anew go on.
    var nextNumber = 1
    let bug: SimulatedBug?

    init(keyCount: Int, bug: SimulatedBug?) {
        cells = Array(repeating: Cell(), count: keyCount)
        self.bug = bug
    }

    // MARK: Scripts

    mutating func acquire(
        _ key: Int, _ attempt: AttemptID, _ pod: PodID, needed: Int64?, at time: Int64
    ) -> Reply {
        expire(key, at: time)
        if let hit = good(key, needed: needed, at: time) { return hit }
        if let lease = cells[key].lease { return other(key, lease, attempt, at: time) }
        if cells[key].takeovers > Self.takeoversMax { return .poisoned }
        return take(key, attempt, pod, at: time)
    }

    mutating func steal(
        _ key: Int, seen: LeaseSight, _ attempt: AttemptID, _ pod: PodID, needed: Int64?, at time: Int64
    ) -> Reply {
        expire(key, at: time)
        if let hit = good(key, needed: needed, at: time) { return hit }
        if let lease = cells[key].lease, lease.attempt != seen.attempt || lease.heartbeat != seen.heartbeat {
            return other(key, lease, attempt, at: time)
        }
        if cells[key].takeovers == 0 { cells[key].takeoversUntil = time + clockOffset + Self.takeoverLife }
        if bug != .uncountedTakeovers { cells[key].takeovers += 1 }
        if cells[key].takeovers > Self.takeoversMax { return .poisoned }
        return take(key, attempt, pod, at: time)
    }

    mutating func renew(_ key: Int, _ attempt: AttemptID, at time: Int64) -> Reply {
        expire(key, at: time)
        guard let lease = cells[key].lease, lease.attempt == attempt || bug == .uncheckedRenew else { return .lost }
        cells[key].lease?.heartbeat += 1
        cells[key].leaseUntil = time + clockOffset + Self.leaseLife
        cells[key].beatAt = time
        let interest = stream(key, attempt).map { cells[key].streams[$0].interest } ?? []
        return .renewed(isFollowed: interest.contains { $0.until > time + clockOffset })
    }

    mutating func commit(
        _ key: Int, _ attempt: AttemptID, _ value: Value?, life: Int64, staleLife: Int64, end: Sealed?, at time: Int64
    ) -> Reply {
        expire(key, at: time)
        guard cells[key].lease?.attempt == attempt || bug == .uncheckedCommit else { return .lost }
        if let value {
            cells[key].value = value
            cells[key].valueUntil = time + clockOffset + life
            cells[key].staleLife = staleLife
        }
        cells[key].lease = nil
        if let end { append(key, attempt, [end]) }
        return .done
    }

    mutating func abort(_ key: Int, _ attempt: AttemptID, _ entry: Sealed?, at time: Int64) -> Reply {
        expire(key, at: time)
        if let entry { append(key, attempt, [entry]) }
        if cells[key].lease?.attempt == attempt || bug == .uncheckedRenew { cells[key].lease = nil }
        return .done
    }

    /// An answer that was made without a lease.
    mutating func set(_ key: Int, _ value: Value, life: Int64, staleLife: Int64, at time: Int64) -> Reply {
        if cells[key].isPurged, bug != .tracelessPurge { return .done }
        cells[key].value = value
        cells[key].valueUntil = time + clockOffset + life
        cells[key].staleLife = staleLife
        return .done
    }

    mutating func purge(_ key: Int) -> Reply {
        cells[key].value = nil
        cells[key].isPurged = true
        if let lease = cells[key].lease { cells[key].purgedAttempts.append(lease.attempt) }
        cells[key].lease = nil
        return .done
    }

    mutating func append(_ key: Int, _ attempt: AttemptID, _ entries: [Sealed]) {
        let place = stream(key, attempt) ?? create(key, attempt)
        for entry in entries {
            cells[key].streams[place].entries.append(
                Sealed(number: nextNumber, attempt: entry.attempt, generation: entry.generation, entry: entry.entry))
            nextNumber += 1
        }
        let excess = cells[key].streams[place].entries.count - streamEntryMax
        if excess > 0 { cells[key].streams[place].entries.removeFirst(excess) }
    }

    mutating func follow(_ key: Int, _ attempt: AttemptID, _ pod: PodID, at time: Int64) {
        let place = stream(key, attempt) ?? create(key, attempt)
        cells[key].streams[place].interest.removeAll { $0.pod == pod || $0.until <= time + clockOffset }
        cells[key].streams[place].interest.append((pod, time + clockOffset + Self.interestLife))
    }

    func read(_ key: Int, _ attempt: AttemptID, after last: Int) -> Reply {
        guard let place = stream(key, attempt) else { return .read(entries: [], last: last) }
        let entries = cells[key].streams[place].entries.filter { $0.number > last }
        return .read(entries: entries, last: entries.last?.number ?? last)
    }

    mutating func sight(_ key: Int, at time: Int64) -> Reply {
        expire(key, at: time)
        return .sight(cells[key].lease?.sight)
    }

    // MARK: Pieces

    private func good(_ key: Int, needed: Int64?, at time: Int64) -> Reply? {
        guard let needed, let value = cells[key].value else { return nil }
        let left = cells[key].valueUntil - (time + clockOffset)
        return left > cells[key].staleLife + needed ? .hit(value) : nil
    }

    private mutating func other(_ key: Int, _ lease: Lease, _ attempt: AttemptID, at time: Int64) -> Reply {
        guard lease.attempt == attempt else { return .follows(lease.sight) }
        cells[key].leaseUntil = time + clockOffset + Self.leaseLife
        return .leads(lease.sight)
    }

    private mutating func take(_ key: Int, _ attempt: AttemptID, _ pod: PodID, at time: Int64) -> Reply {
        // Its lease was purged: this question is late, and what it brings is older than the purge.
        if bug != .tracelessPurge, cells[key].purgedAttempts.contains(attempt) { return .lost }
        // Whoever has published has called, and asked for the lease before: this question is late.
        if bug != .takesTwice, bug != .sharedStream, let place = stream(key, attempt),
            !cells[key].streams[place].entries.isEmpty
        {
            return .lost
        }
        let lease = Lease(attempt: attempt, heartbeat: 0, pod: pod)
        cells[key].lease = lease
        cells[key].leaseUntil = time + clockOffset + Self.leaseLife
        cells[key].beatAt = time
        return .leads(lease.sight)
    }

    /// What Redis's own clock says has expired.
    mutating func expire(_ key: Int, at time: Int64) {
        let now = time + clockOffset
        if cells[key].value != nil, cells[key].valueUntil <= now { cells[key].value = nil }
        if cells[key].lease != nil, cells[key].leaseUntil <= now { cells[key].lease = nil }
        if cells[key].takeovers > 0, cells[key].takeoversUntil <= now { cells[key].takeovers = 0 }
    }

    private func streamName(of attempt: AttemptID) -> AttemptID {
        bug == .sharedStream ? AttemptID(high: 0, low: 0) : attempt
    }

    private func stream(_ key: Int, _ attempt: AttemptID) -> Int? {
        let name = streamName(of: attempt)
        return cells[key].streams.firstIndex { $0.name == name }
    }

    private mutating func create(_ key: Int, _ attempt: AttemptID) -> Int {
        cells[key].streams.append(Stream(name: streamName(of: attempt)))
        return cells[key].streams.count - 1
    }
}
