import SamovarCore

/// How flights are flown: look again, L2 or the lease, the attempt, what is kept, landing.
extension Pipeline {
    /// Flies all flights. Returns when `close` was called and the last one has landed; cancelling gives them up.
    public func run() async {
        await withTaskGroup(of: Void.self) { around in
            around.addTask { await self.coherence.run() }
            around.addTask {
                await self.embeddings?.run { flight, watcher in
                    await self.dispatch.fly(flight, limits: self.answerLimits, watcher: watcher)
                }
            }
            around.addTask { await self.fleet.run() }
            await self.flyAll()
            around.cancelAll()
        }
    }

    private func flyAll() async {
        await withTaskGroup(of: Void.self) { running in
            for (lane, takeoffs) in flights.takeoffs.enumerated() {
                if lanes.isEmpty {
                    running.addTask { await self.fly(takeoffs) }
                } else {
                    running.addTask(executorPreference: lanes[lane]) { await self.fly(takeoffs) }
                }
            }
        }
    }

    /// Flights of one lane; they inherit its executor.
    private func fly(_ takeoffs: AsyncStream<Flights.Takeoff>) async {
        await withDiscardingTaskGroup { flying in
            for await takeoff in takeoffs {
                // In this very turn, up to its first wait.
                flying.addImmediateTask { await self.fly(takeoff) }
            }
        }
    }

    /// No flight takes off any more.
    public func close() { flights.close() }

    /// Tells everyone who still waits that the process is shutting down.
    public func giveUp() { flights.landAll(.draining) }

    private func fly(_ takeoff: Flights.Takeoff) async {
        defer { flights.remove(takeoff) }
        let flight = takeoff.flight
        defer { if flight.isRefresh { refreshed(flight.request.key) } }
        if let stored = lookAgain(flight) { return land(takeoff, with: stored, from: .l1Hit) }
        await noteGenerations(takeoff)
        if let leased = leased(takeoff) { return await leased.fly() }
        if let (stored, result) = await lookElsewhere(flight) {
            return land(takeoff, with: stored, from: result)
        }
        guard let (_, kept) = await call(takeoff), let answer = kept, let store, !flight.isInvalidated else { return }
        // After landing, and after those whom it has woken: a slow L2 holds nobody up, and no fast one either.
        await Task.yield()
        await store.set(flight.request.key, answer)
    }

    /// What the flight begins under: asked for before anything is looked up or called for it.
    private func noteGenerations(_ takeoff: Flights.Takeoff) async {
        let flight = takeoff.flight
        if case .alone = flight.request.sharing { return }
        let generations = await coherence.generations(for: flight.request)
        flight.beginsUnder(generations)
        // Learned before the flight said what it is under: then nobody has told it.
        if !coherence.allows(generations) {
            flights.unlist(takeoff)
            flight.invalidate()
        }
    }

    /// L1 has it already: whoever misses the flight finds the answer.
    private func land(_ takeoff: Flights.Takeoff, with stored: StoredAnswer, from result: ServeResult) {
        flights.unlist(takeoff)
        takeoff.flight.land(with: stored, from: result)
    }

    /// The flight's way with other pods; nil where it goes without them.
    private func leased(_ takeoff: Flights.Takeoff) -> LeasedFlight? {
        let request = takeoff.flight.request
        if case .alone = request.sharing { return nil }
        guard let leases, let settings = settings.withLock({ $0.lease }), !l1.isMarked(request.key, at: clock.now)
        else { return nil }
        let around = LeasedFlight.Surroundings(
            call: { await self.call(takeoff, $0) },
            unlist: { self.flights.unlist(takeoff) },
            fill: { stored in
                guard !takeoff.flight.isInvalidated else { return }
                self.fill(request, stored, since: takeoff.flight.startedAt)
                // Invalidated between our look and the cache: then nobody else takes it out.
                if takeoff.flight.isInvalidated { self.l1.remove(request.key) }
            },
            drop: { self.l1.remove(request.key) },
            allows: { self.coherence.allows($0.answer.generations) && !takeoff.flight.isInvalidated },
            metrics: metrics, clock: clock, store: leases)
        return LeasedFlight(takeoff.flight, settings: settings, around: around)
    }

    /// Waits for the flight's turn, asks the upstream, keeps the answer in L1 and lands the flight. Returns how it ended,
    /// and what L2 is to keep; nil where the watcher has held it back.
    private func call(
        _ takeoff: Flights.Takeoff, _ watcher: Dispatch.Watcher = Dispatch.Watcher()
    ) async -> (LeaseMachine.Ended, Answer?)? {
        let flight = takeoff.flight
        guard case .outcome(let outcome) = await flown(flight, watcher) else { return nil }
        if bugs.contains(.unlistedBeforeKept) {
            flights.unlist(takeoff)
            await Task.yield()
        }
        if case .failed(let failure) = outcome, failure.permitsStale { await lookAside(flight) }
        let answer = keep(outcome, of: flight).answer
        flights.unlist(takeoff)
        return (land(flight, outcome, isStored: answer != nil), answer)
    }

    /// By a call of its own, or by one together with others.
    private func flown(_ flight: SharedFlight, _ watcher: Dispatch.Watcher) async -> Dispatch.Flown {
        // Whoever wanted it may have gone during the look-up.
        if flight.isGivenUp { return .outcome(.abandoned) }
        if let flown = await embeddings?.attempt(flight, watcher) { return flown }
        return await dispatch.fly(flight, limits: answerLimits, watcher: watcher)
    }

    private var answerLimits: AnswerLimits { settings.withLock { $0.flightLimits.answer } }

    /// An answer that has come meanwhile.
    private func lookAgain(_ flight: SharedFlight) -> StoredAnswer? {
        let request = flight.request
        guard request.sharing == .stored, !request.controls.noCache, !bugs.contains(.noSecondLook) else { return nil }
        // The flight before this one may have landed between our caller's miss and its join. Without this second
        // look the same prompt is paid for twice. (groupcache.go, `load`.)
        let now = clock.now
        guard let stored = l1.get(request.key, at: now),
            suffices(stored, for: flight, at: now)
        else { return nil }
        return stored
    }

    /// Whether there is nothing left to fly for.
    private func suffices(_ stored: StoredAnswer, for flight: SharedFlight, at now: Instant) -> Bool {
        switch flight.purpose {
        case .callers: stored.freshness.verdict(for: flight.request.controls, at: now) == .fresh
        case .refresh: now < stored.freshness.quietUntil
        }
    }

    /// A refresh is over. If it came to nothing, the next one waits.
    private func refreshed(_ key: RequestKey) {
        let now = clock.now
        if let stored = l1.get(key, at: now), now < stored.freshness.quietUntil { return }
        refreshes.failed(key, at: now)
    }

    /// The call has failed, and it was never learned what L2 has: an expired answer would do now.
    private func lookAside(_ flight: SharedFlight) async {
        let request = flight.request
        guard leases != nil, request.sharing == .stored, !flight.hasHeardStore, !flight.isRefresh,
            l1.get(request.key, at: clock.now) == nil, let stored = await store?.get(request.key),
            coherence.allows(stored.answer.generations)
        else { return }
        flight.heardStore(stored)
        fill(request, stored, since: flight.startedAt)
        // Invalidated between our look and the cache: then nobody else takes it out.
        if flight.isInvalidated { l1.remove(request.key) }
    }

    /// L2's answer.
    private func lookElsewhere(_ flight: SharedFlight) async -> (StoredAnswer, ServeResult)? {
        let request = flight.request
        guard request.sharing == .stored, !request.controls.noCache, !bugs.contains(.noSecondLook),
            !l1.isMarked(request.key, at: clock.now), let found = await store?.get(request.key),
            coherence.allows(found.answer.generations), !flight.isInvalidated
        else { return nil }
        let stored = found.refreshed(early: request.route.ladder.earlyRefresh)
        fill(request, stored, since: flight.startedAt)
        flight.heardStore(stored)
        // Invalidated between our look and the cache: then nobody else takes it out.
        if flight.isInvalidated { l1.remove(request.key) }
        // An expired one stays in L1 for when the upstream fails.
        if flight.isRefresh { return suffices(stored, for: flight, at: clock.now) ? (stored, .l2Hit) : nil }
        let verdict = stored.freshness.verdict(for: request.controls, at: clock.now)
        return verdict == .fresh || verdict == .stale ? (stored, .l2Hit) : nil
    }

    private func land(
        _ flight: SharedFlight, _ outcome: AttemptLog.Outcome, isStored: Bool
    ) -> LeaseMachine.Ended {
        switch outcome {
        case .whole(let whole):
            if let arm = flight.request.arm, let usage = whole.usage {
                let money = settings.withLock { $0.prices.microUSD(of: usage, model: flight.request.model) }
                metrics.figures(of: arm).spent(usage, microUSD: money)
            }
            flight.land(.complete, usage: whole.usage, isStored: isStored)
            return .whole(
                stores: isStored,
                PublishedForm(whole.recording.form, usageAsked: whole.recording.usageAsked), usage: whole.usage)
        case .failed(let failure):
            flight.land(.failed(failure))
            return .failed(failure)
        case .abandoned:
            flight.land(.failed(.cut))
            return .failed(.cut)
        }
    }
}
