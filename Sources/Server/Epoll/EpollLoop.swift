// Unchecked, because everything but the inbox belongs to the loop's own thread, which is started once; unsafe pointers,
// because the kernel writes what comes into one buffer that all connections of the loop share.

import CEpoll
import DequeModule
import Glibc
import HeapModule
import SamovarCore
import SamovarEngine
import Synchronization

/// One thread that waits for many sockets and drives their machines: plain TCP and Unix sockets on Linux.
///
/// One receive buffer and one output buffer for all connections; one send for everything that one read event led to.
/// An event of a connection that has closed meanwhile is told by its generation and dropped.
public final class EpollLoop: @unchecked Sendable {
    public struct Settings: Sendable {
        /// `spin_max`: how long to look for events again and again before going to sleep. Zero: not at all. It costs
        /// this much of a core after each event, and saves callers the time that waking up takes.
        public var spinMax: Duration

        public init(spinMax: Duration = .zero) { self.spinMax = spinMax }
    }

    /// What other threads want of this one.
    enum Message: Sendable {
        case part(ReplyPart, Exchange, slot: Int, generation: UInt32)
        case listen(Acceptor)
        case stopAccepting
        case leave
        case closeAll
        case end
    }

    private struct Slot {
        var connection: SocketConnection?
        var generation: UInt32 = 0
    }

    private struct Timer: Comparable {
        let at: Instant
        let slot: Int
        let generation: UInt32

        static func < (left: Timer, right: Timer) -> Bool { left.at < right.at }
    }

    let lane: Int
    let front: Front
    private let settings: Settings
    private let poll: Poll
    private let bell: Int32
    private let inbox = Lock<[Message]>([])
    /// Whether the thread sleeps, or is about to: then a message must ring.
    private let isAsleep = Atomic<Bool>(false)
    private let loop = LoopTurn()
    private let room: UnsafeMutableRawBufferPointer
    private var slots: [Slot] = []
    private var free: [Int] = []
    private var timers = Heap<Timer>()
    private var acceptors: [Acceptor] = []
    private var hasStoppedAccepting = false
    private var isEnding = false
    private var lastEventAt = Instant.zero
    private var thread: pthread_t?

    private static let bellTag = UInt64.max
    private static let acceptorTag = UInt64(UInt32.max) << 32
    private static let receiveByteMax = 64 << 10

    /// - Parameter lane: which of the front's lanes serves what the connections of this loop cannot answer.
    init(lane: Int, front: Front, settings: Settings) throws(SocketError) {
        self.lane = lane
        self.front = front
        self.settings = settings
        poll = try Poll()
        bell = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        room = .allocate(byteCount: Self.receiveByteMax, alignment: 64)
        poll.add(bell, .readable, tag: Self.bellTag)
    }

    deinit {
        room.deallocate()
        _ = Glibc.close(bell)
    }

    // MARK: From other threads

    /// Starts the thread.
    func start() {
        var thread = pthread_t()
        let own = Unmanaged.passRetained(self)
        pthread_create(
            &thread, nil,
            { own in
                if let own { Unmanaged<EpollLoop>.fromOpaque(own).takeRetainedValue().run() }
                return nil
            }, own.toOpaque())
        self.thread = thread
    }

    /// Waits until the thread has ended, after `end` was sent.
    func join() {
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    func send(_ message: Message) {
        inbox.withLock { $0.append(message) }
        // Whoever finds it asleep rings, once. It looks into the inbox again after it has said that it will sleep.
        if isAsleep.exchange(false, ordering: .sequentiallyConsistent) { ring() }
    }

    private func ring() {
        var one: UInt64 = 1
        _ = write(bell, &one, 8)
    }

    // MARK: The thread

    private func run() {
        while !isEnding {
            let count = wait()
            if count > 0 { lastEventAt = front.clock.now }
            for index in 0..<count { happened(poll.event(index)) }
            takeMessages()
            wakeDue()
        }
        for slot in slots { slot.connection?.close() }
    }

    /// Sleeps until something happens or is due.
    private func wait() -> Int {
        if let count = spin() { return count }
        isAsleep.store(true, ordering: .sequentiallyConsistent)
        let hasMessages = inbox.withLock { !$0.isEmpty }
        let count = poll.wait(milliseconds: hasMessages ? 0 : sleepMilliseconds)
        isAsleep.store(false, ordering: .sequentiallyConsistent)
        return count
    }

    /// Looks again and again for as long as it is worth while: only where events have lately come as often.
    private func spin() -> Int? {
        guard settings.spinMax > .zero else { return nil }
        let until = lastEventAt.advanced(by: settings.spinMax)
        while front.clock.now < until {
            let count = poll.wait(milliseconds: 0)
            if count > 0 { return count }
            if inbox.withLock({ !$0.isEmpty }) { return 0 }
        }
        return nil
    }

    private var sleepMilliseconds: Int32 {
        guard let next = timers.min else { return -1 }
        let left = front.clock.now.duration(to: next.at)
        return left <= .zero ? 0 : Int32(clamping: left.milliseconds + 1)
    }

    private func happened(_ event: Poll.Event) {
        if event.tag == Self.bellTag {
            var count: UInt64 = 0
            _ = read(bell, &count, 8)
        } else if event.tag >= Self.acceptorTag {
            accept(acceptors[Int(event.tag - Self.acceptorTag)])
        } else {
            let slot = Int(truncatingIfNeeded: event.tag & 0xFFFF_FFFF)
            guard slots[slot].generation == UInt32(event.tag >> 32), let connection = slots[slot].connection else {
                return
            }
            if event.interest.contains(.writable) { connection.writable() }
            if !event.interest.isDisjoint(with: [.readable, .broken]) { connection.readable(into: room) }
        }
    }

    private func takeMessages() {
        let messages = inbox.withLock { inbox in
            guard !inbox.isEmpty else { return [Message]() }
            defer { inbox.removeAll(keepingCapacity: true) }
            return inbox
        }
        for message in messages { take(message) }
    }

    private func take(_ message: Message) {
        switch message {
        case .part(let part, let exchange, let slot, let generation):
            guard slots[slot].generation == generation, let connection = slots[slot].connection else {
                return exchange.closed()
            }
            connection.submitted(part, of: exchange)
        case .listen(let acceptor):
            acceptors.append(acceptor)
            listen(to: acceptors.count - 1)
        case .stopAccepting:
            hasStoppedAccepting = true
            for acceptor in acceptors { poll.remove(acceptor.socket.descriptor) }
            // The last loop that lets go of a listener closes it: whoever comes now is refused, not left waiting.
            acceptors = []
        case .leave:
            for slot in slots { slot.connection?.leave() }
        case .closeAll:
            for slot in slots { slot.connection?.close() }
        case .end: isEnding = true
        }
    }

    // MARK: Connections

    private func listen(to index: Int) {
        poll.add(
            acceptors[index].socket.descriptor, [.readable, .exclusive], tag: Self.acceptorTag + UInt64(index))
    }

    /// As many at once as one event should bring: the others are told again, maybe to another loop.
    private static let acceptMax = 16

    /// No descriptor is left: the listener would be told as ready again and again until one is.
    private func pause(_ acceptor: Acceptor) {
        guard let index = acceptors.firstIndex(where: { $0 === acceptor }) else { return }
        poll.remove(acceptor.socket.descriptor)
        timers.insert(Timer(at: front.clock.now.advanced(by: .milliseconds(100)), slot: -1 - index, generation: 0))
    }

    private func accept(_ acceptor: Acceptor) {
        for _ in 0..<Self.acceptMax {
            let socket: Socket
            switch acceptor.next() {
            case .admitted(let new): socket = new
            case .refused: continue
            case .nobody: return
            case .exhausted: return pause(acceptor)
            }
            take(socket) { acceptor.connection(socket, $0, loop) }.begin()
        }
    }

    /// Gives a connection a place, and listens to its socket from now on.
    func take(_ socket: Socket, _ make: (Place) -> SocketConnection) -> SocketConnection {
        let slot = free.popLast() ?? slots.count
        if slot == slots.count { slots.append(Slot()) }
        let place = Place(loop: self, slot: slot, generation: slots[slot].generation)
        let connection = make(place)
        slots[slot].connection = connection
        poll.add(socket.descriptor, .readable, tag: place.tag)
        return connection
    }

    /// Where a connection lives on its loop.
    struct Place {
        unowned let loop: EpollLoop
        let slot: Int
        let generation: UInt32

        var tag: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
    }

    func watch(_ socket: Socket, _ interest: Poll.Interest, _ place: Place) {
        poll.change(socket.descriptor, interest, tag: place.tag)
    }

    func wake(at instant: Instant, _ place: Place) {
        timers.insert(Timer(at: instant, slot: place.slot, generation: place.generation))
    }

    private func wakeDue() {
        guard let first = timers.min else { return }
        let now = front.clock.now
        guard first.at <= now else { return }
        // What is set meanwhile comes another time, so that nobody keeps the others from their turn.
        var due: [Timer] = []
        while let next = timers.min, next.at <= now { due.append(timers.removeMin()) }
        for next in due {
            guard next.slot >= 0 else {
                if !hasStoppedAccepting { listen(to: -1 - next.slot) }
                continue
            }
            guard slots[next.slot].generation == next.generation else { continue }
            slots[next.slot].connection?.woken(at: next.at)
        }
    }

    /// The connection has closed: its events, messages and timers are nobody's from now on.
    func forget(_ socket: Socket, _ place: Place) {
        guard slots[place.slot].generation == place.generation else { return }
        poll.remove(socket.descriptor)
        socket.close()
        slots[place.slot].connection = nil
        slots[place.slot].generation &+= 1
        // The highest generation would make a tag that is a listener's.
        if slots[place.slot].generation == .max { slots[place.slot].generation = 0 }
        free.append(place.slot)
    }
}
