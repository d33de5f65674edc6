import SamovarCore

/// A flight that callers share. Drives `Flight`: lock, ask, unlock, resume.
///
/// Lock order: the board, then a flight. Nothing is resumed, awaited or logged under either.
final class SharedFlight: Sendable {
    typealias Waiter = CheckedContinuation<Void, Never>

    /// What the flight was found to be, before its first chunk.
    enum Origin: Sendable {
        /// An upstream answers, in this form.
        case upstream(Form, usageAsked: Bool)
        /// Somebody's answer was there already.
        case stored(StoredAnswer, ServeResult)
    }

    private struct State: ~Copyable {
        var machine: Flight<Waiter>
        var origin: Origin?
        var usage: Usage?
        var isStored: Bool?
        /// Hung up when nobody is left to read: on whose behalf the attempt that is under way is made.
        var attempter: Caller?
        var isAbandoned = false
    }

    /// The request of the caller who was first: what is asked upstream.
    let request: Request
    let startedAt: Instant
    private let state: Lock<State>
    private let clock: any MonotonicClock

    init(_ request: Request, limits: Flight<Waiter>.Limits, clock: any MonotonicClock) {
        self.request = request
        self.clock = clock
        startedAt = clock.now
        let finishWhenLeft = request.sharing == .stored && request.route.finishWhenLeft
        state = Lock(State(machine: Flight(limits: limits, finishWhenLeft: finishWhenLeft)))
    }

    // MARK: Callers

    func join(ttl: Duration?) -> Flight<Waiter>.JoinAction {
        state.withLock { $0.machine.join(ttl: ttl) }
    }

    /// The follower has read enough, or has gone. Returns whether the flight is given up with it.
    @discardableResult
    func leave(_ follower: Flight<Waiter>.Follower) -> Bool {
        let action = state.withLock { $0.machine.leave(follower) }
        action.resume?.resume()
        if action.cancelUpstream { abandon() }
        return action.cancelUpstream
    }

    private func abandon() {
        let attempter = state.withLock { state in
            state.isAbandoned = true
            return state.attempter.take()
        }
        attempter?.hangUp(.cut)
    }

    /// An attempt begins; its caller goes when nobody is left to read.
    func makesAttempt(for caller: Caller) {
        let isAbandoned = state.withLock { state in
            if !state.isAbandoned { state.attempter = caller }
            return state.isAbandoned
        }
        if isAbandoned { caller.hangUp(.cut) }
    }

    /// What the follower sees at `index`, once there is something to see. Returns `.wait` only to a follower whose
    /// task was cancelled.
    func next(at index: Int, for follower: Flight<Waiter>.Follower) async -> Flight<Waiter>.ReadAction {
        while true {
            let action = state.withLock { $0.machine.read(at: index, by: follower, at: clock.now) }
            guard case .wait = action else { return action }
            if Task.isCancelled { return .wait }
            await withTaskCancellationHandler {
                await withCheckedContinuation { waiter in
                    // A chunk may have come between our look and our sleep: then the waiter comes straight back.
                    let awake = state.withLock { $0.machine.fallsAsleep(waiter, as: follower, at: index) }
                    awake?.resume()
                }
            } onCancel: {
                // Leaving wakes the sleeper. If it runs before the sleeper lies down, `fallsAsleep` finds the
                // follower gone and hands the waiter back.
                leave(follower)
            }
        }
    }

    /// What has come so far: all there is, once it has landed.
    var chunks: [Chunk] { state.withLock { $0.machine.log } }
    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }
    var origin: Origin? { state.withLock { $0.origin } }
    var usage: Usage? { state.withLock { $0.usage } }
    var isStored: Bool? { state.withLock { $0.isStored } }
    var ttlMax: Duration? { state.withLock { $0.machine.ttlMax } }

    // MARK: The call

    func began(_ form: Form, usageAsked: Bool) {
        state.withLock { $0.origin = .upstream(form, usageAsked: usageAsked) }
    }

    /// False: the answer has outgrown its limit.
    func append(_ chunk: Chunk) -> Bool {
        switch state.withLock({ $0.machine.append(chunk) }) {
        case .wake(let waiters):
            for waiter in waiters { waiter.resume() }
            return true
        case .tooLarge: return false
        }
    }

    func land(_ ending: Flight<Waiter>.Ending, usage: Usage? = nil, isStored: Bool? = nil) {
        let waiters = state.withLock { state in
            state.usage = usage
            state.isStored = isStored
            return state.machine.land(ending)
        }
        for waiter in waiters { waiter.resume() }
    }

    func land(with stored: StoredAnswer, from result: ServeResult) {
        let waiters = state.withLock { state in
            state.origin = .stored(stored, result)
            state.usage = stored.answer.usage
            return state.machine.land(.complete)
        }
        for waiter in waiters { waiter.resume() }
    }
}
