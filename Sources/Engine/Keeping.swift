import SamovarCore

/// What is kept of an answer, and what is not, wherever it came from.
extension Pipeline {
    /// What became of an answer.
    enum Kept {
        case stored(Answer)
        case notStored(NotStoredReason)

        /// What L2 is to keep.
        var answer: Answer? { if case .stored(let answer) = self { answer } else { nil } }
    }

    /// Puts what a flight has brought into L1, and counts what is not kept.
    func keep(_ outcome: AttemptLog.Outcome, of flight: SharedFlight) -> Kept {
        if flight.isInvalidated, case .whole = outcome { return notStored(.invalidated, flight.request) }
        let kept = keep(
            outcome, of: flight.request, ttlMax: flight.ttlMax, since: flight.startedAt, under: flight.generations)
        // Invalidated between our look and the cache: then nobody else takes it out.
        if flight.isInvalidated { l1.remove(flight.request.key) }
        return kept
    }

    /// Puts a complete answer into L1, and counts one that is not kept.
    func keep(
        _ outcome: AttemptLog.Outcome, of request: Request, ttlMax: Duration?, since startedAt: Instant,
        under generations: Generations
    ) -> Kept {
        let whole: AttemptLog.Whole
        switch outcome {
        case .failed(let failure): return notStored(NotStoredReason(failure), request)
        case .abandoned: return notStored(.abandoned, request)
        case .whole(let complete): whole = complete
        }
        switch request.sharing {
        case .alone(let reason): return notStored(reason, request)
        case .coalesced: return notStored(.sampling, request)
        case .stored: break
        }
        if let reason = whole.notStored { return notStored(reason, request) }
        let ttl = min(request.route.ttl, ttlMax ?? request.route.ttl)
        guard ttl > .zero else { return notStored(.noStore, request) }
        let now = clock.now
        let answer = Answer(
            recording: whole.recording, model: whole.model ?? request.model, createdAt: clock.wallNow,
            generationTime: startedAt.duration(to: now), usage: whole.usage, ttl: ttl,
            staleTTL: request.route.staleTTL, generations: generations)
        // L1 before the flight lands: whoever misses the flight must find the answer.
        let stored = StoredAnswer(answer, bornAt: now).refreshed(early: request.route.ladder.earlyRefresh)
        let suspect = l1.set(request.key, stored, since: startedAt)
        checked(request.key, answer, suspect)
        return .stored(answer)
    }

    /// Keeps what came from L2, if nothing is known against it.
    ///
    /// - Parameter startedAt: when the look for it began, or what it was looked up for.
    func fill(_ request: Request, _ stored: StoredAnswer, since startedAt: Instant) {
        guard coherence.allows(stored.answer.generations) else { return }
        let stored = stored.refreshed(early: request.route.ladder.earlyRefresh)
        checked(request.key, stored.answer, l1.fill(request.key, stored, since: startedAt))
    }

    /// What was heard while the answer was on its way into L1.
    private func checked(_ key: RequestKey, _ answer: Answer, _ suspect: UInt64?) {
        // Learned between the look into the book and the cache: then nobody else takes it out.
        if !coherence.allows(answer.generations) { l1.remove(key) }
        if let suspect { coherence.suspect(suspect) }
    }

    private func notStored(_ reason: NotStoredReason, _ request: Request) -> Kept {
        metrics.notStored[reason].add(1)
        if reason.isLasting {
            l1.mark(request.key, until: clock.now.advanced(by: settings.withLock { $0.markTTL }))
        }
        return .notStored(reason)
    }

    // MARK: By hand

    public enum PutAction: Sendable {
        case stored
        case notStored(NotStoredReason)
        /// It is no answer that an upstream could have given.
        case failed(Failure)
    }

    /// Stores an answer that somebody has, by the rules for what an upstream answers. Returns when both caches have it.
    ///
    /// - Parameter given: tells the answer as an upstream would.
    public func put(_ request: Request, from given: any Upstream, form: Form, ttlMax: Duration?) async -> PutAction {
        let limits = settings.withLock { $0.flightLimits.answer }
        let attempt = Attempt(request: request, form: form, includeUsage: false, limits: limits)
        let startedAt = clock.now
        let generations = await coherence.generations(for: request)
        let log = AttemptLog(attempt, startedAt: startedAt)
        do throws(Failure) {
            try await given.attempt(attempt, for: log.caller) { [clock] event throws(Failure) in
                switch event {
                case .began(let form): _ = log.began(form)
                case .chunk(let chunk, let facts): log.add(chunk, facts, at: clock.now)
                case .keepAlive, .rate: break
                }
            }
        } catch {
            return .failed(error)
        }
        let outcome = log.finish()
        if case .failed(let failure) = outcome { return .failed(failure) }
        switch keep(outcome, of: request, ttlMax: ttlMax, since: startedAt, under: generations) {
        case .notStored(let reason): return .notStored(reason)
        case .stored(let answer):
            await store?.set(request.key, answer)
            return .stored
        }
    }

    /// What became of an invalidation.
    public struct InvalidateAction: Hashable, Sendable {
        /// Entries of this process's memory that are gone.
        public let count: Int
        /// Whether the other processes are told. False: the second cache did not answer, and they serve what they have
        /// by its own lifetime.
        public let isShared: Bool

        public init(count: Int, isShared: Bool) {
            self.count = count
            self.isShared = isShared
        }
    }

    /// Makes the answer under the key unusable in both caches, and whatever is under way for it.
    public func invalidate(_ key: RequestKey) async -> InvalidateAction {
        metrics.invalidations[.key].add(1)
        // Flights first, which would keep what they bring; then L2, or a look-up in between would bring it back to L1.
        invalidateFlights(of: key)
        var isShared = true
        if let leases = store as? any LeaseStore {
            isShared = await leases.purge(key)
        } else {
            await store?.remove(key)
        }
        // A look-up that began before comes to L1 later: it is looked at when it does.
        if let name = l1.naming?(key) { _ = l1.hear(name, at: clock.now) }
        return InvalidateAction(count: l1.remove(key) ? 1 : 0, isShared: isShared)
    }

    /// Makes all answers of the scope unusable in both caches, and whatever is under way there: no names are listed,
    /// the scope's generation is raised.
    public func invalidate(_ scope: Scope) async -> InvalidateAction {
        metrics.invalidations[InvalidationTarget(scope.kind)].add(1)
        return await coherence.invalidate(scope)
    }
}

extension InvalidationTarget {
    init(_ kind: Scope.Kind) {
        switch kind {
        case .tenant: self = .tenant
        case .namespace: self = .namespace
        case .model: self = .model
        }
    }
}
