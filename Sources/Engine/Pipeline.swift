import Glibc
import SamovarCore

/// The way of one request.
///
///     caller ─ serve ─▶ look (L1) ─▶ join a flight ─▶ settle ─▶ deliver
///                                        │ new: takes off  ╰─ busy, down, late: Pipeline+Ladder
///     run ────────────▶ fly: look again ─▶ L2 ─▶ attempt ─▶ keep (L1) ─▶ land ─▶ keep (L2)
///                            with other pods: L2 and lease in one, then the attempt or another pod's (LeasedFlight)
///
/// A flight belongs to `run`, not to the caller who was first: callers only follow.
public final class Pipeline: Sendable {
    /// What may be changed while it runs.
    public struct Settings: Sendable {
        public var flightsMax: Int
        public var flightLimits: FlightLimits
        /// `body_size_max`: what is asked of an upstream for several callers stays within it, in bytes.
        public var bodySizeMax: Int
        public var markTTL: Duration
        public var prices: PriceTable
        /// How calls are shared with other pods; nil: they are not.
        public var lease: LeaseSettings?
        /// What L1 serves while it does not hear of changes in L2. Of what it was made with; not to be changed later.
        public var onTrackingLoss: Tracking.OnLoss
        public var admission: AdmissionSettings
        /// How upstreams' limits are shared with other pods; nil: they are this process's alone.
        public var fleet: FleetShare.Settings?
        /// Other limits of upstreams that there are; those not named keep theirs.
        public var upstreams: [UpstreamLimits]

        public init(
            flightsMax: Int = 4_096, flightLimits: FlightLimits = FlightLimits(), bodySizeMax: Int = 8 << 20,
            markTTL: Duration = .seconds(10),
            prices: PriceTable = PriceTable(), lease: LeaseSettings? = LeaseSettings(),
            onTrackingLoss: Tracking.OnLoss = .serve, admission: AdmissionSettings = AdmissionSettings(),
            fleet: FleetShare.Settings? = nil, upstreams: [UpstreamLimits] = []
        ) {
            self.flightsMax = flightsMax
            self.flightLimits = flightLimits
            self.bodySizeMax = bodySizeMax
            self.markTTL = markTTL
            self.prices = prices
            self.lease = lease
            self.onTrackingLoss = onTrackingLoss
            self.admission = admission
            self.fleet = fleet
            self.upstreams = upstreams
        }
    }

    public let metrics: Metrics
    public let l1: MemoryCache
    let store: (any Store)?
    /// The store, where calls can be shared through it.
    let leases: (any LeaseStore)?
    /// Who flies when, and where to.
    let dispatch: Dispatch
    /// Nil: each embedding is a call of its own.
    let embeddings: EmbeddingBatches?
    let flights: Flights
    /// L1 and flights in step with L2.
    let coherence: Coherence
    /// This pod's part of what upstreams take.
    let fleet: FleetBudget
    let clock: any MonotonicClock
    let settings: Lock<Settings>
    let lanes: [any TaskExecutor]
    let bugs: Set<SeededBug>
    /// Throws dice: exponentially distributed, with mean 1.
    let draw: @Sendable () -> Double
    let refreshes = Refreshes()

    /// - Parameters:
    ///   - lanes: where flights are flown: the executor of each event loop, so that a miss stays on the
    ///     thread on which it came. Empty: wherever `run` runs.
    ///   - embeddings: how embeddings are spelled that are asked for together, where a route wants that.
    public convenience init(
        l1: MemoryCache, store: (any Store)?, upstreams: UpstreamPool, clock: any MonotonicClock, metrics: Metrics,
        settings: Settings, lanes: [any TaskExecutor] = [], embeddings: (any EmbeddingSpelling)? = nil
    ) {
        self.init(
            l1: l1, store: store, upstreams: upstreams, clock: clock, metrics: metrics, settings: settings,
            lanes: lanes, embeddings: embeddings, bugs: [])
    }

    /// Bugs that tests put in, to see that they would be found.
    enum SeededBug {
        case noSecondLook
        case unlistedBeforeKept
    }

    init(
        l1: MemoryCache, store: (any Store)?, upstreams: UpstreamPool, clock: any MonotonicClock, metrics: Metrics,
        settings: Settings, lanes: [any TaskExecutor] = [], embeddings: (any EmbeddingSpelling)? = nil,
        bugs: Set<SeededBug>, order: AdmissionQueue.SeededOrder? = nil,
        draw: @escaping @Sendable () -> Double = { -log(Double.random(in: 0.0.nextUp...1)) }
    ) {
        self.draw = draw
        self.lanes = lanes
        self.bugs = bugs
        self.l1 = l1
        self.store = store
        leases = store as? any LeaseStore
        self.clock = clock
        self.metrics = metrics
        dispatch = Dispatch(
            Dispatcher(upstreams.limits, settings: settings.admission, order: order, at: clock.now), upstreams,
            attempts: AttemptDriver(clock: clock, metrics: metrics, watch: DeadlineWatch(clock: clock)), clock: clock,
            metrics: metrics)
        let batches = embeddings.map { [dispatch] in
            EmbeddingBatches(spelling: $0, room: dispatch, clock: clock, metrics: metrics)
        }
        batches?.configure(bodySizeMax: settings.bodySizeMax, limits: settings.flightLimits)
        dispatch.whenRoomMayCome { [weak batches] in batches?.roomCame() }
        self.embeddings = batches
        fleet = FleetBudget(dispatch, store as? any FleetStore, settings: settings.fleet, clock: clock)
        self.settings = Lock(settings)
        flights = Flights(clock: clock, laneCount: max(1, lanes.count))
        flights.configure(flightsMax: settings.flightsMax, limits: settings.flightLimits.limits)
        coherence = Coherence(
            l1: l1, flights: flights, store: store as? any CoherentStore, onLoss: settings.onTrackingLoss,
            clock: clock, metrics: metrics)
    }

    /// Takes new settings; flights that are in the air keep theirs.
    public func reconfigure(_ new: Settings) {
        settings.withLock { $0 = new }
        embeddings?.configure(bodySizeMax: new.bodySizeMax, limits: new.flightLimits)
        flights.configure(flightsMax: new.flightsMax, limits: new.flightLimits.limits)
        dispatch.reconfigure(new.upstreams, new.admission)
        fleet.reconfigure(new.fleet)
    }

    /// Who waits before each upstream, and what it is let do.
    public var upstreamStatus: [Dispatcher.Status] { dispatch.status }

    /// How many pods share the upstreams' limits, this one included; nil: they are not shared.
    public var fleetPodCount: Int? { fleet.podCount }

    public var flightCount: Int { flights.count }
    /// Whether changes in L2 are heard of; nil: there is no L2 that tells.
    public var tracking: Tracking.Phase? { coherence.tracking }

    func invalidateFlights(of key: RequestKey) { flights.invalidate(key) }

    // MARK: Callers

    /// The answer that L1 has for this caller, without a task or a suspension. Not counted: see `HitTally`.
    ///
    /// One that is near its end, or has expired not too long ago, may have itself made anew by this. Nil where that needs
    /// the request's body, and the request came without.
    public func find(_ request: Request, at now: Instant) -> (StoredAnswer, Provenance)? {
        guard request.sharing == .stored, !request.controls.noCache, let stored = l1.get(request.key, at: now) else {
            return nil
        }
        if now < stored.freshness.quietUntil, request.controls.maxAge == nil {
            return (stored, Self.provenance(of: stored, .l1Hit, at: now))
        }
        return findNearEnd(stored, request, at: now)
    }

    /// The same for a call of which only the key is at hand, and that has no wishes: nil where more must be known of it.
    public func find(_ key: RequestKey, at now: Instant) -> (StoredAnswer, Provenance)? {
        guard let stored = l1.get(key, at: now), now < stored.freshness.quietUntil else { return nil }
        return (stored, Self.provenance(of: stored, .l1Hit, at: now))
    }

    /// Counts what was answered out of memory in one turn of a loop, with what it saved.
    public func count(_ tally: borrowing HitTally, at front: DataFront, taking duration: Duration) {
        metrics.count(
            tally, at: front, taking: duration, prices: tally.isEmpty ? PriceTable() : settings.withLock { $0.prices })
    }

    /// Answers one request. Leaving `deliver` is leaving the flight; so is the caller's going away.
    public func serve<Result, DeliveryFailure: Error>(
        _ request: Request, for caller: Caller, deliver: (Reply) async throws(DeliveryFailure) -> Result
    ) async throws(DeliveryFailure) -> Result {
        let now = clock.now
        if let (stored, provenance) = find(request, at: now) {
            countSaved(stored.answer.usage, model: stored.answer.model)
            return try await deliver(.stored(stored, provenance))
        }
        if request.controls.onlyIfCached { return try await deliver(await cachedElsewhere(request)) }
        let visit = Visit(caller, on: flights)
        defer { visit.end() }
        let reply = await reply(to: request, on: visit, since: now)
        if let reason = caller.gone { return try await deliver(.failed(reason, isFollower: false)) }
        let result = try await deliver(reply)
        if case .live(let live, let provenance) = reply, provenance.result == .coalesced {
            countSaved(live.flight.usage, model: request.model)
        }
        return result
    }

    /// What the request's flight brings, or the ladder in place of it.
    private func reply(to request: Request, on visit: Visit, since startedAt: Instant) async -> Reply {
        var ladder = Ladder(request, at: startedAt)
        // Twice at most: an answer found by a flight for all may be too old for this one, who then flies anew.
        for mustBeNew in [request.controls.noCache, true] {
            let seat: Flights.Seat
            do {
                seat = try visit.join(request, mustBeNew: mustBeNew, since: coherence.trustedSince)
            } catch {
                return await descend(&ladder, from: request, after: error, isFollower: false, on: visit)
            }
            switch await settle(request, seat, descending: &ladder, on: visit) {
            case .reply(let reply): return reply
            // It has given way to callers: here is one.
            case .failed(.limited) where seat.flight.isRefresh && !mustBeNew: visit.leave(seat)
            case .failed(let failure):
                return await descend(
                    &ladder, from: request, after: failure, isFollower: !seat.isLeader, on: visit,
                    aside: seat.flight.aside)
            case .unfit, .late: visit.leave(seat)
            }
        }
        return .failed(.notCached, isFollower: false)
    }

    /// What a flight has brought for one caller.
    enum Settled {
        case reply(Reply)
        case failed(Failure)
        /// A stored answer that will not do for this one.
        case unfit
        /// Nothing yet, and the caller's alarm has rung.
        case late
    }

    /// Waits for the flight, and looks down the ladder once if it takes too long. The flight goes on all the same.
    private func settle(
        _ request: Request, _ seat: Flights.Seat, descending ladder: inout Ladder, on visit: Visit
    ) async -> Settled {
        guard let lateAt = ladder.lateAt else { return await settle(request, seat) }
        let alarm = Alarm()
        clock.call(at: lateAt) {
            alarm.ring()
            seat.flight.rouse(seat.follower)
        }
        let settled = await settle(request, seat, until: alarm)
        guard case .late = settled else { return settled }
        seat.flight.finishesWhenLeft()
        if let reply = await step(&ladder, from: request, after: .late, on: visit, aside: seat.flight.aside) {
            return .reply(reply)
        }
        return await settle(request, seat)
    }

    /// Waits until it is known what the flight brings: the whole answer, or a stream's first chunk.
    func settle(_ request: Request, _ seat: Flights.Seat, until alarm: Alarm? = nil) async -> Settled {
        // Who wants a body has no use for pieces of it, and is not woken for them.
        var index = request.form == .stream ? 0 : Flight<SharedFlight.Waiter>.end
        while true {
            switch await seat.flight.next(at: index, for: seat.follower, until: alarm) {
            case .deliver:
                let usageAsked: Bool
                switch seat.flight.origin {
                case .upstream(.stream, let asked)?, .elsewhere(.stream, let asked)?: usageAsked = asked
                default:
                    index = Flight<SharedFlight.Waiter>.end
                    continue
                }
                let live = LiveAnswer(usageAsked: usageAsked, flight: seat.flight, follower: seat.follower)
                return .reply(.live(live, provenance(of: seat, request)))
            case .end(.complete): return landed(request, seat)
            case .end(.failed(let failure)): return .failed(failure)
            case .wait: return alarm?.hasRung == true ? .late : .failed(.deadline)
            }
        }
    }

    private func landed(_ request: Request, _ seat: Flights.Seat) -> Settled {
        switch seat.flight.origin {
        case .stored(let stored, let result)?:
            return reply(stored, to: request, hit: result, at: clock.now).map { .reply($0) } ?? .unfit
        case .upstream(let form, let usageAsked)?, .elsewhere(let form, let usageAsked)?:
            if provenance(of: seat, request).result == .coalesced {
                countSaved(seat.flight.usage, model: request.model)
            }
            let whole = WholeAnswer(
                form: form, usageAsked: usageAsked, chunks: seat.flight.chunks, model: seat.flight.request.model)
            return .reply(.whole(whole, provenance(of: seat, request)))
        case nil:
            return .failed(.cut)
        }
    }

    private func provenance(of seat: Flights.Seat, _ request: Request) -> Provenance {
        if case .alone = request.sharing { return Provenance(result: .bypass, stored: false) }
        var isCoalesced = !seat.isLeader
        // Another pod pays.
        if case .elsewhere? = seat.flight.origin { isCoalesced = true }
        return Provenance(result: isCoalesced ? .coalesced : .miss, stored: seat.flight.isStored)
    }

    /// A stored answer as this caller may have it; nil where it may not.
    private func reply(_ stored: StoredAnswer, to request: Request, hit: ServeResult, at now: Instant) -> Reply? {
        guard let result = Self.result(of: stored, for: request.controls, hit: hit, at: now) else { return nil }
        countSaved(stored.answer.usage, model: stored.answer.model)
        return .stored(stored, Self.provenance(of: stored, result, at: now))
    }

    private static func result(
        of stored: StoredAnswer, for controls: Controls, hit: ServeResult, at now: Instant
    ) -> ServeResult? {
        switch stored.freshness.verdict(for: controls, at: now) {
        case .fresh: hit
        case .stale: .stale
        case .expired, .dead: nil
        }
    }

    static func provenance(
        of stored: StoredAnswer, _ result: ServeResult, at now: Instant, step: LadderStep? = nil
    ) -> Provenance {
        Provenance(
            result: result, age: stored.freshness.age(at: now), remaining: stored.freshness.remaining(at: now),
            step: step)
    }

    /// `only-if-cached`: L2 is asked, a flight is not.
    private func cachedElsewhere(_ request: Request) async -> Reply {
        let startedAt = clock.now
        guard request.sharing == .stored, !request.controls.noCache, let store else {
            return .failed(.notCached, isFollower: false)
        }
        // Asked before the answer is: one of an older generation is not taken for good.
        _ = await coherence.generations(for: request)
        guard let stored = await store.get(request.key), coherence.allows(stored.answer.generations) else {
            return .failed(.notCached, isFollower: false)
        }
        fill(request, stored, since: startedAt)
        return reply(stored, to: request, hit: .l2Hit, at: clock.now) ?? .failed(.notCached, isFollower: false)
    }

    func countSaved(_ usage: Usage?, model: String) {
        guard let usage else { return }
        metrics.saved(usage)
        if let saved = settings.withLock({ $0.prices.microUSD(of: usage, model: model) }) {
            metrics.savedMicroUSD.add(saved)
        } else {
            metrics.unpricedRequests.add(1)
        }
    }
}
