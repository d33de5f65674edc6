/// The way of one flight through the lease of its key: who calls the upstream, this pod or another.
///
///     idle ──begin──▶ acquiring ── hit, poisoned ──────────────────────────────────────────────▶ over
///                      ▲  ▲  │
///                      │  │  ├─ leads, or unavailable: alone ─▶ ready ──calls──▶ calling ──ended──▶ ending ──▶ over
///                      │  │  │                                   │ ▲ renewed
///                      │  │  │                 waited too long ──▼ │
///                      │  └──┼───────────── lost ──────────── refreshing
///                      │     │
///                      │     └─ follows ─▶ following ── whole, or failed for good ────────────────▶ over
///                      │                       │ ├─ ends badly, something was delivered: fails ────▶ over (buries a dead pod)
///                      └── steal, or acquire ──┘ └─ cannot be read: alone ─▶ ready
///                          nothing was delivered
///
/// The lease is for cost only (Kleppmann, "How to do distributed locking", 2016): to lose it may waste a call and
/// never gives a wrong answer. What is right rests on two other rules. A flight's chunks are of one attempt only: where
/// that one ends badly after something was delivered, the flight fails. And what is stored is bound to its key, and is
/// refused where the key was purged since its attempt began: by the lease, or by what the purge left behind.
///
/// **Driving it.** One machine a flight, under a lock. Every event returns actions: unlock, perform them in order, and
/// report back what they are answered with (see `Action`). Call `tick` at `next`, which may have moved after any event.
/// Nothing here retries a command of the store; nothing here waits. The flight's own callers are landed by the machine
/// only where another's answer or failure is what they get (`hit`, `complete`, `fail`): the outcome of a call of its
/// own the driver lands itself, at once, and tells the machine (`ended`), which then sees to the shared cache.
///
///     let actions = machine.begin(at: now)                        [acquire]
///     machine.replied(.leads(sight, nil), at: now)                [announce, call(.leads)]
///     machine.waits(until: deadline, at: now)                     where it has to, before the upstream
///     machine.calls(progressUntil: deadline, at: now)             .go, or else .notYet([renew])
///     machine.received(chunk, form, progressUntil:, at: now)      [] or [publish]
///     machine.ended(.whole(stores: true, usage), at: now)         [publish]?, then [commit]
///     machine.committed(.stored, at: now)                         [withdraw]; isOver
///
/// At most one `publish` or `commit` is under way at a time, so what is published stays in order without a queue of the
/// driver's; a `renew` may be under way beside it. An event that comes too late (news of a stream that is followed no
/// more, a chunk after the end) changes nothing.
public struct LeaseMachine: Sendable {
    /// What a flight wants of its key.
    public struct Wish: Sendable {
        /// How much of its fresh life a stored answer must have left; nil: none will do.
        public var needed: Duration?
        /// Whether the answer of an attempt will do that is under way already. Not for `no-cache`.
        public var mayFollow: Bool
        /// Goes on when no local caller is left, for the cache's sake.
        public var finishWhenLeft: Bool
        /// When the flight's time is up.
        public var deadline: Instant

        public init(
            needed: Duration? = .zero, mayFollow: Bool = true, finishWhenLeft: Bool = false, deadline: Instant
        ) {
            self.needed = needed
            self.mayFollow = mayFollow
            self.finishWhenLeft = finishWhenLeft
            self.deadline = deadline
        }
    }

    enum Phase {
        case idle
        case acquiring
        /// The upstream is to be called.
        case ready
        /// The lease has become too old for that: it is renewed first.
        case refreshing
        case calling
        case following
        /// The flight has failed; a dead pod's lease is taken away for those who come after it.
        case burying
        /// The call has ended; the shared cache is told.
        case ending(Ended)
        /// A call without the lease has ended, and the answer is being stored.
        case setting
        case over
    }

    let settings: LeaseSettings
    let wish: Wish
    /// What this flight's own call is known by in the fleet, if it comes to one. Another one after an `acquire` that
    /// follows a lost lease, so it is read when an action is performed.
    public internal(set) var attempt: AttemptID
    let bugs: SeededBugs

    var phase = Phase.idle
    public internal(set) var standing: Standing?
    /// When the first question was sent, and the last.
    var beganAt = Instant.zero
    var askedAt = Instant.zero
    /// Whether a question's reply was never learned: then the lease may be this attempt's without its knowing.
    var mayHoldUnknowingly = false
    /// Whether what was stored has been found not to do.
    var hasRefused = false
    /// No local caller is left.
    var isLeft = false
    /// The key was invalidated since the flight began.
    var isInvalidated = false
    /// Attempts whose stream turned out to be of no use.
    var spent: [AttemptID] = []
    /// How often the lease was asked for after following in vain.
    var reacquireCount = 0
    /// How many attempts are known to have failed.
    var failureCount = 0

    /// While following.
    var remote: Remote?
    /// While leading.
    var heart: Heart?
    var publication: Publication
    /// Whether the end was told to those who follow, or is nobody's business.
    var hasToldEnd = false
    /// The last that was heard of pods that follow, and when.
    var isFollowed = false
    var followedAt = Instant.zero

    /// - Parameter attempt: random, and used for no other flight.
    public init(_ wish: Wish, attempt: AttemptID, settings: LeaseSettings = LeaseSettings()) {
        self.init(wish, attempt: attempt, settings: settings, bugs: [])
    }

    package init(_ wish: Wish, attempt: AttemptID, settings: LeaseSettings, bugs: SeededBugs) {
        self.wish = wish
        self.attempt = attempt
        self.settings = settings
        self.bugs = bugs
        publication = Publication(settings)
    }

    /// Nothing is left to do: no action will come any more.
    public var isOver: Bool { if case .over = phase { true } else { false } }

    /// When to call `tick`; `never` where only an event goes on.
    public var next: Instant {
        switch phase {
        case .idle, .acquiring, .refreshing, .burying, .setting, .over: .never
        case .ready: standing == .leads ? heart?.next ?? .never : .never
        case .calling: standing == .leads ? min(heart?.next ?? .never, publication.next) : .never
        case .ending: publication.next
        case .following: remote.map { min($0.next, wish.deadline) } ?? .never
        }
    }

    // MARK: Asking

    /// The flight takes off.
    public mutating func begin(at now: Instant) -> [Action] {
        guard case .idle = phase else { return [] }
        beganAt = now
        return acquire(wish.needed, at: now)
    }

    func needed(again: Bool) -> Duration? { again ? wish.needed ?? .zero : wish.needed }

    mutating func acquire(_ needed: Duration?, at now: Instant) -> [Action] {
        phase = .acquiring
        askedAt = now
        return [.acquire(needed: needed)]
    }

    /// What the store says to `acquire` or `steal`.
    ///
    /// - Parameter suits: of a hit, whether it does for this flight's callers and was made under what this pod knows
    ///   of invalidations. Where it does not, the lease is asked for whatever is stored.
    public mutating func replied(_ reply: LeaseReply, suits: Bool = true, at now: Instant) -> [Action] {
        if case .burying = phase { return buried(reply) }
        guard case .acquiring = phase else { return [] }
        if isLeft, !wish.finishWhenLeft { return repliedToNobody(reply) }
        switch reply {
        case .hit(let stored) where suits:
            phase = .over
            return [.hit(stored)]
        case .hit(let stored):
            return [.keep(stored)] + refused(at: now)
        case .leads(_, let stored) where isInvalidated && !bugs.contains(.keepsInvalidated):
            return keep(stored) + leadNobody()
        case .leads(_, let stored):
            phase = .ready
            standing = .leads
            return keep(stored) + [.announce, .call(.leads)]
        case .follows(_, let stored) where isLeft:
            // The one who leads stores the answer.
            phase = .over
            return keep(stored)
        case .follows(let sight, let stored):
            return keep(stored) + follow(sight, at: now)
        case .poisoned:
            phase = .over
            return [.fail(.limited(limit: "takeovers_max", retryAfter: settings.poisonedRetryAfter))]
        case .unavailable:
            mayHoldUnknowingly = true
            return goAlone(.unavailable)
        }
    }

    private func keep(_ stored: StoredAnswer?) -> [Action] { stored.map { [.keep($0)] } ?? [] }

    /// The lease may have become this attempt's without its knowing: nobody is to wait for it.
    var releaseUnknown: [Action] { mayHoldUnknowingly ? [.abort(nil)] : [] }

    /// The callers left while the question was under way.
    private mutating func repliedToNobody(_ reply: LeaseReply) -> [Action] {
        phase = .over
        switch reply {
        case .hit(let stored): return [.keep(stored)]
        case .leads(_, let stored): return keep(stored) + [.abort(.failed(.cut, isRetryable: true))]
        case .follows(_, let stored): return keep(stored)
        case .unavailable: return [.abort(nil)]
        case .poisoned: return []
        }
    }

    /// What is stored does not do: take the lease in spite of it, once, and within the stage's time.
    private mutating func refused(at now: Instant) -> [Action] {
        guard !hasRefused, beganAt.duration(to: now) < settings.stageTimeout else { return goAlone(.exhausted) }
        hasRefused = true
        return acquire(nil, at: now)
    }

    mutating func goAlone(_ reason: LoneReason) -> [Action] {
        phase = .ready
        standing = .alone(reason)
        return [.call(.alone(reason))]
    }

    // MARK: Callers

    /// No local caller is left.
    public mutating func left(at now: Instant) -> [Action] {
        isLeft = true
        switch phase {
        case .following:
            // The one who leads stores the answer.
            phase = .over
            remote = nil
            return [.unfollow]
        case .ready where !wish.finishWhenLeft, .refreshing where !wish.finishWhenLeft:
            phase = .over
            guard standing == .leads else { return [.cancelUpstream] + releaseUnknown }
            return [.cancelUpstream, .abort(.failed(.cut, isRetryable: true)), .withdraw(attempt)]
        case .calling: return cancelIfUnwanted()
        case .idle, .acquiring, .ready, .refreshing, .burying, .ending, .setting, .over: return []
        }
    }

    /// Time has passed.
    public mutating func tick(at now: Instant) -> [Action] {
        switch phase {
        case .ready where standing == .leads: beat(at: now)
        case .calling where standing == .leads: beat(at: now) + publish(at: now)
        case .ending: settle(at: now)
        case .following: look(at: now)
        case .idle, .acquiring, .ready, .refreshing, .burying, .calling, .setting, .over: []
        }
    }
}
