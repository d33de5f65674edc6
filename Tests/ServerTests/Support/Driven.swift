import SamovarCore
import SamovarWire
import Testing

@testable import SamovarServer

/// Drives a connection machine as a driver does, with a socket that takes what the test lets it take and a clock that
/// stands still until the test moves it.
final class Driven<Machine: ConnectionMachine> {
    private(set) var machine: Machine
    private var turn = ConnectionTurn()
    private(set) var now: Instant
    /// What the socket has taken.
    private(set) var sent: [UInt8] = []
    /// What it has not.
    private var backlog: [UInt8] = []
    /// How many bytes the socket takes until it is read again.
    private var room = Int.max
    private(set) var handovers: [Handover] = []
    private(set) var hangUps: [UInt64] = []
    /// How many requests were answered out of memory.
    private(set) var hitCount = 0
    private(set) var outputIsShut = false
    private(set) var isClosed = false

    init(at now: Instant = Instant(nanoseconds: 1_000_000_000_000), _ make: (Instant) -> Machine) {
        self.now = now
        machine = make(now)
    }

    var unsentCount: Int { backlog.count }
    var standing: ConnectionStanding { machine.standing }
    var wantsRead: Bool { !isClosed && standing.wantsRead }

    // MARK: What happens

    func receive(_ bytes: some Collection<UInt8>) {
        guard !isClosed else { return }
        let bytes = Array(bytes)
        machine.received(bytes.span, at: now, into: &turn)
        perform()
    }

    func endInput() {
        guard !isClosed else { return }
        machine.inputEnded(at: now, into: &turn)
        perform()
    }

    func reply(_ part: ReplyPart, to number: UInt64) {
        guard !isClosed else { return }
        machine.replied(part, to: number, at: now, into: &turn)
        perform()
    }

    func leave() {
        guard !isClosed else { return }
        machine.leave(at: now, into: &turn)
        perform()
    }

    func close() {
        machine.closed(into: &turn)
        perform()
    }

    /// From now on the socket takes so many bytes and no more.
    func block(after byteCount: Int = 0) { room = byteCount }

    /// The other side reads: so many bytes more are taken, all of them where it goes on reading.
    func drain(_ byteCount: Int = .max) {
        room = byteCount
        guard !isClosed, !backlog.isEmpty else { return }
        let taken = take()
        report(hasTaken: taken > 0)
    }

    /// Time passes, with every wake-up on its way. Returns how many there were.
    @discardableResult
    func pass(_ duration: Duration) -> Int {
        let until = now.advanced(by: duration)
        var wakeCount = 0
        while !isClosed, standing.wakeAt <= until {
            now = max(now, standing.wakeAt)
            machine.tick(at: now, into: &turn)
            perform()
            wakeCount += 1
            if !isClosed, standing.wakeAt <= now {
                Issue.record("it wants to be woken at a time that has passed: its driver would never sleep")
                break
            }
        }
        now = until
        return wakeCount
    }

    // MARK: As a driver

    private func perform() {
        var hasMore = true
        while hasMore {
            let before = backlog.count + turn.output.count
            backlog += turn.output.bytes
            turn.output.removeAll(keepingCapacity: true)
            take()
            handovers += turn.handovers
            hangUps += turn.hangUps
            hitCount += turn.hits.hitCount
            turn.hits.removeAll()
            turn.handovers = []
            turn.hangUps = []
            if isClosed { return }
            machine.wrote(unsent: backlog.count, hasTaken: backlog.count < before, at: now, into: &turn)
            hasMore = !turn.isEmpty
        }
        settle()
    }

    private func report(hasTaken: Bool) {
        machine.wrote(unsent: backlog.count, hasTaken: hasTaken, at: now, into: &turn)
        if turn.isEmpty { settle() } else { perform() }
    }

    @discardableResult
    private func take() -> Int {
        let count = min(room, backlog.count)
        sent += backlog.prefix(count)
        backlog.removeFirst(count)
        if room != .max { room -= count }
        return count
    }

    private func settle() {
        if standing.ending == .afterOutput, backlog.isEmpty { machine.drained(at: now) }
        switch standing.ending {
        case .open, .afterOutput: break
        case .shutOutput: outputIsShut = true
        case .now:
            isClosed = true
            machine.closed(into: &turn)
            hangUps += turn.hangUps
            hitCount += turn.hits.hitCount
            turn.hits.removeAll()
            turn.removeAll()
        }
    }
}
