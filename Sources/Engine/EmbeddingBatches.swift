import SamovarCore

/// Embeddings that are asked for together. Drives `EmbeddingBoard`.
///
/// A batch is a call of its own, a child of `run` and of none of its flights: it is made as every attempt is made, with
/// its turn before the upstream, its deadlines, limits and metrics, for a flight that is on no board. Those who wait for
/// it sleep until they are told their own part. One alarm rings for all windows, set anew only for what is due before it.
final class EmbeddingBatches: Sendable {
    /// Makes the call for a batch's flight, in its turn.
    typealias Call = @Sendable (SharedFlight, Dispatch.Watcher) async -> Dispatch.Flown

    private struct Member: Sendable {
        let member: EmbeddingBatch.Member
        let seat: EmbeddingSeat
    }

    private struct State {
        var board = EmbeddingBoard()
        var seats: [EmbeddingBatch.Member: EmbeddingSeat] = [:]
        /// The calls that are made, so that they can be given up.
        var calls: [EmbeddingBoard.Ticket: SharedFlight] = [:]
        var flightLimits = FlightLimits()
        var alarmAt = Instant.never
    }

    private let spelling: any EmbeddingSpelling
    private let room: any CallRoom
    private let clock: any MonotonicClock
    private let metrics: Metrics
    private let state = Lock(State())
    /// Bounded by `flights_max`: each waits for flights, and each flight is in one of them.
    private let (called, calling) = AsyncStream<EmbeddingBoard.Ticket>.makeStream()

    init(spelling: any EmbeddingSpelling, room: any CallRoom, clock: any MonotonicClock, metrics: Metrics) {
        self.spelling = spelling
        self.room = room
        self.clock = clock
        self.metrics = metrics
    }

    /// - Parameter bodySizeMax: of a call's body (`body_size_max`).
    func configure(bodySizeMax: Int, limits: FlightLimits) {
        state.withLock { state in
            state.board.bodySizeMax = bodySizeMax
            state.flightLimits = limits
        }
    }

    // MARK: Flights

    /// What a call together with others brings for this flight; nil: it is to be asked for alone.
    func attempt(_ flight: SharedFlight, _ watcher: Dispatch.Watcher) async -> Dispatch.Flown? {
        guard let asking = flight.request.embedding else { return nil }
        let seat = EmbeddingSeat(flight, asking.body, asking.input, watcher)
        guard let member = submit(seat, asking) else { return nil }
        // To gather is to wait for its turn.
        watcher.waits(Dispatch.deadline(of: flight.request, since: clock.now))
        let caller = Caller()
        flight.makesAttempt(for: caller)
        caller.whenGone { [weak self] in self?.leave(member, seat) }
        let verdict = await withTaskCancellationHandler {
            await seat.verdict()
        } onCancel: {
            caller.hangUp(.draining)
        }
        if let reason = caller.gone { return .outcome(flight.isGivenUp ? .abandoned : .failed(reason)) }
        switch verdict {
        case .alone: return nil
        case .left: return .outcome(.abandoned)
        case .heldBack: return .heldBack
        case .failed(let failure): return .outcome(.failed(failure))
        case .answered(let part): return .outcome(answered(part, flight, watcher.received))
        }
    }

    /// The flight is answered as by an upstream of its own.
    private func answered(
        _ part: EmbeddingPart, _ flight: SharedFlight, _ observer: AttemptDriver.Observer?
    ) -> AttemptLog.Outcome {
        let attempt = Attempt(request: flight.request, form: .body, includeUsage: false)
        let log = AttemptLog(attempt, startedAt: clock.now)
        flight.began(.body, usageAsked: log.began(.body))
        log.add(part.chunk, part.facts, at: clock.now)
        guard flight.append(part.chunk) else { return .failed(.tooLarge(limit: "answer_size_max")) }
        observer?(part.chunk, log)
        return log.finish()
    }

    private func submit(_ seat: EmbeddingSeat, _ asking: Request.Embedding) -> EmbeddingBatch.Member? {
        let hasRoom = hasRoom(for: seat.request)
        let (action, alarm) = state.withLock { state in
            let action = state.board.submit(
                asking.size, of: asking.kin, limits: asking.limits, hasRoom: hasRoom, at: clock.now)
            if let member = action.member { state.seats[member] = seat }
            return (action, Self.alarm(&state))
        }
        perform(action.called, alarm)
        return action.member
    }

    /// Asked outside of our lock: whoever answers has its own. A place may be taken or come free before we act on the
    /// answer; then a call waits for its upstream as every other does, or a batch for its window.
    private func hasRoom(for request: Request) -> Bool {
        let calledCount = state.withLock { $0.board.calledCount(of: request.route.upstreams) }
        return room.hasRoom(for: request, beside: calledCount)
    }

    private func leave(
        _ member: EmbeddingBatch.Member, _ seat: EmbeddingSeat, _ verdict: EmbeddingSeat.Verdict = .left
    ) {
        let call = state.withLock { state in
            state.seats[member] = nil
            return state.board.leave(member).flatMap { state.calls.removeValue(forKey: $0) }
        }
        call?.giveUp()
        seat.settle(verdict)
    }

    // MARK: When they go

    /// There may be room: the batches go for which there is, those first that have gathered longest.
    func roomCame() {
        let gathering = state.withLock { state in
            state.board.gathering.compactMap { ticket in
                state.board.members(of: ticket).first.flatMap { state.seats[$0] }.map { (ticket, $0.request) }
            }
        }
        for (ticket, request) in gathering where hasRoom(for: request) {
            if state.withLock({ $0.board.call(ticket) }) { perform([ticket], nil) }
        }
    }

    /// When to be woken anew, if that is before the next alarm.
    private static func alarm(_ state: inout State) -> Instant? {
        let next = state.board.next
        guard next < state.alarmAt else { return nil }
        state.alarmAt = next
        return next
    }

    private func perform(_ tickets: [EmbeddingBoard.Ticket], _ alarm: Instant?) {
        for ticket in tickets { calling.yield(ticket) }
        if let alarm { clock.call(at: alarm) { [weak self] in self?.ring(alarm) } }
    }

    private func ring(_ alarm: Instant) {
        let (tickets, next) = state.withLock { state in
            // One that was overtaken leaves the next one as it is.
            if state.alarmAt == alarm { state.alarmAt = .never }
            return (state.board.tick(at: clock.now), Self.alarm(&state))
        }
        perform(tickets, next)
    }

    // MARK: Calls

    /// Makes the calls of all batches, until it is cancelled. To be run once.
    func run(_ call: @escaping Call) async {
        await withDiscardingTaskGroup { calls in
            for await ticket in called { calls.addTask { await self.fly(ticket, call) } }
        }
    }

    private func fly(_ ticket: EmbeddingBoard.Ticket, _ call: Call) async {
        while let (flight, members) = depart(ticket) {
            metrics.embeddingBatchInputs.observe(members.count)
            // Held back by every one of them: nobody is left to be told.
            guard case .outcome(let outcome) = await call(flight, watcher(of: members)),
                settle(outcome, flight, members.map(\.seat), ticket)
            else { break }
        }
        state.withLock { state in
            state.calls[ticket] = nil
            for member in state.board.members(of: ticket) { state.seats[member] = nil }
            state.board.end(ticket)
        }
    }

    /// Those who still wait go together. Nil: nobody does; one who is left goes alone, as without a batch.
    private func depart(_ ticket: EmbeddingBoard.Ticket) -> (SharedFlight, [Member])? {
        let (members, limits) = state.withLock { state -> ([Member], Flight<SharedFlight.Waiter>.Limits) in
            let members = state.board.go(ticket).compactMap { member in
                state.seats[member].map { Member(member: member, seat: $0) }
            }
            return (members, state.flightLimits.limits)
        }
        let seats = members.map(\.seat)
        let body = seats.count > 1 ? spelling.merged(seats.map { ($0.body, $0.input) }) : []
        // As urgent as the most urgent of them.
        guard seats.count > 1, let most = seats.map(\.flight.requestClass).min(),
            let request = try? Request.together(seats.map(\.request), requestClass: most, body: body)
        else {
            for seat in seats { seat.settle(.alone) }
            return nil
        }
        let flight = SharedFlight(request, limits: limits, clock: clock)
        let isWanted = state.withLock { state in
            // All may have left since: then it is over already, and nobody would give this call up.
            guard !state.board.members(of: ticket).isEmpty else { return false }
            state.calls[ticket] = flight
            return true
        }
        return isWanted ? (flight, members) : nil
    }

    /// Tells each what it is told about its turn. Whoever does not let it go then is taken out: its part is for nobody.
    private func watcher(of members: [Member]) -> Dispatch.Watcher {
        Dispatch.Watcher(
            waits: { deadline in
                for one in members { one.seat.watcher.waits(deadline) }
            },
            goes: { [weak self] in self?.letGo(members) ?? false })
    }

    private func letGo(_ members: [Member]) -> Bool {
        var isWanted = false
        for one in members where one.seat.isWaiting {
            if one.seat.watcher.goes() { isWanted = true } else { leave(one.member, one.seat, .heldBack) }
        }
        return isWanted
    }

    // MARK: Answers

    /// Tells each what the call has brought for it. True: some are to be asked for again, without one.
    private func settle(
        _ outcome: AttemptLog.Outcome, _ flight: SharedFlight, _ seats: [EmbeddingSeat],
        _ ticket: EmbeddingBoard.Ticket
    ) -> Bool {
        switch outcome {
        case .whole: split(flight.chunks, seats)
        case .abandoned: fail(seats, .cut, .abandoned)
        case .failed(let failure):
            if case .refused(let refusal) = failure,
                let (index, alone) = spelling.refused(by: refusal, of: seats.map(\.input)),
                let action = state.withLock({ $0.board.refuse(at: index, of: ticket) })
            {
                return refuse(action, seats, index, alone)
            }
            fail(seats, failure, .failed)
        }
        return false
    }

    private func split(_ chunks: [Chunk], _ seats: [EmbeddingSeat]) {
        do throws(Failure) {
            let parts = try spelling.parts(of: chunks.first?.bytes ?? [], for: seats.map(\.input))
            for (seat, part) in zip(seats, parts) { seat.settle(.answered(part)) }
            metrics.embeddingBatches[.answered].add(1)
        } catch {
            fail(seats, error, .malformed)
        }
    }

    private func refuse(
        _ action: EmbeddingBatch.RefuseAction, _ seats: [EmbeddingSeat], _ index: Int, _ alone: Failure.Refusal
    ) -> Bool {
        seats[index].settle(.failed(.refused(alone)))
        state.withLock { $0.seats[action.refused] = nil }
        metrics.embeddingBatches[.refusedInput].add(1)
        if action.goesAgain { return true }
        // Nothing is known against the others: they may come again, each with its own call or in another batch.
        for (position, seat) in seats.enumerated() where position != index {
            seat.settle(.failed(.limited(limit: "batch", retryAfter: .seconds(1))))
        }
        return false
    }

    private func fail(_ seats: [EmbeddingSeat], _ failure: Failure, _ outcome: EmbeddingBatchOutcome) {
        for seat in seats { seat.settle(.failed(failure)) }
        metrics.embeddingBatches[outcome].add(1)
    }
}
