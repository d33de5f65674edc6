import SamovarCore

/// What callers are served in place of an upstream's answer, or before it. Drives `Ladder`.
extension Pipeline {
    // MARK: Before a flight

    /// What of L1 is no hit like others: near its end, expired, or judged by the caller's own wishes.
    func findNearEnd(_ stored: StoredAnswer, _ request: Request, at now: Instant) -> (StoredAnswer, Provenance)? {
        let look = Ladder.look(stored, request.controls, request.route.ladder, draw: draw(), at: now)
        switch look {
        case .fresh: return (stored, Self.provenance(of: stored, .l1Hit, at: now))
        case .stale: return (stored, Self.provenance(of: stored, .stale, at: now))
        case .refreshEarly:
            guard let begins = refresh(stored, request, at: now) else { return nil }
            // Somebody else's dice were first.
            guard begins else { return (stored, Self.provenance(of: stored, .l1Hit, at: now)) }
            return (stored, stepped(stored, .l1Hit, .earlyRefresh, request, at: now))
        case .staleWhileRevalidate:
            guard refresh(stored, request, at: now) != nil else { return nil }
            return (stored, stepped(stored, .stale, .staleWhileRevalidate, request, at: now))
        case .nothing: return nil
        }
    }

    private func stepped(
        _ stored: StoredAnswer, _ result: ServeResult, _ step: LadderStep, _ request: Request, at now: Instant
    ) -> Provenance {
        metrics.laddered(request.route.name, step)
        return Self.provenance(of: stored, result, at: now, step: step)
    }

    /// Has the answer made anew, by a flight that nobody waits for. Returns whether it begins, and is not under way or to
    /// be left alone for now; nil where only the request's body is missing for it.
    private func refresh(_ stored: StoredAnswer, _ request: Request, at now: Instant) -> Bool? {
        // Who wants what is there alone has nothing called for it.
        guard !request.controls.onlyIfCached, refreshes.mayBegin(request.key, at: now),
            !l1.isMarked(request.key, at: now), !flights.isFlying(request.key)
        else { return false }
        if request.body == nil, request.kind != .models { return nil }
        // Whatever of L2 would itself be made anew by now does not help.
        let window = stored.freshness.quietUntil.duration(
            to: stored.freshness.bornAt.advanced(by: stored.freshness.ttl))
        return flights.refresh(request, needed: window, lane: Int(truncatingIfNeeded: request.key.cacheHash >> 33))
    }

    // MARK: When a flight brings nothing

    /// The way down, to its end.
    func descend(
        _ ladder: inout Ladder, from request: Request, after failure: Failure, isFollower: Bool, on visit: Visit,
        aside: StoredAnswer? = nil
    ) async -> Reply {
        if let reply = await step(&ladder, from: request, after: .failed(failure), on: visit, aside: aside) {
            return reply
        }
        if failure.permitsStale { metrics.laddered(request.route.name, .refused) }
        return .failed(failure, isFollower: isFollower)
    }

    /// The next step that can be served; nil where there is none.
    func step(
        _ ladder: inout Ladder, from request: Request, after reason: Ladder.Reason, on visit: Visit,
        aside: StoredAnswer?
    ) async -> Reply? {
        while visit.caller.gone == nil {
            let now = clock.now
            let stored = l1.get(request.key, at: now) ?? aside
            switch ladder.next(after: reason, stored: stored?.freshness, at: now) {
            case .stale:
                guard let stored else { return nil }
                countSaved(stored.answer.usage, model: stored.answer.model)
                return .stored(stored, stepped(stored, .stale, .staleIfBusy, request, at: now))
            case .fallback(let place):
                guard let reply = await fallBack(from: request, to: place, on: visit) else { continue }
                metrics.laddered(request.route.name, .fallback)
                return reply
            case .fixedAnswer(let text):
                metrics.laddered(request.route.name, .fixedAnswer)
                return .fixed(text, Provenance(result: .fallback, stored: false, step: .fixedAnswer))
            case .wait, .refuse: return nil
            }
        }
        return nil
    }

    /// Another model's answer, or another upstream's: a request of its own, in the caches and in the air. Nil where that
    /// fails too.
    private func fallBack(from request: Request, to place: Int, on visit: Visit) async -> Reply? {
        guard let other = request.fallingBack(to: place) else { return nil }
        if let (stored, provenance) = find(other, at: clock.now) {
            countSaved(stored.answer.usage, model: stored.answer.model)
            return .stored(stored, provenance.fallenBack)
        }
        for mustBeNew in [other.controls.noCache, true] {
            guard let seat = try? visit.join(other, mustBeNew: mustBeNew, since: coherence.trustedSince) else {
                return nil
            }
            switch await settle(other, seat) {
            case .reply(.stored(let stored, let provenance)): return .stored(stored, provenance.fallenBack)
            case .reply(.whole(let whole, let provenance)): return .whole(whole, provenance.fallenBack)
            case .reply(.live(let live, let provenance)): return .live(live, provenance.fallenBack)
            case .unfit: visit.leave(seat)
            case .reply, .failed, .late:
                visit.leave(seat)
                return nil
            }
        }
        return nil
    }
}

extension Provenance {
    fileprivate var fallenBack: Provenance {
        var provenance = self
        provenance.result = .fallback
        provenance.step = .fallback
        return provenance
    }
}
