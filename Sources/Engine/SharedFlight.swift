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
        /// Another pod's call is followed, which is answered in this form.
        case elsewhere(Form, usageAsked: Bool)
        /// Somebody's answer was there already.
        case stored(StoredAnswer, ServeResult)
    }

    /// For whom it flies.
    enum Purpose: Hashable, Sendable {
        /// For callers who wait.
        case callers
        /// For those who come later: an answer is served that is to be made anew. It begins without a follower, and of
        /// everything that waits for an upstream it is the first to give way.
        ///
        /// - Parameter needed: how much of its fresh life an answer must have left that makes it needless.
        case refresh(needed: Duration)
    }

    private struct State: ~Copyable {
        var machine: Flight<Waiter>
        var origin: Origin?
        var usage: Usage?
        var isStored: Bool?
        /// Hung up when the call is given up: on whose behalf the attempt that is under way is made.
        var attempter: Caller?
        var isGivenUp = false
        /// What to do in place of that when the last follower leaves: pods elsewhere may still read.
        var whenLeft: (@Sendable () -> Void)?
        var isLeft = false
        var isInvalidated = false
        var whenInvalidated: (@Sendable () -> Void)?
        /// What to do when another caller joins, with how many there are then.
        var whenJoined: (@Sendable (Request, Int) -> Void)?
        var generations = Generations()
        /// When the latest of its callers came, and the class of the most urgent one.
        var joinedAt: Instant
        var requestClass: RequestClass
        /// What L2 had, and was not fresh enough.
        var aside: StoredAnswer?
        /// Whether L2 has said what it has.
        var hasHeardStore = false
    }

    let purpose: Purpose
    /// The request of the caller who was first: what is asked upstream.
    let request: Request
    let startedAt: Instant
    private let state: Lock<State>
    private let clock: any MonotonicClock

    init(
        _ request: Request, limits: Flight<Waiter>.Limits, clock: any MonotonicClock, for purpose: Purpose = .callers
    ) {
        self.request = request
        self.purpose = purpose
        self.clock = clock
        startedAt = clock.now
        let finishWhenLeft = purpose != .callers || (request.sharing == .stored && request.route.finishWhenLeft)
        state = Lock(
            State(
                machine: Flight(limits: limits, finishWhenLeft: finishWhenLeft), joinedAt: startedAt,
                requestClass: purpose == .callers ? request.requestClass : max(request.requestClass, .batch)))
    }

    // MARK: Callers

    func join(ttl: Duration?) -> Flight<Waiter>.JoinAction {
        state.withLock { $0.machine.join(ttl: ttl) }
    }

    /// This caller has joined after the first: whoever waits for the flight's turn is told.
    func tellJoined(_ request: Request) {
        let now = clock.now
        let (whenJoined, count) = state.withLock { state in
            state.joinedAt = max(state.joinedAt, now)
            state.requestClass = min(state.requestClass, request.requestClass)
            return (state.whenJoined, state.machine.followerCount)
        }
        whenJoined?(request, count)
    }

    /// Leaves it to `body` what happens when more callers join; nil: nothing.
    func whenJoined(_ body: (@Sendable (Request, Int) -> Void)?) { state.withLock { $0.whenJoined = body } }

    var joinedAt: Instant { state.withLock { $0.joinedAt } }
    var requestClass: RequestClass { state.withLock { $0.requestClass } }
    var followerCount: Int { state.withLock { $0.machine.followerCount } }

    /// The follower has read enough, or has gone. Returns whether the flight is given up with it.
    @discardableResult
    func leave(_ follower: Flight<Waiter>.Follower) -> Bool {
        let action = state.withLock { $0.machine.leave(follower) }
        action.resume?.resume()
        if action.cancelUpstream { left() }
        return action.cancelUpstream
    }

    /// It goes on when nobody is left, if anything comes of that.
    func finishesWhenLeft() {
        guard request.sharing == .stored else { return }
        state.withLock { $0.machine.finishesWhenLeft() }
    }

    private func left() {
        let whenLeft = state.withLock { state in
            state.isLeft = true
            return state.whenLeft
        }
        if let whenLeft { whenLeft() } else { giveUp() }
    }

    /// Leaves it to `body` what happens when the last follower has left. At once if that is so already.
    func whenLeft(_ body: @escaping @Sendable () -> Void) {
        let isLeft = state.withLock { state in
            state.whenLeft = body
            return state.isLeft
        }
        if isLeft { body() }
    }

    /// The attempt that is under way is given up, and none is made any more.
    func giveUp() {
        let attempter = state.withLock { state in
            state.isGivenUp = true
            return state.attempter.take()
        }
        attempter?.hangUp(.cut)
    }

    /// What it brings is for those who are on it, and not to be kept.
    func invalidate() {
        let whenInvalidated = state.withLock { state in
            state.isInvalidated = true
            return state.whenInvalidated
        }
        whenInvalidated?()
    }

    /// At once if it was invalidated already.
    func whenInvalidated(_ body: @escaping @Sendable () -> Void) {
        let isInvalidated = state.withLock { state in
            state.whenInvalidated = body
            return state.isInvalidated
        }
        if isInvalidated { body() }
    }

    /// Lets go of what was to be told.
    func forgetListeners() {
        state.withLock { state in
            state.whenLeft = nil
            state.whenInvalidated = nil
        }
    }

    /// An attempt begins; its caller goes when the attempt is given up.
    func makesAttempt(for caller: Caller) {
        let isGivenUp = state.withLock { state in
            if !state.isGivenUp { state.attempter = caller }
            return state.isGivenUp
        }
        if isGivenUp { caller.hangUp(.cut) }
    }

    /// Has the follower look up from its sleep.
    func rouse(_ follower: Flight<Waiter>.Follower) {
        let waiter = state.withLock { $0.machine.rouse(follower) }
        waiter?.resume()
    }

    /// What the follower sees at `index`, once there is something to see. Returns `.wait` only to a follower whose
    /// task was cancelled, or whose alarm has rung.
    ///
    /// - Parameter alarm: whoever rings it rouses the follower afterwards.
    func next(
        at index: Int, for follower: Flight<Waiter>.Follower, until alarm: Alarm? = nil
    ) async -> Flight<Waiter>.ReadAction {
        while true {
            let action = state.withLock { $0.machine.read(at: index, by: follower, at: clock.now) }
            guard case .wait = action else { return action }
            if Task.isCancelled || alarm?.hasRung == true { return .wait }
            await withTaskCancellationHandler {
                await withCheckedContinuation { waiter in
                    // A chunk may have come between our look and our sleep: then the waiter comes straight back. So may
                    // the alarm, which is looked at under the lock: it rings before it rouses.
                    let awake = state.withLock { state in
                        alarm?.hasRung == true
                            ? waiter : state.machine.fallsAsleep(waiter, as: follower, at: index)
                    }
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
    var isGivenUp: Bool { state.withLock { $0.isGivenUp } }
    var isInvalidated: Bool { state.withLock { $0.isInvalidated } }
    var origin: Origin? { state.withLock { $0.origin } }
    var usage: Usage? { state.withLock { $0.usage } }
    var isStored: Bool? { state.withLock { $0.isStored } }
    /// What it was begun under; of no scope before that is known.
    var generations: Generations { state.withLock { $0.generations } }
    var ttlMax: Duration? { state.withLock { $0.machine.ttlMax } }
    var isRefresh: Bool { purpose != .callers }

    // MARK: What L2 has

    /// L2 has said what it has; nil: nothing.
    func heardStore(_ stored: StoredAnswer?) {
        state.withLock { state in
            state.hasHeardStore = true
            if let stored { state.aside = stored }
        }
    }

    var hasHeardStore: Bool { state.withLock { $0.hasHeardStore } }
    /// What L2 had and was not fresh enough, for when the call fails. L1 may have had no room for it.
    var aside: StoredAnswer? { state.withLock { $0.isInvalidated ? nil : $0.aside } }

    // MARK: The call

    func beginsUnder(_ generations: Generations) { state.withLock { $0.generations = generations } }

    func began(_ form: Form, usageAsked: Bool) {
        state.withLock { $0.origin = .upstream(form, usageAsked: usageAsked) }
    }

    /// Another pod's call is answered in this form.
    func beganElsewhere(_ form: PublishedForm) {
        state.withLock { $0.origin = .elsewhere(form.form, usageAsked: form.usageAsked) }
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
