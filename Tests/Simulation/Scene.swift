import SamovarCore

/// One process of the fleet.
struct Pod {
    var id: PodID
    /// Its flights that may be joined, by key; -1 for none.
    var board: [Int]
    var isUp = true
    var pausedUntil: Int64?
    var pausedAt: Int64 = 0
    var resumedAt: Int64 = -1
    /// By tenant.
    var generations: [Int]
    /// When it learned of which generation, by tenant.
    var lessons: [(tenant: Int, learnedAt: Int64, raisedAt: Int64)] = []
    /// Replies that came too late, on a connection that is used on.
    var lateReplies: [Schedule.Outcome] = []
}

/// One caller's request.
struct Request {
    enum End { case answered, failed, left, lost }

    let tenant: Int
    let prompt: Int
    let isNoCache: Bool
    let arrivedAt: Int64
    /// Between two chunks that it reads; 0: as they come.
    let pace: Int64
    var pod: Int
    var flight = -1
    var readCount = 0
    var maker = -1
    var end: End?
}

/// One flight: the shipped machine, and what stands in for the driver around it.
struct SimFlight {
    enum Landing: Equatable { case complete, failed }

    let key: Int
    let pod: Int
    let generation: Int
    let beganAt: Int64
    let isNoCache: Bool
    var machine: LeaseMachine
    var requests: [Int] = []
    var log: [Tag] = []
    var landing: Landing?
    /// The call of its own.
    var attempt = -1
    var isAnnounced = false
    var tickAt: Int64 = .max
    // Following:
    var followed: AttemptID?
    var followSerial = 0
    var followedSince: Int64 = 0
    var lastRead = 0
    var isReadDue = false
    var readFailureCount = 0
    // For the judge:
    var diedAt: Int64?
    var overAt: Int64?
    var heldLease = false
    var lostAt: Int64?
    var wasStolen = false
    var hadTimeout = false
    /// When one of its commands was last executed after its deadline.
    var lateAt: Int64 = -1
    /// When the lease was last asked for; -1 while another's answer is followed.
    var askedAt: Int64 = -1
    /// Since when its lease should be nobody's: it was invalidated, and has the lease.
    var invalidatedAt: Int64?
    /// The word of that may not have reached Redis.
    var isReleaseUncertain = false
    var finishesWhenLeft = false
    /// When its last local caller left.
    var leftAt: Int64?
    /// Until when Redis was told that some pod follows its attempt; -1: never.
    var wantedUntil: Int64 = -1
    /// When it was last told so itself; since then no renewal has said otherwise.
    var pokedAt: Int64 = -1
}

/// One call of an upstream.
struct SimAttempt {
    enum Fate { case whole, refused, trouble, cut, stalls, hangs, kills }

    let flight: Int
    let key: Int
    let tenant: Int
    let prompt: Int
    let leads: Bool
    let startedAt: Int64
    let fate: Fate
    let count: Int
    var emittedCount = 0
    var emittedAt: Int64
    var endedAt: Int64?
    var isWhole = false
}

/// What a chunk carries: whose it is, and which.
struct Tag: Equatable {
    let tenant: Int
    let prompt: Int
    let attempt: Int
    let index: Int

    init(tenant: Int, prompt: Int, attempt: Int, index: Int) {
        self.tenant = tenant
        self.prompt = prompt
        self.attempt = attempt
        self.index = index
    }

    init(_ chunk: Chunk) {
        let bytes = chunk.bytes
        tenant = Int(bytes[0])
        prompt = Int(bytes[1])
        attempt = Int(bytes[2]) << 8 | Int(bytes[3])
        index = Int(bytes[4])
    }

    var chunk: Chunk {
        Chunk(bytes: [
            UInt8(tenant), UInt8(prompt), UInt8(attempt >> 8), UInt8(attempt & 255), UInt8(index), 0, 0, 0,
        ])
    }
}

/// How a schedule went, for those who want to know that it was not idle.
public struct Tally: Sendable, Hashable {
    public var requestCount = 0
    public var answeredCount = 0
    public var failedCount = 0
    public var attemptCount = 0
    public var hitCount = 0
    /// Answers that came whole from another pod's stream.
    public var followedCount = 0
    public var stealCount = 0
    public var aloneCount = 0
    public var leaseLossCount = 0
    /// Leases given back because what they were for was invalidated.
    public var releaseCount = 0
    /// Calls that overlapped an earlier one for the same key.
    public var duplicateCount = 0
    public var faultCount = 0
    /// Pods that died of what they were asked.
    public var deathCount = 0
    public var eventCount = 0
    /// The longest wait for a dead leading pod, in milliseconds.
    public var longestWait = 0

    public init() {}

    public static func += (left: inout Tally, right: Tally) {
        left.requestCount += right.requestCount
        left.answeredCount += right.answeredCount
        left.failedCount += right.failedCount
        left.attemptCount += right.attemptCount
        left.hitCount += right.hitCount
        left.followedCount += right.followedCount
        left.stealCount += right.stealCount
        left.aloneCount += right.aloneCount
        left.leaseLossCount += right.leaseLossCount
        left.releaseCount += right.releaseCount
        left.duplicateCount += right.duplicateCount
        left.deathCount += right.deathCount
        left.faultCount += right.faultCount
        left.eventCount += right.eventCount
        left.longestWait = max(left.longestWait, right.longestWait)
    }
}
