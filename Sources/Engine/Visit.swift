import SamovarCore

/// One caller's seats, for as long as it is served: its flight's, and those of the fallbacks that it has come to.
///
/// When the caller goes, and at the end, all of them are left.
final class Visit: Sendable {
    private struct State {
        var seats: [Flights.Seat] = []
        var isOver = false
    }

    let caller: Caller
    private let flights: Flights
    private let state = Lock(State())

    init(_ caller: Caller, on flights: Flights) {
        self.caller = caller
        self.flights = flights
        caller.whenGone { [weak self] in self?.end() }
    }

    /// Joins a flight; see `Flights.join`.
    func join(_ request: Request, mustBeNew: Bool, since: Instant) throws(Failure) -> Flights.Seat {
        let seat = try flights.join(request, mustBeNew: mustBeNew, lane: caller.lane, since: since)
        let isOver = state.withLock { state in
            if !state.isOver { state.seats.append(seat) }
            return state.isOver
        }
        if isOver { flights.leave(seat) }
        return seat
    }

    /// Leaves all. Idempotent.
    func end() {
        let seats = state.withLock { state in
            state.isOver = true
            defer { state.seats = [] }
            return state.seats
        }
        for seat in seats { flights.leave(seat) }
    }

    /// Leaves one flight, to join another.
    func leave(_ seat: Flights.Seat) {
        flights.leave(seat)
    }
}
