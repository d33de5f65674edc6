import SamovarCore

/// All flights of the process. Drives `FlightBoard`.
final class Flights: Sendable {
    /// A caller's place on a flight.
    struct Seat: Sendable {
        let flight: SharedFlight
        let follower: Flight<SharedFlight.Waiter>.Follower
        /// Whether this caller is the one for whom the flight took off.
        let isLeader: Bool
    }

    /// A flight that is about to be flown, with the ticket to hand back after it.
    struct Takeoff: Sendable {
        let flight: SharedFlight
        let ticket: FlightBoard<SharedFlight>.Ticket
    }

    private struct State {
        var board: FlightBoard<SharedFlight>
        var limits = Flight<SharedFlight.Waiter>.Limits()
        var flying: [ObjectIdentifier: Takeoff] = [:]
    }

    private let state: Lock<State>
    private let clock: any MonotonicClock
    /// One for each lane. Bounded by `flights_max`: each flight is in one of them, once.
    let takeoffs: [AsyncStream<Takeoff>]
    private let takeoff: [AsyncStream<Takeoff>.Continuation]

    init(clock: any MonotonicClock, laneCount: Int) {
        self.clock = clock
        state = Lock(State(board: FlightBoard()))
        let lanes = (0..<laneCount).map { _ in AsyncStream<Takeoff>.makeStream() }
        takeoffs = lanes.map(\.stream)
        takeoff = lanes.map(\.continuation)
    }

    /// Limits for flights that take off from now on.
    func configure(flightsMax: Int, limits: Flight<SharedFlight.Waiter>.Limits) {
        state.withLock { state in
            state.board.flightsMax = flightsMax
            state.limits = limits
        }
    }

    var count: Int { state.withLock { $0.board.flightCount } }

    /// Joins the flight for this request, or leads a new one.
    ///
    /// - Parameters:
    ///   - mustBeNew: never a flight that began before this call (`no-cache`).
    ///   - lane: where a new flight is flown.
    ///   - since: never one that began before: it may not have heard that it was invalidated.
    func join(
        _ request: Request, mustBeNew: Bool, lane: Int, since: Instant = .zero
    ) throws(Failure) -> Seat {
        let key: RequestKey? = if case .alone = request.sharing { nil } else { request.key }
        let joined = state.withLock { state -> Result<(Seat, Takeoff?), Failure> in
            if let key, !mustBeNew, let flight = state.board.flight(for: key), flight.startedAt >= since {
                switch flight.join(ttl: request.controls.ttl) {
                case .joined(let follower):
                    return .success((Seat(flight: flight, follower: follower, isLeader: false), nil))
                case .full: return .failure(.limited(limit: "flight_followers_max", retryAfter: .seconds(1)))
                case .gone: break
                }
            }
            let flight = SharedFlight(request, limits: state.limits, clock: clock)
            guard case .joined(let follower) = flight.join(ttl: request.controls.ttl),
                let ticket = state.board.takeOff(flight, key: key, tenant: request.tenant)
            else { return .failure(.limited(limit: "flights_max", retryAfter: .seconds(1))) }
            let new = Takeoff(flight: flight, ticket: ticket)
            state.flying[ObjectIdentifier(flight)] = new
            return .success((Seat(flight: flight, follower: follower, isLeader: true), new))
        }
        let (seat, new) = try joined.get()
        if !seat.isLeader { seat.flight.tellJoined(request) }
        if let new, case .terminated = takeoff[lane % takeoff.count].yield(new) {
            remove(new)
            new.flight.land(.failed(.draining))
        }
        return seat
    }

    /// Begins a flight for those who come later, without a follower. False where one is under way for this key already,
    /// or half of `flights_max` are: callers who wait come first.
    func refresh(_ request: Request, needed: Duration, lane: Int) -> Bool {
        let new = state.withLock { state -> Takeoff? in
            guard state.board.flight(for: request.key) == nil, state.board.flightCount * 2 < state.board.flightsMax
            else { return nil }
            let flight = SharedFlight(request, limits: state.limits, clock: clock, for: .refresh(needed: needed))
            // Its ttl is for what is kept, as everybody's who joins.
            if case .joined(let follower) = flight.join(ttl: request.controls.ttl) { flight.leave(follower) }
            guard let ticket = state.board.takeOff(flight, key: request.key, tenant: request.tenant) else { return nil }
            let new = Takeoff(flight: flight, ticket: ticket)
            state.flying[ObjectIdentifier(flight)] = new
            return new
        }
        guard let new else { return false }
        if case .terminated = takeoff[lane % takeoff.count].yield(new) {
            remove(new)
            return false
        }
        return true
    }

    /// Whether there is a flight for this key that could be joined.
    func isFlying(_ key: RequestKey) -> Bool { state.withLock { $0.board.flight(for: key) != nil } }

    func leave(_ seat: Seat) {
        guard seat.flight.leave(seat.follower) else { return }
        // Given up with its last follower: nobody may join what is being cancelled.
        state.withLock { state in
            if let flying = state.flying[ObjectIdentifier(seat.flight)] { state.board.unlist(flying.ticket) }
        }
    }

    /// Whoever comes from now on finds the answer in L1, or flies anew.
    func unlist(_ takeoff: Takeoff) {
        state.withLock { $0.board.unlist(takeoff.ticket) }
    }

    /// What is under way for this key is for those who are on it: nobody joins, and nothing is kept.
    func invalidate(_ key: RequestKey) { invalidate { $0.request.key == key } }

    /// The same for all flights for which this is so. O(flights); `isIt` is asked outside of the lock.
    func invalidate(where isIt: (SharedFlight) -> Bool) {
        let flying = state.withLock { Array($0.flying.values) }.filter { isIt($0.flight) }
        guard !flying.isEmpty else { return }
        state.withLock { state in
            for takeoff in flying { state.board.unlist(takeoff.ticket) }
        }
        for takeoff in flying { takeoff.flight.invalidate() }
    }

    func remove(_ takeoff: Takeoff) {
        state.withLock { state in
            state.flying[ObjectIdentifier(takeoff.flight)] = nil
            state.board.remove(takeoff.ticket)
        }
    }

    func close() { for lane in takeoff { lane.finish() } }

    /// Ends every flight with this failure, for those who follow it.
    func landAll(_ failure: Failure) {
        let flying = state.withLock { $0.flying.values.sorted { $0.ticket.number < $1.ticket.number } }
        for takeoff in flying { takeoff.flight.land(.failed(failure)) }
    }
}
