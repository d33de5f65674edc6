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
        let kept = keep(outcome, of: flight.request, ttlMax: flight.ttlMax, since: flight.startedAt)
        // Invalidated between our look and the cache: then nobody else takes it out.
        if flight.isInvalidated { l1.remove(flight.request.key) }
        return kept
    }

    /// Puts a complete answer into L1, and counts one that is not kept.
    func keep(_ outcome: AttemptLog.Outcome, of request: Request, ttlMax: Duration?, since startedAt: Instant) -> Kept {
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
            staleTTL: request.route.staleTTL)
        // L1 before the flight lands: whoever misses the flight must find the answer.
        l1.set(request.key, StoredAnswer(answer, bornAt: now))
        return .stored(answer)
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
        let log = AttemptLog(attempt, startedAt: startedAt)
        do throws(Failure) {
            try await given.attempt(attempt, for: log.caller) { [clock] event throws(Failure) in
                switch event {
                case .began(let form): _ = log.began(form)
                case .chunk(let chunk, let facts): log.add(chunk, facts, at: clock.now)
                case .keepAlive: break
                }
            }
        } catch {
            return .failed(error)
        }
        let outcome = log.finish()
        if case .failed(let failure) = outcome { return .failed(failure) }
        switch keep(outcome, of: request, ttlMax: ttlMax, since: startedAt) {
        case .notStored(let reason): return .notStored(reason)
        case .stored(let answer):
            await store?.set(request.key, answer)
            return .stored
        }
    }

    /// Makes the answer under the key unusable in both caches. Returns how many entries of this process are gone.
    public func invalidate(_ key: RequestKey) async -> Int {
        // Flights first, which would keep what they bring; then L2, or a look-up in between would bring it back to L1.
        invalidateFlights(of: key)
        if let leases = store as? any LeaseStore { _ = await leases.purge(key) } else { await store?.remove(key) }
        return l1.remove(key) ? 1 : 0
    }
}
