import SamovarCore

/// Lets flights through to upstreams, and brings each to its end. Drives `Dispatcher`: lock, ask, unlock, do.
///
///     fly ─▶ submit ─▶ wait for a permit ─▶ attempt ─▶ report ─▶ the outcome
///              ▲                                          │
///              └──────────── once more ───────────────────┘
///
/// One lock over all upstreams: misses are thousands a second at most, and hits and followers of flights that are in the
/// air never come here. One alarm for all who wait.
final class Dispatch: Sendable {
    /// Who wants to know how it goes.
    struct Watcher: Sendable {
        /// It waits for its turn, at most until then.
        var waits: @Sendable (Instant) -> Void = { _ in }
        /// It is its turn: false where it is not to go now after all.
        var goes: @Sendable () -> Bool = { true }
        /// A chunk has come.
        var received: AttemptDriver.Observer?
    }

    enum Flown: Sendable {
        case outcome(AttemptLog.Outcome)
        /// The watcher did not let it go.
        case heldBack
    }

    /// What became of a wait.
    private enum Turn: Sendable {
        case go(Permit)
        case refused(Rejection)
        /// Nobody waits any more.
        case left
    }

    private enum Waiter {
        /// It is about to sleep.
        case awake
        case asleep(CheckedContinuation<Turn, Never>)
        /// Its turn came before it slept.
        case early(Turn)
    }

    private struct State {
        var machine: Dispatcher
        var waiters: [Dispatcher.Ticket: Waiter] = [:]
        var alarmAt = Instant.never
        var whenRoomMayCome: (@Sendable () -> Void)?
    }

    private let upstreams: UpstreamPool
    private let attempts: AttemptDriver
    private let clock: any MonotonicClock
    private let metrics: Metrics
    private let jitter: @Sendable () -> Double
    private let state: Lock<State>

    init(
        _ dispatcher: Dispatcher, _ upstreams: UpstreamPool, attempts: AttemptDriver, clock: any MonotonicClock,
        metrics: Metrics, jitter: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) {
        self.upstreams = upstreams
        self.attempts = attempts
        self.clock = clock
        self.metrics = metrics
        self.jitter = jitter
        state = Lock(State(machine: dispatcher))
    }

    /// Takes other limits; what was learned and who waits stay.
    func reconfigure(_ limits: [UpstreamLimits], _ settings: AdmissionSettings) {
        event { machine, now, _ in machine.configure(limits, settings: settings, at: now) }
    }

    var status: [Dispatcher.Status] { state.withLock { $0.machine.status(at: clock.now) } }

    /// Is called when an attempt has ended, and when time has passed that somebody waited for: there may be room.
    func whenRoomMayCome(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.whenRoomMayCome = body } }

    private func roomMayHaveCome() { state.withLock { $0.whenRoomMayCome }?() }

    // MARK: The fleet

    func wishes() -> [FleetWish] { state.withLock { $0.machine.wishes(at: clock.now) } }
    func awaitShares() { state.withLock { $0.machine.awaitShares() } }
    func share(_ parts: [FleetPart]) { event { $0.share(parts, at: $1, jitter: $2) } }
    func unshare() { event { $0.unshare(at: $1, jitter: $2) } }

    // MARK: One flight

    /// Brings a flight to its end: waits for its turn, asks, and asks once more where that may help.
    func fly(_ flight: SharedFlight, limits: AnswerLimits, watcher: Watcher) async -> Flown {
        var retry = Retry()
        var again: Asking.Again?
        var last: AttemptLog.Outcome?
        while true {
            let permit: Permit
            switch await turn(of: flight, again, watcher) {
            case .go(let granted): permit = granted
            // The first attempt's failure says more than that there is no room for a second.
            case .refused(let rejection): return .outcome(last ?? .failed(Failure(rejection)))
            case .left: return .outcome(flight.isGivenUp ? .abandoned : .failed(.draining))
            }
            guard let member = upstreams[permit.upstream], !flight.isGivenUp, watcher.goes() else {
                end(permit, .abandoned, &retry)
                return flight.isGivenUp ? .outcome(.abandoned) : .heldBack
            }
            let attempt = upstreams.attempt(flight.request, at: member, limits: limits)
            let (outcome, showing) = await attempts.run(
                attempt, at: member, for: flight, observer: watcher.received, signs: { self.noted($0, of: permit) })
            if permit.isRetry { metrics.retries[RetryOutcome(outcome)].add(1) }
            if case .failed(.refused(let refusal)) = outcome, upstreams.learns(from: refusal, of: attempt, at: member) {
                end(permit, showing.result(outcome, slowAfter: nil), &retry, showing)
                continue
            }
            let result = showing.result(outcome, slowAfter: member.limits.slowAfter)
            switch end(permit, result, &retry, showing) {
            case .final(let reason):
                if reason == .retryRatio { metrics.retries[.denied].add(1) }
                return .outcome(outcome)
            case .again(let next):
                again = next
                last = outcome
            }
        }
    }

    /// Waits for the flight's turn, for as long as anybody waits for the flight.
    private func turn(of flight: SharedFlight, _ again: Asking.Again?, _ watcher: Watcher) async -> Turn {
        let startedAt = clock.now
        let asking = asking(for: flight, again)
        let (ticket, turn) = submit(asking)
        if let turn { return turn }
        watcher.waits(asking.latestDeadline)
        flight.whenJoined { [weak self] request, count in self?.joined(ticket, request, count, watcher) }
        // Gives up with the flight: then the ticket leaves the queue in that moment.
        let caller = Caller()
        caller.whenGone { self.leave(ticket) }
        flight.makesAttempt(for: caller)
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { sleep(ticket, $0) }
        } onCancel: {
            leave(ticket)
        }
        flight.whenJoined(nil)
        metrics.queueWait.observe(startedAt.duration(to: clock.now))
        return outcome
    }

    private func asking(for flight: SharedFlight, _ again: Asking.Again?) -> Asking {
        let request = flight.request
        // A second attempt has a wait of its own.
        let isFirst = again == nil
        return Asking(
            upstreams: request.route.upstreams, requestClass: flight.requestClass, tenant: request.tenant,
            bringsCredential: request.authorization != nil, model: request.model,
            deadline: Self.deadline(of: request, since: isFirst ? flight.startedAt : clock.now),
            latestDeadline: Self.deadline(of: request, since: isFirst ? flight.joinedAt : clock.now),
            retriesUntil: flight.startedAt.advanced(
                by: min(request.route.timeouts.total, request.timeout ?? request.route.timeouts.total)),
            callerCount: request.inputCount ?? flight.followerCount, bodySize: request.body?.bytes.count ?? 0,
            outputTokensMax: request.outputTokensMax, again: again)
    }

    /// Until when this caller waits for its flight's turn.
    static func deadline(of request: Request, since instant: Instant) -> Instant {
        instant.advanced(by: min(request.route.queueTimeout, request.timeout ?? request.route.queueTimeout))
    }

    // MARK: Events

    /// Something has happened: the machine is told, and whoever it concerns.
    private func event(_ tell: (inout Dispatcher, Instant, Double) -> Dispatcher.Moves) {
        let now = clock.now
        let jitter = jitter()
        let told = state.withLock { state in Self.take(tell(&state.machine, now, jitter), &state) }
        perform(told)
    }

    /// Its turn where that has come at once.
    private func submit(_ asking: Asking) -> (Dispatcher.Ticket, Turn?) {
        let now = clock.now
        let jitter = jitter()
        let (ticket, turn, told) = state.withLock { state -> (Dispatcher.Ticket, Turn?, Told) in
            let (ticket, moves) = state.machine.submit(asking, at: now, jitter: jitter)
            state.waiters[ticket] = .awake
            let told = Self.take(moves, &state)
            guard case .early(let turn)? = state.waiters[ticket] else { return (ticket, nil, told) }
            state.waiters[ticket] = nil
            return (ticket, turn, told)
        }
        perform(told)
        return (ticket, turn)
    }

    /// An attempt shows something of its upstream before its end.
    private func noted(_ sign: AttemptDriver.Sign, of permit: Permit) {
        event { machine, now, jitter in
            switch sign {
            case .began(let feedback): machine.began(permit, feedback, at: now, jitter: jitter)
            case .firstToken(let time): machine.showedToken(permit, after: time, at: now, jitter: jitter)
            }
        }
    }

    private func joined(_ ticket: Dispatcher.Ticket, _ request: Request, _ count: Int, _ watcher: Watcher) {
        let now = clock.now
        let deadline = Self.deadline(of: request, since: now)
        state.withLock { state in
            state.machine.joined(ticket, request.requestClass, callerCount: count, until: deadline, at: now)
        }
        watcher.waits(deadline)
    }

    private func leave(_ ticket: Dispatcher.Ticket) {
        let sleeper = state.withLock { state -> CheckedContinuation<Turn, Never>? in
            guard let waiter = state.waiters[ticket] else { return nil }
            state.machine.leave(ticket)
            switch waiter {
            case .asleep(let continuation):
                state.waiters[ticket] = nil
                return continuation
            case .awake:
                state.waiters[ticket] = .early(.left)
                return nil
            // It has its turn already, and finds out by itself that nobody is left.
            case .early: return nil
            }
        }
        sleeper?.resume(returning: .left)
    }

    private func sleep(_ ticket: Dispatcher.Ticket, _ continuation: CheckedContinuation<Turn, Never>) {
        let turn = state.withLock { state -> Turn? in
            if case .early(let turn)? = state.waiters[ticket] {
                state.waiters[ticket] = nil
                return turn
            }
            state.waiters[ticket] = .asleep(continuation)
            return nil
        }
        if let turn { continuation.resume(returning: turn) }
    }

    @discardableResult
    private func end(
        _ permit: Permit, _ result: AttemptResult, _ retry: inout Retry, _ showing: AttemptShowing? = nil
    ) -> Dispatcher.Verdict {
        let now = clock.now
        let jitter = jitter()
        let copy = retry
        let (verdict, used, told) = state.withLock { state in
            var retry = copy
            let (verdict, moves) = state.machine.ended(
                permit, result, retry: &retry, hasPassedOn: showing?.hasPassedOn ?? false,
                outputTokenCount: showing?.usage?.completionTokenCount, at: now, jitter: jitter)
            return (verdict, retry, Self.take(moves, &state))
        }
        retry = used
        perform(told)
        roomMayHaveCome()
        return verdict
    }

    // MARK: What is to be done

    private struct Told {
        var woken: [(CheckedContinuation<Turn, Never>, Turn)] = []
        var refused: [Rejection] = []
        var alarm: Instant?
    }

    /// Under the lock: whom to tell after it.
    private static func take(_ moves: Dispatcher.Moves, _ state: inout State) -> Told {
        var told = Told()
        func tell(_ ticket: Dispatcher.Ticket, _ turn: Turn) {
            switch state.waiters[ticket] {
            case .asleep(let continuation)?:
                state.waiters[ticket] = nil
                told.woken.append((continuation, turn))
            case .awake?: state.waiters[ticket] = .early(turn)
            case .early?, nil: break
            }
        }
        for (ticket, permit) in moves.granted { tell(ticket, .go(permit)) }
        for (ticket, rejection) in moves.refused {
            tell(ticket, .refused(rejection))
            told.refused.append(rejection)
        }
        if moves.lookAgainAt < state.alarmAt {
            state.alarmAt = moves.lookAgainAt
            told.alarm = moves.lookAgainAt
        }
        return told
    }

    private func perform(_ told: Told) {
        for (continuation, turn) in told.woken { continuation.resume(returning: turn) }
        for rejection in told.refused { metrics.refused(before: rejection.upstream ?? "", rejection.reason) }
        if let alarm = told.alarm { clock.call(at: alarm) { [weak self] in self?.ring(alarm) } }
    }

    private func ring(_ alarm: Instant) {
        // One that was overtaken by an earlier one has nothing to say.
        let isCurrent = state.withLock { state in
            guard state.alarmAt == alarm else { return false }
            state.alarmAt = .never
            return true
        }
        guard isCurrent else { return }
        event { $0.look(at: $1, jitter: $2) }
        roomMayHaveCome()
    }
}

/// Whether one more call could go out at once: what those ask who would rather wait for others than for a place.
protocol CallRoom: Sendable {
    /// - Parameter count: calls of the same kind that are about to be made and are not counted yet.
    func hasRoom(for request: Request, beside count: Int) -> Bool
}

extension Dispatch: CallRoom {
    func hasRoom(for request: Request, beside count: Int) -> Bool {
        let now = clock.now
        let asking = Asking(
            upstreams: request.route.upstreams, requestClass: request.requestClass, tenant: request.tenant,
            bringsCredential: request.authorization != nil, model: request.model,
            deadline: Self.deadline(of: request, since: now), bodySize: request.body?.bytes.count ?? 0,
            outputTokensMax: request.outputTokensMax)
        return state.withLock { $0.machine.hasRoom(for: asking, beside: count, at: now) }
    }
}
