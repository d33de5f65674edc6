import SamovarCore
import Synchronization

@testable import SamovarEngine

/// What pods share: a model of the scripts and streams in Redis, atomic like them.
final class SimFleet: Sendable {
    struct Lease {
        var sight: LeaseSight
    }

    struct Reader {
        let number: UInt64
        let attempt: AttemptID
        var read: Int
        let receive: @Sendable (FollowNews) -> Void
    }

    struct State {
        var values: [RequestKey: (Answer, Instant)] = [:]
        var leases: [RequestKey: LeaseSight] = [:]
        var marked: Set<RequestKey> = []
        var streams: [AttemptID: [PublishedEntry]] = [:]
        var interested: [AttemptID: Int] = [:]
        var pokes: [AttemptID: @Sendable () -> Void] = [:]
        var readers: [Reader] = []
        var lastReader: UInt64 = 0
        var isDown = false
        var generations: [Scope: UInt64] = [:]
        /// What pods want, and until when that is of interest.
        var words: [PodID: (word: FleetWord, until: Instant)] = [:]
        /// Pods that hear of changes.
        var listeners: [PodID: @Sendable (StoreNews) -> Void] = [:]
        var commits = 0
        var lost = 0
    }

    let clock: ManualClock
    let state = Mutex(State())

    init(clock: ManualClock) { self.clock = clock }

    func pod(_ number: UInt64) -> SimLeaseStore { SimLeaseStore(fleet: self, pod: PodID(number)) }

    /// Redis answers nobody from now on, or again.
    func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }

    var commitCount: Int { state.withLock { $0.commits } }
    var lostCount: Int { state.withLock { $0.lost } }
    var leaseCount: Int { state.withLock { $0.leases.count } }

    /// Readers are told what is new for them, a little later, as a poll would.
    func deliver() {
        clock.call(at: clock.now.advanced(by: .milliseconds(2))) { self.pass() }
    }

    /// All pods that hear are told, a little later.
    func tell(_ news: StoreNews, except pod: PodID? = nil) {
        clock.call(at: clock.now.advanced(by: .milliseconds(1))) { [self] in
            let listeners = state.withLock { state in state.listeners.filter { $0.key != pod } }
            for pod in listeners.keys.sorted(by: { $0.number < $1.number }) { listeners[pod]?(news) }
        }
    }

    private func pass() {
        typealias News = (receive: @Sendable (FollowNews) -> Void, entries: [PublishedEntry])
        let news = state.withLock { state -> [News] in
            var news: [News] = []
            for index in state.readers.indices {
                let entries = state.streams[state.readers[index].attempt] ?? []
                guard entries.count > state.readers[index].read else { continue }
                news.append((state.readers[index].receive, Array(entries[state.readers[index].read...])))
                state.readers[index].read = entries.count
            }
            return news
        }
        for one in news { one.receive(.entries(one.entries)) }
    }
}

/// One pod's way to what is shared.
final class SimLeaseStore: LeaseStore, CoherentStore {
    let fleet: SimFleet
    let pod: PodID
    private let isCut = Mutex(false)
    private let refusesLeases = Mutex(false)
    /// What hears, while it does not.
    let deaf = Mutex<(@Sendable (StoreNews) -> Void)?>(nil)

    init(fleet: SimFleet, pod: PodID) {
        self.fleet = fleet
        self.pod = pod
    }

    /// This pod alone does not reach Redis, or reaches it again.
    func cut(_ isCut: Bool) { self.isCut.withLock { $0 = isCut } }

    /// Redis lets this pod read, and run none of its scripts.
    func refuseLeases(_ refuses: Bool) { refusesLeases.withLock { $0 = refuses } }

    /// One round trip. Nil where there is no Redis.
    func ask<Reply: Sendable>(_ body: (inout SimFleet.State) -> Reply) async -> Reply? {
        await Task.yield()
        if isCut.withLock({ $0 }) { return nil }
        let reply = fleet.state.withLock { state in state.isDown ? nil : body(&state) }
        await Task.yield()
        return reply
    }

    func get(_ key: RequestKey) async -> StoredAnswer? {
        (await ask { state in state.values[key].map { StoredAnswer($0.0.copied, bornAt: $0.1) } }) ?? nil
    }

    func set(_ key: RequestKey, _ answer: Answer) async {
        let now = fleet.clock.now
        tell(.writes(key, answer.simIdentity))
        _ = await ask { $0.values[key] = (answer, now) }
        fleet.tell(.changed([name(of: key)]))
    }

    func setUnmarked(_ key: RequestKey, _ answer: Answer) async {
        let now = fleet.clock.now
        _ = await ask { state in
            if !state.marked.contains(key) { state.values[key] = (answer, now) }
        }
    }

    func remove(_ key: RequestKey) async {
        _ = await ask { $0.values[key] = nil }
        fleet.tell(.changed([name(of: key)]))
    }

    func purge(_ key: RequestKey) async -> Bool {
        let isPurged =
            await ask { state in
                state.values[key] = nil
                state.leases[key] = nil
                state.marked.insert(key)
                return true
            } ?? false
        fleet.tell(.purged(name(of: key)), except: pod)
        return isPurged
    }

    private func claim(
        _ state: inout SimFleet.State, _ key: RequestKey, _ attempt: AttemptID, _ needed: Duration?,
        seen: LeaseSight?
    ) -> LeaseReply {
        let stored = state.values[key].map { StoredAnswer($0.0.copied, bornAt: $0.1) }
        if let needed, let stored, stored.freshness.remaining(at: fleet.clock.now) > needed { return .hit(stored) }
        if let there = state.leases[key], there != seen {
            return there.attempt == attempt ? .leads(there, stored) : .follows(there, stored)
        }
        let sight = LeaseSight(attempt: attempt, heartbeat: 0, pod: pod)
        state.leases[key] = sight
        return .leads(sight, stored)
    }

    func acquire(_ key: RequestKey, for attempt: AttemptID, needed: Duration?) async -> LeaseReply {
        if refusesLeases.withLock({ $0 }) { return .unavailable }
        return await ask { claim(&$0, key, attempt, needed, seen: nil) } ?? .unavailable
    }

    func steal(_ key: RequestKey, seen: LeaseSight, for attempt: AttemptID, needed: Duration?) async -> LeaseReply {
        await ask { claim(&$0, key, attempt, needed, seen: seen) } ?? .unavailable
    }

    func renew(_ key: RequestKey, for attempt: AttemptID) async -> RenewReply {
        await ask { state in
            guard let there = state.leases[key], there.attempt == attempt else { return .lost }
            state.leases[key] = LeaseSight(attempt: attempt, heartbeat: there.heartbeat + 1, pod: there.pod)
            return .renewed(isFollowed: state.interested[attempt, default: 0] > 0)
        } ?? .unavailable
    }

    func commit(_ key: RequestKey, for attempt: AttemptID, _ answer: Answer?, end: PublishedEntry?) async -> CommitReply
    {
        let now = fleet.clock.now
        if let answer { tell(.writes(key, answer.simIdentity)) }
        let reply: CommitReply =
            await ask { state in
                guard state.leases[key]?.attempt == attempt else {
                    state.lost += 1
                    return .lost
                }
                state.leases[key] = nil
                state.commits += 1
                if let answer { state.values[key] = (answer, now) }
                if let end { state.streams[attempt, default: []].append(end) }
                return .stored
            } ?? .unavailable
        fleet.deliver()
        fleet.tell(.changed([name(of: key)]))
        return reply
    }

    func abort(_ key: RequestKey, for attempt: AttemptID, _ entry: PublishedEntry?) async {
        _ = await ask { state in
            guard state.leases[key]?.attempt == attempt else { return }
            state.leases[key] = nil
            if let entry { state.streams[attempt, default: []].append(entry) }
        }
        fleet.deliver()
    }

    func publish(_ key: RequestKey, _ attempt: AttemptID, _ entries: [PublishedEntry]) async -> Bool {
        let isTaken: Bool =
            await ask { state in
                state.streams[attempt, default: []] += entries
                return true
            } ?? false
        fleet.deliver()
        return isTaken
    }

    func announce(_ attempt: AttemptID, interested: @escaping @Sendable () -> Void) {
        fleet.state.withLock { $0.pokes[attempt] = interested }
    }

    func withdraw(_ attempt: AttemptID) {
        fleet.state.withLock { $0.pokes[attempt] = nil }
    }

    func follow(
        _ key: RequestKey, _ sight: LeaseSight, receive: @escaping @Sendable (FollowNews) -> Void
    ) -> Following {
        let (following, poke) = fleet.state.withLock { state in
            state.lastReader += 1
            state.interested[sight.attempt, default: 0] += 1
            state.readers.append(
                SimFleet.Reader(number: state.lastReader, attempt: sight.attempt, read: 0, receive: receive))
            return (Following(number: state.lastReader), state.pokes[sight.attempt])
        }
        fleet.clock.call(at: fleet.clock.now.advanced(by: .milliseconds(1))) { poke?() }
        look(key, following)
        fleet.deliver()
        return following
    }

    /// A look at the lease, now and again.
    private func look(_ key: RequestKey, _ following: Following) {
        fleet.clock.call(at: fleet.clock.now.advanced(by: .milliseconds(500))) { [self] in
            let (receive, sight) = fleet.state.withLock { state in
                (state.readers.first { $0.number == following.number }?.receive, state.leases[key])
            }
            guard let receive else { return }
            receive(.sight(sight))
            look(key, following)
        }
    }

    func keepFollowing(_ following: Following) async {}

    func unfollow(_ following: Following) {
        fleet.state.withLock { state in
            guard let index = state.readers.firstIndex(where: { $0.number == following.number }) else { return }
            state.interested[state.readers[index].attempt, default: 1] -= 1
            state.readers.remove(at: index)
        }
    }
}
