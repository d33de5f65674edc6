/// One upstream call and everyone who wants its answer.
///
///                  land(ending)
///     flying ─────────────────────────▶ landed       log and ending stay until the last follower has read
///       │        last follower left,
///       └─────────────────────────────▶ abandoned    the call is cancelled, nobody is left to be told
///                not to be finished
///
/// The log is kept whole while the flight is in the air: a late follower replays it, then reads live. One log, many
/// cursors: a slow follower costs the others nothing, and is told so (`lagged`) when it falls too far behind.
/// `Waiter` is whatever the driver resumes; tests use names.
public struct Flight<Waiter: Sendable>: ~Copyable {
    /// The bounds of one flight.
    public struct Limits: Sendable, Hashable {
        /// How many may follow one flight at once.
        public var followersMax: Int
        /// How large one answer may grow, in bytes as they came.
        public var answerSizeMax: Int
        /// How far a follower may fall behind what came after it joined, in bytes.
        public var followerLagMax: Int
        /// For how long it may be that far behind: a burst that came in one piece is read in less.
        public var followerLagGrace: Duration

        public init(
            followersMax: Int = 10_000, answerSizeMax: Int = 4 << 20, followerLagMax: Int = 256 << 10,
            followerLagGrace: Duration = .seconds(1)
        ) {
            self.followersMax = followersMax
            self.answerSizeMax = answerSizeMax
            self.followerLagMax = followerLagMax
            self.followerLagGrace = followerLagGrace
        }
    }

    public struct Follower: Hashable, Sendable {
        let number: Int
    }

    public enum Ending: Sendable {
        case complete
        case failed(Failure)
    }

    private enum Phase {
        case flying
        case landed(Ending)
        case abandoned
    }

    private struct Place {
        /// How much of the log it has been given, or was there when it came: what it does not lag behind.
        var reachedByteCount: Int
        /// Since when it has been further behind than it may be.
        var laggingSince: Instant?
    }

    private struct Sleeper {
        let waiter: Waiter
        let index: Int
    }

    private let limits: Limits
    private var finishWhenLeft: Bool
    private var phase = Phase.flying
    /// What has come so far.
    public private(set) var log: [Chunk] = []
    /// How many bytes the log held up to and including each chunk.
    private var logByteCounts: [Int] = []
    private var logByteCount: Int { logByteCounts.last ?? 0 }
    private var places: [Follower: Place] = [:]
    private var parked: [Follower: Sleeper] = [:]
    private var nextNumber = 0
    /// The shortest ttl asked for by anyone who joined.
    public private(set) var ttlMax: Duration?

    /// - Parameter finishWhenLeft: go on when nobody is left, for the cache's sake.
    public init(limits: Limits, finishWhenLeft: Bool = false) {
        self.limits = limits
        self.finishWhenLeft = finishWhenLeft
    }

    /// How many read it, or wait to.
    public var followerCount: Int { places.count }

    public enum JoinAction: Hashable, Sendable {
        case joined(Follower)
        /// `flight_followers_max` is reached.
        case full
        /// Nobody was left, so the call was cancelled: this caller needs a flight of its own.
        case gone
    }

    /// A caller wants this answer. O(1).
    public mutating func join(ttl: Duration? = nil) -> JoinAction {
        if case .abandoned = phase { return .gone }
        guard places.count < limits.followersMax else { return .full }
        let follower = Follower(number: nextNumber)
        nextNumber += 1
        places[follower] = Place(reachedByteCount: logByteCount)
        if let ttl { ttlMax = min(ttlMax ?? ttl, ttl) }
        return .joined(follower)
    }

    public enum AppendAction: Sendable {
        /// Wake these, in the order in which they joined.
        case wake([Waiter])
        /// The answer has outgrown `answer_size_max`: stop the call and land with that.
        case tooLarge
    }

    /// The upstream sent another chunk. O(p log p) in sleepers.
    public mutating func append(_ chunk: Chunk) -> AppendAction {
        guard case .flying = phase else { return .wake([]) }
        guard logByteCount + chunk.bytes.count <= limits.answerSizeMax else { return .tooLarge }
        logByteCounts.append(logByteCount + chunk.bytes.count)
        log.append(chunk)
        return .wake(wakeDue())
    }

    /// The call has ended; the first ending counts. Returns whom to wake, in the order in which they joined.
    public mutating func land(_ ending: Ending) -> [Waiter] {
        guard case .flying = phase else { return [] }
        phase = .landed(ending)
        return wakeDue()
    }

    public enum ReadAction: Sendable {
        case deliver(Chunk)
        /// Nothing yet: park, or come again.
        case wait
        case end(Ending)
    }

    /// Further than any log reaches: where a follower reads who wants nothing but the end.
    public static var end: Int { Int.max }

    /// What a follower sees at `index` of the log. O(1).
    public mutating func read(at index: Int, by follower: Follower, at now: Instant) -> ReadAction {
        guard let place = places[follower], !lags(follower, place, at: now) else { return .end(.failed(.lagged)) }
        if index < log.count {
            // What was in the log when it came is no lag, so the mark only ever moves forward.
            places[follower]?.reachedByteCount = max(place.reachedByteCount, logByteCounts[index])
            return .deliver(log[index])
        }
        switch phase {
        case .flying: return .wait
        case .landed(let ending): return .end(ending)
        case .abandoned: return .end(.failed(.cut))
        }
    }

    /// Whether a follower has been too far behind for too long. It is judged when it comes for more, so one burst
    /// larger than the bound cuts nobody who reads it at once.
    private mutating func lags(_ follower: Follower, _ place: Place, at now: Instant) -> Bool {
        guard case .flying = phase, logByteCount - place.reachedByteCount > limits.followerLagMax else {
            places[follower]?.laggingSince = nil
            return false
        }
        let since = place.laggingSince ?? now
        places[follower]?.laggingSince = since
        return since.duration(to: now) >= limits.followerLagGrace
    }

    /// A follower has nothing to read at `index` and wants to be woken. Returns it at once when something came
    /// between its look and its sleep.
    public mutating func fallsAsleep(_ waiter: Waiter, as follower: Follower, at index: Int) -> Waiter? {
        guard case .flying = phase, index >= log.count, places[follower] != nil else { return waiter }
        parked[follower] = Sleeper(waiter: waiter, index: index)
        return nil
    }

    public struct LeaveAction: Sendable {
        /// The follower was asleep: wake it, so that it sees that it has left.
        public let resume: Waiter?
        /// Nobody is left to read: cancel the upstream call.
        public let cancelUpstream: Bool
    }

    /// A follower hung up, or has read to the end. Idempotent. O(1).
    public mutating func leave(_ follower: Follower) -> LeaveAction {
        guard places.removeValue(forKey: follower) != nil else {
            return LeaveAction(resume: nil, cancelUpstream: false)
        }
        let resume = parked.removeValue(forKey: follower)?.waiter
        if case .flying = phase, places.isEmpty, !finishWhenLeft {
            phase = .abandoned
            return LeaveAction(resume: resume, cancelUpstream: true)
        }
        return LeaveAction(resume: resume, cancelUpstream: false)
    }

    /// From now on it goes on when nobody is left, for the cache's sake. O(1).
    public mutating func finishesWhenLeft() { finishWhenLeft = true }

    /// A follower is to look up from its sleep, though there is nothing to read. Returns it if it was asleep. O(1).
    public mutating func rouse(_ follower: Follower) -> Waiter? {
        parked.removeValue(forKey: follower)?.waiter
    }

    /// Those for whom there is something to read, in the order in which they joined. Never in a dictionary's order,
    /// which differs from run to run and would make an action, and so a simulation, unrepeatable.
    private mutating func wakeDue() -> [Waiter] {
        let hasLanded = if case .flying = phase { false } else { true }
        // Loops in place of key paths, which generic code makes anew each time.
        var due: [(follower: Follower, waiter: Waiter)] = []
        for (follower, sleeper) in parked where hasLanded || sleeper.index < log.count {
            due.append((follower, sleeper.waiter))
        }
        for (follower, _) in due { parked[follower] = nil }
        if due.count > 1 { due.sort { $0.follower.number < $1.follower.number } }
        return due.map { $0.waiter }
    }
}
