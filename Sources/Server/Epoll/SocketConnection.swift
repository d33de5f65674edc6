// Unsafe pointers, because bytes come and go in buffers that the loop owns.

import SamovarCore
import SamovarEngine

/// A connection as its epoll loop sees it, whatever machine is in it.
class SocketConnection {
    func begin() {}
    func readable(into room: UnsafeMutableRawBufferPointer) {}
    func writable() {}
    func woken(at instant: Instant) {}
    func submitted(_ part: ReplyPart, of exchange: Exchange) {}
    func leave() {}
    func close() {}
}

/// Drives a connection machine on a socket of an epoll loop. On the loop's thread only.
final class MachineConnection<Machine: ConnectionMachine>: SocketConnection {
    private var machine: Machine
    private let socket: Socket
    private let place: EpollLoop.Place
    private let loop: LoopTurn
    private let front: Front
    private let ended: () -> Void
    private var port: Port?
    private var exchanges: [UInt64: Exchange] = [:]
    /// What the socket has not taken yet.
    private var backlog = OutputBuffer()
    /// Pieces that lie in the backlog, and whose they are.
    private var owed: [(exchange: Exchange, byteCount: Int)] = []
    private var interest: Poll.Interest = .readable
    private var wakesAt = Instant.never
    private var hasShutOutput = false
    /// The caller sends no more: it would be told again and again.
    private var hasStoppedReading = false
    private var isClosed = false

    /// - Parameter ended: called once, when the connection has closed.
    init(
        _ machine: Machine, _ socket: Socket, _ place: EpollLoop.Place, _ loop: LoopTurn, front: Front,
        ended: @escaping () -> Void
    ) {
        self.machine = machine
        self.socket = socket
        self.place = place
        self.loop = loop
        self.front = front
        self.ended = ended
    }

    override func begin() { settle(at: front.clock.now) }

    // MARK: What happens on the socket

    override func readable(into room: UnsafeMutableRawBufferPointer) {
        // The same event may have been told as writable before, and have ended it: its descriptor may be another's now.
        guard !isClosed else { return }
        let now = front.clock.now
        switch socket.receive(into: room) {
        case .bytes(let count):
            let bytes = UnsafeBufferPointer(rebasing: room.bindMemory(to: UInt8.self)[..<count])
            machine.received(bytes.span, at: now, into: &loop.turn)
            perform(at: now)
        case .nothing: break
        case .end:
            // Told a second time although nobody wants to read any more: the other direction is gone too.
            guard !hasStoppedReading else { return close() }
            hasStoppedReading = true
            machine.inputEnded(at: now, into: &loop.turn)
            perform(at: now)
        case .failed: close()
        }
    }

    override func writable() {
        guard !isClosed else { return }
        let before = backlog.count
        guard send() else { return close() }
        report(hasTaken: backlog.count < before, at: front.clock.now)
    }

    override func woken(at instant: Instant) {
        guard instant == wakesAt else { return }
        wakesAt = .never
        let now = front.clock.now
        if machine.standing.wakeAt <= now { machine.tick(at: now, into: &loop.turn) }
        perform(at: now)
    }

    override func submitted(_ part: ReplyPart, of exchange: Exchange) {
        let number = exchange.handover.number
        guard exchanges[number] === exchange else { return exchange.closed() }
        switch part {
        case .piece(let bytes): owed.append((exchange, bytes.count))
        case .answer, .failed, .end, .done, .text: exchanges[number] = nil
        case .begin, .passed: break
        }
        let now = front.clock.now
        machine.replied(part, to: number, at: now, into: &loop.turn)
        perform(at: now)
    }

    override func leave() {
        let now = front.clock.now
        machine.leave(at: now, into: &loop.turn)
        perform(at: now)
    }

    override func close() {
        guard !isClosed else { return }
        isClosed = true
        machine.closed(into: &loop.turn)
        let hangUps = loop.turn.hangUps
        // All connections of the loop share it: empty before anybody else is told anything.
        loop.turn.removeAll()
        for number in hangUps { exchanges[number]?.hangUp() }
        for exchange in exchanges.values { exchange.closed() }
        for debt in owed { debt.exchange.closed() }
        exchanges.removeAll()
        owed = []
        port = nil
        place.loop.forget(socket, place)
        ended()
    }

    // MARK: Carrying out

    /// Carries out what the machine decided, until nothing more comes of it.
    private func perform(at now: Instant) {
        guard !isClosed else { return loop.turn.removeAll() }
        let before = backlog.count
        let added = loop.turn.output.count
        guard sendTurn() else { return close() }
        let (handovers, hangUps) = (loop.turn.handovers, loop.turn.hangUps)
        if !handovers.isEmpty { loop.turn.handovers = [] }
        if !hangUps.isEmpty { loop.turn.hangUps = [] }
        front.count(&loop.turn.hits, at: Machine.front, since: now)
        for number in hangUps { exchanges[number]?.hangUp() }
        for handover in handovers { serve(handover) }
        report(hasTaken: backlog.count < before + added, at: now)
    }

    private func report(hasTaken: Bool, at now: Instant) {
        if backlog.isEmpty, !owed.isEmpty { settleDebts() }
        machine.wrote(unsent: backlog.count, hasTaken: hasTaken, at: now, into: &loop.turn)
        if loop.turn.isEmpty { settle(at: now) } else { perform(at: now) }
    }

    /// Sends the turn's output straight from the loop's buffer; what the socket does not take is kept.
    private func sendTurn() -> Bool {
        guard !loop.turn.output.isEmpty else { return true }
        guard backlog.isEmpty else {
            loop.turn.output.withUnsafeBytes { backlog.append($0) }
            loop.turn.output.removeAll(keepingCapacity: true)
            return true
        }
        let sent = loop.turn.output.withUnsafeBytes { socket.send($0) }
        guard let sent else { return false }
        loop.turn.output.consume(sent)
        loop.turn.output.withUnsafeBytes { backlog.append($0) }
        loop.turn.output.removeAll(keepingCapacity: loop.turn.output.capacity <= LoopTurn.outputKeptMax)
        return true
    }

    private func send() -> Bool {
        guard !backlog.isEmpty else { return true }
        guard let sent = backlog.withUnsafeBytes({ socket.send($0) }) else { return false }
        backlog.consume(sent)
        if backlog.isEmpty { backlog.removeAll() }
        return true
    }

    private func settleDebts() {
        let debts = owed
        owed = []
        for debt in debts { debt.exchange.taken(debt.byteCount) }
    }

    private func serve(_ handover: Handover) {
        let port = port ?? Port(place)
        self.port = port
        let exchange = Exchange(handover, at: Machine.front, lane: place.loop.lane, port: port)
        exchanges[handover.number] = exchange
        front.enqueue(exchange)
    }

    // MARK: Until the next event

    private func settle(at now: Instant) {
        guard !isClosed else { return }
        var standing = machine.standing
        if standing.ending == .afterOutput, backlog.isEmpty {
            machine.drained(at: now)
            standing = machine.standing
        }
        switch standing.ending {
        case .open, .afterOutput: break
        case .shutOutput:
            if !hasShutOutput { socket.shutOutput() }
            hasShutOutput = true
        case .now: return close()
        }
        watch(standing)
        if standing.wakeAt < wakesAt {
            wakesAt = standing.wakeAt
            place.loop.wake(at: wakesAt, place)
        }
    }

    private func watch(_ standing: ConnectionStanding) {
        var wanted: Poll.Interest = []
        if standing.wantsRead, !hasStoppedReading { wanted.insert(.readable) }
        if !backlog.isEmpty { wanted.insert(.writable) }
        guard wanted != interest else { return }
        interest = wanted
        place.loop.watch(socket, wanted, place)
    }

    /// The way to this connection from other threads.
    private final class Port: ReplyPort {
        private let loop: EpollLoop
        private let slot: Int
        private let generation: UInt32

        init(_ place: EpollLoop.Place) {
            loop = place.loop
            slot = place.slot
            generation = place.generation
        }

        func submit(_ part: ReplyPart, of exchange: Exchange) {
            loop.send(.part(part, exchange, slot: slot, generation: generation))
        }
    }
}
