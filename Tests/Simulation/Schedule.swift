import SamovarCore

/// One random schedule: pods with the shipped machines, callers, upstreams, a model of Redis, and what goes wrong.
///
///     arrive ─▶ pod's board ─▶ flight: LeaseMachine ─▶ actions ─▶ commands ─▶ model of Redis
///        ▲                        │    ▲                                            │
///     callers ◀── chunks ◀────────┘    └──────── replies, late, lost or never ◀─────┘
///
/// All that happens is an event on one agenda; chance comes from one seed; nothing is taken out of a dictionary. So one
/// seed is one schedule, and a violation is replayed by its number. While it runs it is judged (`Schedule+Judge`).
public final class Schedule {
    enum Event {
        case arrives(Int)
        case leaves(Int)
        case isDue(Int)
        case reads(Int)
        case executes(Int)
        case replies(Int)
        case timesOut(Int)
        case tick(Int)
        case calls(Int)
        case upstream(Int)
        case budget(Int, emitted: Int)
        case look(Int, serial: Int)
        case read(Int, serial: Int)
        case poke(flight: Int)
        case crash(Int)
        case restart(Int)
        case pause(Int, Int64)
        case resume(Int)
        case drain(Int)
        case snapshot
        case failover
        case down
        case freeze(Int64)
        case up
        case jump(Int64)
        case evict(Int)
        case purge(Int)
        case purgeHeard(pod: Int, key: Int)
        case raise(tenant: Int)
        case raiseHeard(pod: Int, tenant: Int, generation: Int, raisedAt: Int64)
    }

    static let requestLife = milliseconds(25_000)
    static let firstToken = milliseconds(5_000)
    static let betweenTokens = milliseconds(3_000)
    static let commandTimeout = milliseconds(25)
    static let horizon = milliseconds(120_000)
    static let lookInterval = milliseconds(250)

    let seed: UInt64
    let bug: SimulatedBug?
    let tenantCount = 2
    let promptCount: Int
    var settings = LeaseSettings()
    var dice: Dice
    var faults: Faults
    var now: Int64 = 0
    var agenda = Agenda<Event>()
    var redis: ModelRedis
    /// What the replica has, which a failover makes the truth.
    var replica: ModelRedis?
    var replicatedAt: Int64 = 0
    var isRedisDown = false
    var frozenUntil: Int64 = 0
    /// Connections do not outlive a failover.
    var redisEpoch = 0
    var pods: [Pod] = []
    var requests: [Request] = []
    var flights: [SimFlight] = []
    var attempts: [SimAttempt] = []
    var commands: [Command] = []
    /// Of what has been purged: the key, when it was done, whether the pod that asked for it knows, and whether it was
    /// forgotten by a failover.
    var purges: [(key: Int, at: Int64, isForgotten: Bool)] = []
    var generations: [Int]
    var lastFailover: Int64 = -1
    /// When the lease that a command is about was last taken or renewed, before the command.
    var beatAt: Int64 = 0
    /// Whether anything but chance could have damaged a stream of the key.
    var disturbed: [Bool]
    /// Of each key: who has its lease; how often it went without being taken, or that it was taken was forgotten; and
    /// how many pods died of a call.
    var holders: [AttemptID?]
    var vanishedCounts: [Int]
    var deathCounts: [Int]

    public private(set) var violations: [Violation] = []
    public var tally = Tally()
    /// What happened, line by line, where somebody reads it.
    let trace: ((String) -> Void)?

    public init(seed: UInt64, bug: SimulatedBug? = nil, trace: ((String) -> Void)? = nil) {
        self.seed = seed
        self.bug = bug
        self.trace = trace
        dice = Dice(seed: seed)
        faults = Faults(&dice)
        promptCount = dice.number(1...2)
        let keyCount = tenantCount * promptCount
        redis = ModelRedis(keyCount: keyCount, bug: bug)
        redis.streamEntryMax = faults.streamEntryMax
        settings.publishQueueSizeMax = faults.publishQueueSizeMax
        holders = Array(repeating: nil, count: keyCount)
        vanishedCounts = Array(repeating: 0, count: keyCount)
        deathCounts = vanishedCounts
        generations = Array(repeating: 0, count: tenantCount)
        disturbed = Array(repeating: faults.streamEntryMax < 100, count: keyCount)
        for number in 0..<dice.number(2...4) {
            pods.append(
                Pod(
                    id: PodID(UInt64(number + 1)), board: Array(repeating: -1, count: keyCount),
                    generations: generations))
        }
        plan()
    }

    /// Runs it to its end.
    public func run() {
        note("\(faults)")
        while let (time, event) = agenda.take() {
            // A call that hangs is over when all else is.
            if time > Self.horizon { break }
            now = time
            tally.eventCount += 1
            if tally.eventCount > 200_000 { return violated(.liveness, "the schedule does not end") }
            if let pod = place(of: event), let until = pods[pod].pausedUntil {
                agenda.add(event, at: until)
                continue
            }
            happen(event)
        }
        judgeAll()
    }

    /// Nothing goes wrong in it but what upstreams say.
    public var isCalm: Bool { !faults.hasEvents }

    var instant: Instant { Instant(nanoseconds: now) }

    func note(_ text: @autoclosure () -> String) {
        guard let trace else { return }
        trace("\(now / 1_000_000).\(now / 1_000 % 1_000) \(text())")
    }

    func violated(_ promise: Violation.Promise, _ what: String) {
        note("VIOLATION \(promise.rawValue): \(what)")
        violations.append(Violation(seed: seed, promise: promise, what: "at \(now / 1_000_000) ms: \(what)"))
    }

    /// Whose pause holds the event up.
    private func place(of event: Event) -> Int? {
        switch event {
        case .arrives(let request), .isDue(let request), .reads(let request), .leaves(let request):
            requests[request].pod
        case .replies(let command), .timesOut(let command): flights[commands[command].flight].pod
        case .tick(let flight), .calls(let flight), .look(let flight, _), .read(let flight, _), .poke(let flight):
            flights[flight].pod
        case .upstream(let attempt), .budget(let attempt, _): flights[attempts[attempt].flight].pod
        case .purgeHeard(let pod, _), .raiseHeard(let pod, _, _, _), .drain(let pod): pod
        default: nil
        }
    }

    private func happen(_ event: Event) {
        switch event {
        case .arrives(let request): arrives(request)
        case .leaves(let request): leaves(request, .left)
        case .isDue(let request): leaves(request, .failed)
        case .reads(let request): readsOn(request)
        case .executes(let command): executes(command)
        case .replies(let command): replies(command)
        case .timesOut(let command): timesOut(command)
        case .tick(let flight): ticks(flight)
        case .calls(let flight): calls(flight)
        case .upstream(let attempt): goesOn(attempt)
        case .budget(let attempt, let emitted): budgetEnds(attempt, emitted)
        case .look(let flight, let serial): looks(flight, serial)
        case .read(let flight, let serial): reads(flight, serial)
        case .poke(let flight): poked(flight)
        case .crash(let pod): crashes(pod)
        case .restart(let pod): restarts(pod)
        case .pause(let pod, let length): pauses(pod, length)
        case .resume(let pod): resumes(pod)
        case .drain(let pod): drains(pod)
        case .snapshot:
            replica = redis
            replicatedAt = now
        case .failover: failsOver()
        case .down: isRedisDown = true
        case .freeze(let length): frozenUntil = now + length
        case .up: isRedisDown = false
        case .jump(let length): redis.clockOffset += length
        case .evict(let key): evicts(key)
        case .purge(let key): purges(key)
        case .purgeHeard(let pod, let key): hearsPurge(pod, key)
        case .raise(let tenant): raises(tenant)
        case .raiseHeard(let pod, let tenant, let generation, let raisedAt):
            hearsRaise(pod, tenant, generation, raisedAt)
        }
    }
}
