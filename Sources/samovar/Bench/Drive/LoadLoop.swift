// Unsafe pointers, because the kernel fills one buffer for all connections. @unchecked Sendable, because a loop is handed
// from thread to thread between its phases, and is never on two at once: whoever hands it on has waited for its end.

import Glibc

/// One thread's share of a load: some connections on epoll, and the requests that they have in flight.
///
/// Drives `ArrivalQueue`, `RequestDraw`, a `ReplyReader` for each connection, and `BenchTally`.
final class LoadLoop<D: Dialect>: @unchecked Sendable {
    let dialect: D
    let place: SocketPlace
    let flags: LoadFlags
    /// Of a request, from its send; nanoseconds.
    let timeout: UInt64
    let poll: LoadPoll
    let connections: [LoadConnection<D.Reader>]
    private let input: UnsafeMutableRawPointer

    var work: LoadWork
    var tally: BenchTally
    /// In flight on all connections.
    var inFlight = 0
    /// Whose turn it was.
    private var cursor = 0
    /// Connections may have become free other than by an answer.
    private var mayRefill = true
    private var hasMore = true
    private var failuresInARow = 0
    private var unreported = (verified: 0, failed: 0)
    /// Why a connection could not be made or kept, the last time.
    var lastFailure: String?

    /// After a connection was refused it is not tried again for so long.
    static var redialPause: UInt64 { 100_000_000 }
    /// How long a server may take to accept and greet.
    static var dialMax: UInt64 { 5_000_000_000 }
    /// How often timeouts and closed connections are looked at, in nanoseconds.
    static var sweepInterval: UInt64 { 100_000_000 }
    /// An arrival that is nearer than this is waited for awake: sleeping shorter than the kernel's own slack is late.
    static var awakeFor: UInt64 { 100_000 }
    /// Read at once; in front of it is room for the beginning of a reply that came before.
    static var readSize: Int { 256 << 10 }
    static var carryMax: Int { 2 << 20 }

    init(
        _ dialect: D, at place: SocketPlace, connectionCount: Int, pipeline: Int, timeout: UInt64, flags: LoadFlags
    ) throws(CommandFailure) {
        self.dialect = dialect
        self.place = place
        self.flags = flags
        self.timeout = timeout
        poll = try LoadPoll()
        connections = (0..<connectionCount).map { index in
            LoadConnection(index, dialect.makeReader(slotCount: pipeline), slotCount: pipeline)
        }
        input = .allocate(byteCount: Self.carryMax + Self.readSize, alignment: 64)
        work = LoadWork(
            draw: RequestDraw(eachOf: 0..<0, forms: .share(0)), startsAt: 0, endsAt: 0, window: 0..<0, secondsMax: 1)
        tally = BenchTally(window: 0..<0, secondsMax: 1)
    }

    deinit {
        for connection in connections where connection.descriptor >= 0 { _ = close(connection.descriptor) }
        input.deallocate()
    }

    /// Does the work to its end, or until it is told to stop.
    func run(_ work: LoadWork) -> BenchTally {
        self.work = work
        tally = BenchTally(window: work.window, secondsMax: work.secondsMax)
        (hasMore, mayRefill, failuresInARow) = (true, true, 0)
        // What was due by then may still be sent, and what was sent has its time to end.
        let (hardEnd, isEndless) = work.endsAt.addingReportingOverflow(timeout + Self.sweepInterval)
        var sweepAt: UInt64 = 0
        while true {
            let now = LoadClock.now
            if flags.isStopped || failuresInARow >= work.failuresInARowMax ?? .max {
                breakOff()
                break
            }
            if !isEndless, now >= hardEnd {
                expire(at: now)
                break
            }
            if now >= sweepAt {
                sweep(at: now)
                mayRefill = true
                sweepAt = now + Self.sweepInterval
            }
            arrive(at: now)
            report()
            if inFlight == 0, !isWorkLeft(at: now) { break }
            serve(waiting: waitLength(at: now, sweepAt: sweepAt))
        }
        report()
        return tally
    }

    private func isWorkLeft(at now: UInt64) -> Bool {
        guard hasMore else { return false }
        if let arrivals = work.arrivals { return arrivals.nextAt != nil || arrivals.waitingCount > 0 }
        return now < work.endsAt
    }

    /// How long nothing needs to be done unless a socket is ready.
    private func waitLength(at now: UInt64, sweepAt: UInt64) -> UInt64 {
        var until = sweepAt
        if work.arrivals == nil, now < work.startsAt { until = min(until, work.startsAt) }
        if let next = work.arrivals?.nextAt {
            until = min(until, next <= now + Self.awakeFor ? now : next - Self.awakeFor)
        }
        return until - min(now, until)
    }

    /// Waits for sockets, and does what they are ready for.
    func serve(waiting nanoseconds: UInt64) {
        for index in 0..<poll.wait(nanoseconds: nanoseconds) {
            let (token, canWrite) = poll.ready(index)
            let connection = connections[Int(token & 0xFFFF_FFFF)]
            // It may have been closed, and dialed again, by an event before this one.
            guard connection.generation == UInt32(token >> 32), connection.descriptor >= 0 else { continue }
            if canWrite { wasReadyToWrite(connection, token) }
            guard connection.generation == UInt32(token >> 32), connection.descriptor >= 0 else { continue }
            if case .dialing = connection.phase { continue }
            receive(connection)
        }
    }

    // MARK: Asking

    /// Sends what is due, on connections that are free.
    private func arrive(at now: UInt64) {
        guard work.arrivals != nil else {
            guard mayRefill, now >= work.startsAt else { return }
            mayRefill = false
            for connection in connections { refill(connection) }
            return
        }
        work.arrivals?.advance(to: now) { planned in
            count(.failed(.dropped), BenchTally.Ended(plannedAt: planned, endedAt: now))
        }
        while work.arrivals?.waitingCount ?? 0 > 0, let connection = nextFree() {
            guard let planned = work.arrivals?.take() else { break }
            ask(connection, plannedAt: planned, at: LoadClock.now)
            flush(connection)
        }
    }

    /// In turn, so that all connections are used alike.
    private func nextFree() -> LoadConnection<D.Reader>? {
        for _ in connections.indices {
            cursor += 1
            if cursor >= connections.count { cursor = 0 }
            if connections[cursor].canTake { return connections[cursor] }
        }
        return nil
    }

    /// A closed loop: each answer makes room for the next question.
    func refill(_ connection: LoadConnection<D.Reader>) {
        guard work.arrivals == nil, connection.canTake, hasMore else { return }
        let now = LoadClock.now
        guard now >= work.startsAt, now < work.endsAt else { return }
        while hasMore, connection.canTake { ask(connection, plannedAt: now, at: now) }
        flush(connection)
    }

    private func ask(_ connection: LoadConnection<D.Reader>, plannedAt: UInt64, at now: UInt64) {
        guard let request = work.draw.next() else {
            hasMore = false
            return
        }
        guard let slot = connection.free.popLast() else { return }
        let id = connection.reader.asked(slot: slot, isStream: request.isStream)
        connection.slots[slot] = .init(isBusy: true, plannedAt: plannedAt, sentAt: now, id: id, request: request)
        inFlight += 1
        dialect.append(request, id: id, withBody: false, to: &connection.output)
    }

    // MARK: Counting

    func count(_ outcome: ReplyOutcome, _ request: BenchTally.Ended) {
        tally.add(outcome, request)
        switch outcome {
        case .verified:
            unreported.verified += 1
            failuresInARow = 0
        case .failed(_, let detail):
            unreported.failed += 1
            failuresInARow += 1
            if let detail { lastFailure = detail }
        }
    }

    /// Counts a request in flight as ended, and frees its slot.
    func end(
        _ connection: LoadConnection<D.Reader>, _ slot: Int, _ outcome: ReplyOutcome, byteCount: Int = 0, at now: UInt64
    ) {
        let request = connection.slots[slot]
        connection.slots[slot].isBusy = false
        connection.free.append(slot)
        inFlight -= 1
        count(
            outcome,
            BenchTally.Ended(
                plannedAt: request.plannedAt, sentAt: request.sentAt, endedAt: now, byteCount: byteCount))
    }

    /// A request that no connection could be made for; none where none is due.
    func failOne(_ failure: RequestFailure, _ detail: String, at now: UInt64) {
        lastFailure = detail
        guard work.arrivals == nil else {
            guard let planned = work.arrivals?.take() else { return }
            return count(.failed(failure, detail: detail), BenchTally.Ended(plannedAt: planned, endedAt: now))
        }
        guard now >= work.startsAt, now < work.endsAt else { return }
        hasMore = work.draw.next() != nil
        guard hasMore else { return }
        count(.failed(failure, detail: detail), BenchTally.Ended(plannedAt: now, endedAt: now))
    }

    private func report() {
        flags.add(verified: unreported.verified, failed: unreported.failed)
        unreported = (0, 0)
    }

    /// The end of all time: what is in flight has timed out, and what waits was never sent.
    private func expire(at now: UInt64) {
        for connection in connections {
            for slot in connection.slots.indices where connection.slots[slot].isBusy {
                end(connection, slot, .failed(.timeout), at: now)
            }
        }
        while let planned = work.arrivals?.take() {
            count(.failed(.dropped), BenchTally.Ended(plannedAt: planned, endedAt: now))
        }
    }

    /// Told to stop: nothing is waited for.
    private func breakOff() {
        for connection in connections {
            for slot in connection.slots where slot.isBusy && work.window.contains(slot.plannedAt) {
                tally.unfinished += 1
            }
        }
        while let planned = work.arrivals?.take() {
            if work.window.contains(planned) { tally.unfinished += 1 }
        }
    }

    /// Where replies are received: room for what is carried over, and for so much more.
    func withInput(_ body: (UnsafeMutableRawPointer) -> Void) { body(input) }
}
