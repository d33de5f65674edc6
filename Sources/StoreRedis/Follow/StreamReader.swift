import SamovarCore
import SamovarEngine

/// Reads all that this process follows, over one connection to each primary. Drives `ReadRounds`.
///
///     follow ─▶ tell the leading pod ─▶ XREAD, and a look at the lease now and again ─▶ `receive` ─▶ … ─▶ unfollow
///
/// Its one task sleeps while nothing is followed, and ends with `shutdown`.
final class StreamReader: Sendable {
    private struct Followed {
        let names: RequestNames
        let pod: PodID
        var cursor: StreamCursor
        let receive: @Sendable (FollowNews) -> Void
    }

    private struct State {
        var rounds = ReadRounds()
        var followed: [Following: Followed] = [:]
        var followedCount: UInt64 = 0
        var task: Task<Void, Never>?
        var wakesAt: Instant?
        var isShut = false
    }

    private let state = Lock(State())
    /// One tick is enough, however many reasons there are to look again.
    private let ticks: AsyncStream<Void>
    private let tick: AsyncStream<Void>.Continuation
    private let primaries: Primaries
    private let interest: Interest
    private let keyName: KeyName
    private let timeout: Duration
    private let connectTimeout: Duration
    private let seal: Seal
    private let clock: any MonotonicClock

    init(
        _ primaries: Primaries, interest: Interest, keyName: KeyName, timeout: Duration,
        connectTimeout: Duration, seal: Seal, clock: any MonotonicClock
    ) {
        (ticks, tick) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.primaries = primaries
        self.interest = interest
        self.keyName = keyName
        self.timeout = timeout
        self.connectTimeout = connectTimeout
        self.seal = seal
        self.clock = clock
    }

    /// Connects, so that the first who follows need not wait. Idempotent.
    func start() {
        state.withLock { state in
            guard state.task == nil, !state.isShut else { return }
            state.task = Task { await run() }
        }
        primaries.startReading()
    }

    func follow(
        _ key: RequestKey, _ sight: LeaseSight, receive: @escaping @Sendable (FollowNews) -> Void
    ) -> Following {
        start()
        let names = keyName.names(key)
        let cursor = StreamCursor(key: key, attempt: sight.attempt, stream: names.stream(sight.attempt))
        let now = clock.now
        let following = state.withLock { state in
            state.followedCount += 1
            let following = Following(number: state.followedCount)
            state.followed[following] = Followed(names: names, pod: sight.pod, cursor: cursor, receive: receive)
            state.rounds.follow(following, at: now)
            return following
        }
        tick.yield()
        return following
    }

    func unfollow(_ following: Following) {
        state.withLock { state in
            state.followed[following] = nil
            state.rounds.unfollow(following)
        }
    }

    /// What is to be told once more about this one: nil where nothing is followed under that name any more.
    func call(for following: Following) -> (call: ScriptCall, name: [UInt8])? {
        state.withLock { state in
            state.followed[following].map {
                (interest.call($0.names, $0.cursor.attempt, ledBy: $0.pod), $0.names.answer)
            }
        }
    }

    func shutdown() async {
        let task = state.withLock { state in
            state.isShut = true
            return state.task
        }
        tick.finish()
        await primaries.stopReading()
        await task?.value
    }

    // MARK: Rounds

    private func run() async {
        await connected()
        for await _ in ticks {
            let now = clock.now
            switch state.withLock({ $0.rounds.turn(at: now) }) {
            case .idle: continue
            case .wait(let instant): wake(at: instant)
            case .read(let reads):
                await withDiscardingTaskGroup { group in
                    for read in reads { group.addTask { await self.read(read) } }
                }
                let now = clock.now
                state.withLock { $0.rounds.ended(at: now) }
                tick.yield()
            }
        }
    }

    /// The first who follows comes together with the connection; he is not told that there is none.
    private func connected() async {
        let deadline = clock.now.advanced(by: connectTimeout)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [primaries] in _ = await primaries.reading.wait() }
            group.addTask { [clock] in try? await clock.sleep(until: deadline) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Looks again then, at the latest. One timer is enough for the earliest of all.
    private func wake(at instant: Instant) {
        let isNew = state.withLock { state in
            if let wakesAt = state.wakesAt, wakesAt <= instant { return false }
            state.wakesAt = instant
            return true
        }
        guard isNew else { return }
        clock.call(at: instant) { [self] in
            state.withLock { state in
                if state.wakesAt == instant { state.wakesAt = nil }
            }
            tick.yield()
        }
    }

    private func read(_ read: ReadRounds.Read) async {
        guard let followed = state.withLock({ $0.followed[read.following] }) else { return }
        // It is coming back, or not. Whether Redis is down is for those to say who have asked it something.
        let name = followed.names.answer
        guard primaries.isReadable(at: name) else { return failed(read.following, followed, wasAsked: false) }
        if read.registers, await tell(followed) {
            state.withLock { $0.rounds.registered(read.following) }
        }
        var cursor = followed.cursor
        var commands = [cursor.command]
        if read.looks { commands.append([Array("GET".utf8), followed.names.lease]) }
        let deadline = clock.now.advanced(by: timeout)
        let found: (Found, RedisClient.Exchange)? = await primaries.gates(at: name).pass { [commands] in
            await primaries.send(commands, at: name, deadline: deadline, over: .reading)
        } read: { replies in
            Found(replies, &cursor, seal)
        }
        guard let (found, _) = found else { return failed(read.following, followed, wasAsked: true) }
        let isFollowed = state.withLock { state in
            let count = if case .entries(let entries) = found.entries { entries.count } else { 0 }
            state.rounds.read(read.following, entryCount: count)
            state.followed[read.following]?.cursor = cursor
            return state.followed[read.following] != nil
        }
        guard isFollowed else { return }
        switch found.entries {
        case .entries(let entries) where !entries.isEmpty: followed.receive(.entries(entries))
        case .entries: break
        default:
            unfollow(read.following)
            return followed.receive(.unreadable)
        }
        if read.looks { followed.receive(.sight(found.sight)) }
    }

    /// What one read has brought.
    private struct Found {
        let entries: StreamCursor.Outcome
        let sight: LeaseSight?

        init?(_ replies: [RESPValue], _ cursor: inout StreamCursor, _ seal: Seal) {
            entries = cursor.read(replies[0], seal: seal)
            guard entries != .strange else { return nil }
            switch replies.dropFirst().first {
            case .bulk(let bytes): sight = LeaseText.parse(bytes)
            case nil, .null: sight = nil
            default: return nil
            }
        }
    }

    private func failed(_ following: Following, _ followed: Followed, wasAsked: Bool) {
        let now = clock.now
        let hasFailed =
            primaries.gates(at: followed.names.answer).leases.breakerState != .closed
            || state.withLock { $0.rounds.failed(following, at: now, countsAfter: wasAsked ? .zero : timeout) }
        let isFollowed = state.withLock { $0.followed[following] != nil }
        guard hasFailed, isFollowed else { return }
        unfollow(following)
        followed.receive(.unavailable)
    }

    private func tell(_ followed: Followed) async -> Bool {
        let call = interest.call(followed.names, followed.cursor.attempt, ledBy: followed.pod)
        let deadline = clock.now.advanced(by: timeout)
        let told: (Int64, RedisClient.Exchange)? = await primaries.gates(at: followed.names.answer).pass {
            await primaries.run(call, at: followed.names.answer, deadline: deadline, over: .reading)
        } read: { replies in
            Interest.count(replies)
        }
        return told != nil
    }
}
