import SamovarCore

/// One flight whose call is shared with other pods. Drives `LeaseMachine`: lock, ask, unlock, do.
///
/// What the machine wants is of two kinds. What is done in no time is done by whoever brought the event: the flight's
/// log grows on the connection's own thread. What takes a round trip, and the call itself, becomes a task of `fly`.
final class LeasedFlight: Sendable {
    private typealias Action = LeaseMachine.Action

    private struct State {
        var machine: LeaseMachine
        /// What waits for a task.
        var steps: [Action] = []
        var sleeper: CheckedContinuation<Void, Never>?
        var alarmAt = Instant.never
        var following: Following?
        /// The answer of the call that was made here, where it is to be kept.
        var answer: Answer?
    }

    /// What the pipeline does for a flight.
    struct Surroundings: Sendable {
        /// Makes the call, keeps what it brings in L1, lands the flight and says what is to be kept in L2. Nil: the
        /// watcher has held it back.
        let call: @Sendable (Dispatch.Watcher) async -> (LeaseMachine.Ended, Answer?)?
        /// Nobody may join any more: the answer is found in a cache, or there is none.
        let unlist: @Sendable () -> Void
        /// Keeps an answer from the store in L1.
        let fill: @Sendable (StoredAnswer) -> Void
        /// What this flight has put into L1 is not to stay there.
        let drop: @Sendable () -> Void
        /// Whether an answer from the store may be used.
        let allows: @Sendable (StoredAnswer) -> Bool
        let metrics: Metrics
        let clock: any MonotonicClock
        let store: any LeaseStore
    }

    private let flight: SharedFlight
    private let around: Surroundings
    private let state: Lock<State>

    init(_ flight: SharedFlight, settings: LeaseSettings, around: Surroundings) {
        self.flight = flight
        self.around = around
        var random = SystemRandomNumberGenerator()
        let attempt = AttemptID(high: random.next(), low: random.next())
        let machine = LeaseMachine(Self.wish(of: flight), attempt: attempt, settings: settings)
        state = Lock(State(machine: machine))
    }

    private var key: RequestKey { flight.request.key }
    /// Another one after a lease was lost before the call.
    private var attempt: AttemptID { state.withLock { $0.machine.attempt } }

    private static func wish(of flight: SharedFlight) -> LeaseMachine.Wish {
        let request = flight.request
        let controls = request.controls
        let maySee = request.sharing == .stored && !controls.noCache
        let needed: Duration? =
            switch flight.purpose {
            case .refresh(let needed): needed
            // What is stale will do for who says so: then less than no fresh life is needed.
            case .callers: maySee ? .zero - min(controls.maxStale ?? .zero, request.route.staleTTL) : nil
            }
        return LeaseMachine.Wish(
            needed: needed, mayFollow: !controls.noCache,
            finishWhenLeft: flight.isRefresh || (request.sharing == .stored && request.route.finishWhenLeft),
            deadline: flight.startedAt.advanced(by: request.route.timeouts.total))
    }

    /// Flies it. Returns when nothing is left to be done for it, here and in Redis.
    func fly() async {
        flight.whenLeft { [weak self] in self?.event { $0.left(at: $1) } }
        flight.whenInvalidated { [weak self] in self?.event { $0.invalidated(at: $1) } }
        await withDiscardingTaskGroup { working in
            event { $0.begin(at: $1) }
            while let step = await nextStep() {
                // In this very turn, up to its first wait.
                working.addImmediateTask { await self.take(step) }
            }
        }
        flight.forgetListeners()
    }

    // MARK: Events

    /// Something has happened: the machine is told, and what it wants is done.
    private func event(_ tell: (inout LeaseMachine, Instant) -> [LeaseMachine.Action]) {
        let now = around.clock.now
        let (actions, alarm) = state.withLock { state in
            let actions = tell(&state.machine, now)
            let next = state.machine.next
            let alarm: Instant? = next < state.alarmAt ? next : nil
            if let alarm { state.alarmAt = alarm }
            return (actions, alarm)
        }
        perform(actions)
        if let alarm { around.clock.call(at: alarm) { [weak self] in self?.ring(alarm) } }
    }

    private func ring(_ alarm: Instant) {
        // One that was overtaken by an earlier one has nothing to say.
        let isCurrent = state.withLock { state in
            guard state.alarmAt == alarm else { return false }
            state.alarmAt = .never
            return true
        }
        if isCurrent { event { $0.tick(at: $1) } }
    }

    /// Does at once what can be done at once; the rest is queued, in order.
    private func perform(_ actions: [Action]) {
        for action in actions {
            switch action {
            case .acquire, .steal, .renew, .publish, .commit, .abort, .release, .set, .keepFollowing, .call:
                queue(action)
            case .announce:
                around.store.announce(attempt) { [weak self] in self?.event { $0.interested(at: $1) } }
            case .withdraw(let attempt): around.store.withdraw(attempt)
            case .follow(let sight): follow(sight)
            case .unfollow: state.withLock { $0.following.take() }.map(around.store.unfollow)
            case .cancelUpstream: flight.giveUp()
            case .keep(let stored): around.fill(stored)
            case .hit(let stored):
                around.fill(stored)
                around.unlist()
                flight.land(with: stored, from: .l2Hit)
            case .begin(let form): flight.beganElsewhere(form)
            case .deliver(let chunks): deliver(chunks)
            case .complete(let usage, let isStored): complete(usage, isStored)
            case .fail(let failure):
                around.unlist()
                flight.land(.failed(failure))
            }
        }
        wakeIfOver()
    }

    private func follow(_ sight: LeaseSight) {
        around.metrics.leases[.follows].add(1)
        let following = around.store.follow(key, sight) { [weak self] news in
            self?.event { $0.heard(news, at: $1) }
        }
        state.withLock { $0.following = following }
    }

    private func deliver(_ chunks: [Chunk]) {
        for chunk in chunks where !flight.append(chunk) {
            around.unlist()
            flight.land(.failed(.tooLarge(limit: "answer_size_max")))
            event { $0.left(at: $1) }
            return
        }
    }

    private func complete(_ usage: Usage?, _ isStored: Bool) {
        around.unlist()
        flight.land(.complete, usage: usage, isStored: isStored)
        if isStored { queue(.set) }
    }

    // MARK: Steps

    private func queue(_ step: Action) {
        let sleeper = state.withLock { state in
            state.steps.append(step)
            return state.sleeper.take()
        }
        sleeper?.resume()
    }

    private func wakeIfOver() {
        let sleeper = state.withLock { state in state.machine.isOver ? state.sleeper.take() : nil }
        sleeper?.resume()
    }

    /// The next thing that takes its time; nil once the machine is over and nothing is left.
    private func nextStep() async -> Action? {
        while true {
            let (step, isOver) = state.withLock { state -> (Action?, Bool) in
                (state.steps.isEmpty ? nil : state.steps.removeFirst(), state.machine.isOver)
            }
            if let step { return step }
            if isOver { return nil }
            await withCheckedContinuation { sleeper in
                // A step may have come between our look and our sleep.
                let isAwake = state.withLock { state in
                    guard state.steps.isEmpty, !state.machine.isOver else { return true }
                    state.sleeper = sleeper
                    return false
                }
                if isAwake { sleeper.resume() }
            }
        }
    }

    private func take(_ step: Action) async {
        switch step {
        case .acquire(let needed): asked(await around.store.acquire(key, for: attempt, needed: needed))
        case .steal(let sight, let needed):
            around.metrics.leases[.steals].add(1)
            asked(await around.store.steal(key, seen: sight, for: attempt, needed: needed))
        case .renew:
            let reply = await around.store.renew(key, for: attempt)
            event { $0.renewed(reply, at: $1) }
        case .publish(let entries):
            let isTaken = await around.store.publish(key, attempt, entries)
            event { $0.published(isTaken, at: $1) }
        case .call(let standing): await call(standing)
        case .commit(let stores, let end): await commit(stores, end)
        case .abort(let entry): await around.store.abort(key, for: attempt, entry)
        case .release: await around.store.release(key, by: attempt)
        case .set:
            await set()
            event { $0.wasSet(at: $1) }
        case .keepFollowing:
            if let following = state.withLock({ $0.following }) { await around.store.keepFollowing(following) }
        default: break
        }
    }

    private func asked(_ reply: LeaseReply) {
        var suits = true
        switch reply {
        case .hit(let stored), .leads(_, let stored?), .follows(_, let stored?): flight.heardStore(stored)
        case .leads(_, nil), .follows(_, nil), .poisoned: flight.heardStore(nil)
        case .unavailable: break
        }
        switch reply {
        case .hit(let stored):
            let verdict = stored.freshness.verdict(for: flight.request.controls, at: around.clock.now)
            suits = (verdict == .fresh || verdict == .stale) && around.allows(stored)
        case .leads: around.metrics.leases[.leads].add(1)
        case .poisoned: around.metrics.leases[.poisoned].add(1)
        case .follows, .unavailable: break
        }
        event { $0.replied(reply, suits: suits, at: $1) }
    }

    private func call(_ standing: LeaseMachine.Standing) async {
        if case .alone = standing { around.metrics.leases[.alone].add(1) }
        let watcher = Dispatch.Watcher(
            waits: { [weak self] deadline in self?.waits(until: deadline) },
            goes: { [weak self] in self?.goes() ?? false },
            received: { [weak self] chunk, log in
                self?.event { $0.received(chunk, log.form, progressUntil: log.progressUntil, at: $1) }
            })
        // Held back: the machine has something to do first, and then says `call` once more.
        guard let (ended, answer) = await around.call(watcher) else { return }
        state.withLock { $0.answer = answer }
        event { $0.ended(ended, at: $1) }
    }

    /// The call waits for its turn: this pod goes on leading.
    private func waits(until deadline: Instant) {
        event { machine, now in
            machine.waits(until: deadline, at: now)
            return []
        }
    }

    /// It is the call's turn. Whether it may be made.
    private func goes() -> Bool {
        let deadline = AnswerDeadlines(flight.request.route.timeouts, startedAt: around.clock.now).next
        var isReady = false
        event { machine, now in
            switch machine.calls(progressUntil: deadline, at: now) {
            case .go:
                isReady = true
                return []
            case .notYet(let actions): return actions
            }
        }
        return isReady
    }

    private func commit(_ stores: Bool, _ end: PublishedEntry?) async {
        let answer = stores ? state.withLock { $0.answer } : nil
        let reply = await around.store.commit(key, for: attempt, answer, end: end)
        if reply == .lost {
            around.metrics.leases[.lost].add(1)
            // Somebody made it unusable meanwhile, or has another: what Redis does not take is not kept here either.
            if answer != nil { around.drop() }
        }
        event { $0.committed(reply, at: $1) }
    }

    /// After a call without a lease: stores it. After another pod's: takes it over into L1.
    private func set() async {
        if let answer = state.withLock({ $0.answer }) {
            await around.store.setUnmarked(key, answer)
        } else if let stored = await around.store.get(key) {
            around.fill(stored)
        }
    }
}

/// What became of the wish to share a call with other pods. The raw values are the metric's label.
public enum LeaseOutcome: String, CaseIterable, Sendable {
    /// This pod called, with the lease.
    case leads
    /// Another pod's call was followed.
    case follows
    /// A lease was taken from a pod that seemed dead.
    case steals
    /// This pod called without a lease.
    case alone
    /// The lease was gone when the answer was there.
    case lost
    /// The request outlived too many pods.
    case poisoned
}
