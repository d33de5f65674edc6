// Unsafe pointers, because the kernel fills and empties the same two buffers for all connections, millions of times.

import CEpoll
import Glibc

/// Some connections, each of which sends a batch of requests, waits for all its replies, and sends the next.
///
/// One thread on epoll; one send and mostly one receive for each batch.
struct ClosedLoop<D: Dialect>: ~Copyable {
    private struct Connection {
        let descriptor: Int32
        var batch: Batch
        var sentAt: UInt64 = 0
        /// The beginning of a reply whose end has not come.
        let kept: UnsafeMutableRawPointer
        var keptCount = 0
    }

    private let dialect: D
    private let options: Options
    private var draws: Draws
    private let connections: UnsafeMutablePointer<Connection>
    private let poll: Int32
    private let input: UnsafeMutableRawPointer
    private let output: UnsafeMutableRawPointer
    private var open = 0
    private var outcome = Outcome()
    private var countsFrom: UInt64 = 0
    private var endsAt: UInt64 = 0

    private let inputSize = 256 * 1024
    private let replyByteMax = 128 * 1024
    /// After this long without a word from the server nothing more will come.
    private let silenceMax: Int32 = 10_000

    /// Connects and greets.
    init(_ dialect: D, _ options: Options) throws(Fault) {
        self.dialect = dialect
        self.options = options
        draws =
            options.verb == .run ? Draws(of: options.keys, exponent: options.exponent) : Draws(eachOf: options.keys)
        input = .allocate(byteCount: inputSize, alignment: 64)
        output = .allocate(byteCount: dialect.byteMax(options.inFlight), alignment: 64)
        poll = epoll_create1(0)
        connections = .allocate(capacity: options.connections)
        for index in 0..<options.connections {
            let descriptor = try options.address.connect()
            try dialect.greet(descriptor)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            let kept = UnsafeMutableRawPointer.allocate(byteCount: replyByteMax, alignment: 64)
            (connections + index)
                .initialize(
                    to: Connection(descriptor: descriptor, batch: Batch(capacity: options.inFlight), kept: kept))
            var event = epoll_event()
            event.events = EPOLLIN.rawValue
            event.data.u64 = UInt64(index)
            _ = epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event)
        }
    }

    deinit {
        for index in 0..<options.connections {
            _ = close(connections[index].descriptor)
            connections[index].kept.deallocate()
            connections[index].batch.keys.deallocate()
        }
        _ = close(poll)
        connections.deallocate()
        input.deallocate()
        output.deallocate()
    }

    mutating func run() throws(Fault) -> Outcome {
        let (startedAt, usedBefore) = (Self.nanoseconds(CLOCK_MONOTONIC), Self.nanoseconds(CLOCK_PROCESS_CPUTIME_ID))
        let isTimed = options.verb == .run
        countsFrom = startedAt + (isTimed ? UInt64(options.warmUpSeconds * 1e9) : 0)
        endsAt = isTimed ? countsFrom + UInt64(options.seconds * 1e9) : .max
        for index in 0..<options.connections {
            if try send(connections + index, at: startedAt) { open += 1 }
        }
        try serve()
        let endedAt = Self.nanoseconds(CLOCK_MONOTONIC)
        outcome.seconds = isTimed ? options.seconds : Double(endedAt - startedAt) / 1e9
        outcome.busy = Double(Self.nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - usedBefore) / Double(endedAt - startedAt)
        return outcome
    }

    private mutating func serve() throws(Fault) {
        let eventMax = 64
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: eventMax)
        defer { events.deallocate() }
        while open > 0 {
            let count = Int(epoll_wait(poll, events, Int32(eventMax), silenceMax))
            if count == 0 { throw Fault("no reply for \(silenceMax / 1000) s") }
            for index in 0..<max(0, count) { try receive(connections + Int(events[index].data.u64)) }
        }
    }

    @inline(__always)
    private mutating func receive(_ connection: UnsafeMutablePointer<Connection>) throws(Fault) {
        let kept = connection.pointee.keptCount
        if kept > 0 { memcpy(input, connection.pointee.kept, kept) }
        let got = recv(connection.pointee.descriptor, input + kept, inputSize &- kept, 0)
        guard got > 0 else {
            if got < 0, errno == EAGAIN || errno == EINTR { return }
            throw Fault("the server closed the connection")
        }
        let bytes = UnsafeRawBufferPointer(start: input, count: kept &+ got)
        let taken = try dialect.read(bytes, &connection.pointee.batch, &outcome)
        let rest = bytes.count &- taken
        if connection.pointee.batch.again != 0 { try sendAgain(connection) }
        if connection.pointee.batch.answered == connection.pointee.batch.count {
            guard rest == 0 else { throw Fault("more than was asked for: \(bytes.from(taken).text)") }
            connection.pointee.keptCount = 0
            try finish(connection)
        } else {
            guard rest <= replyByteMax else { throw Fault("a reply of more than \(replyByteMax) bytes") }
            memcpy(connection.pointee.kept, input + taken, rest)
            connection.pointee.keptCount = rest
        }
    }

    /// All of a batch is answered: counts it, and sends the next.
    @inline(__always)
    private mutating func finish(_ connection: UnsafeMutablePointer<Connection>) throws(Fault) {
        let now = Self.nanoseconds(CLOCK_MONOTONIC)
        let count = connection.pointee.batch.count
        if now >= countsFrom, now < endsAt {
            outcome.ops &+= count
            outcome.latency.add(now &- connection.pointee.sentAt, times: UInt64(count))
        }
        if now >= endsAt {
            open -= 1
        } else if try !send(connection, at: now) {
            open -= 1
        }
    }

    /// Returns false where no key is left to be asked for.
    @inline(__always)
    private mutating func send(_ connection: UnsafeMutablePointer<Connection>, at now: UInt64) throws(Fault) -> Bool {
        let count = draws.take(options.inFlight, into: connection.pointee.batch.keys)
        guard count > 0 else { return false }
        connection.pointee.batch.count = count
        connection.pointee.batch.answered = 0
        connection.pointee.batch.seen = 0
        connection.pointee.sentAt = now
        outcome.asked &+= count
        try send(dialect.write(connection.pointee.batch, to: output), connection.pointee.descriptor)
        return true
    }

    private mutating func sendAgain(_ connection: UnsafeMutablePointer<Connection>) throws(Fault) {
        outcome.askedAgain += connection.pointee.batch.again.nonzeroBitCount
        try send(dialect.writeAgain(connection.pointee.batch, to: output), connection.pointee.descriptor)
        connection.pointee.batch.again = 0
    }

    /// Sends so much of what was written.
    @inline(__always)
    private func send(_ total: Int, _ descriptor: Int32) throws(Fault) {
        var sent = 0
        while sent < total {
            let taken = Glibc.send(descriptor, output + sent, total &- sent, Int32(MSG_NOSIGNAL))
            if taken > 0 {
                sent &+= taken
            } else if errno == EAGAIN {
                // Only when values are stored: the server takes them as it can, and answers with a word each.
                var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard Glibc.poll(&wanted, 1, silenceMax) == 1 else { throw Fault("the server takes nothing") }
            } else if errno != EINTR {
                throw Fault("cannot send: \(String(cString: strerror(errno)))")
            }
        }
    }

    @inline(__always)
    private static func nanoseconds(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
