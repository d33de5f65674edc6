// Unsafe pointers, because the kernel fills one buffer for all connections.

import Glibc

extension LoadLoop {
    /// Connects all, and waits until each may be asked.
    ///
    /// - Throws: why the first one that could not be made was not.
    func dialAll(pipeline: Int) throws(CommandFailure) {
        let start = LoadClock.now
        for connection in connections { dial(connection, at: start) }
        while !flags.isStopped {
            if let lastFailure { throw CommandFailure("cannot connect: \(lastFailure)") }
            if connections.contains(where: { $0.descriptor < 0 }) {
                throw CommandFailure("cannot connect: the server closed a connection at once")
            }
            let now = LoadClock.now
            if connections.allSatisfy({ $0.phase == .open }) { return }
            guard now - start < Self.dialMax else {
                throw CommandFailure("no greeting within \(Self.dialMax / 1_000_000_000) s; is this the right port?")
            }
            serve(waiting: Self.sweepInterval)
        }
    }

    func dial(_ connection: LoadConnection<D.Reader>, at now: UInt64) {
        switch place.dial() {
        case .success(let (descriptor, isConnected)):
            connection.descriptor = descriptor
            connection.phase = .dialing(since: now)
            connection.wantsWrite = !isConnected
            poll.add(descriptor, token: connection.token, wantsWrite: !isConnected)
            if isConnected { connected(connection, at: now) }
        case .failure(let error):
            refused(connection, "\(error)", at: now)
        }
    }

    func wasReadyToWrite(_ connection: LoadConnection<D.Reader>, _ token: UInt64) {
        guard case .dialing = connection.phase else { return flush(connection) }
        let now = LoadClock.now
        if let error = SocketPlace.failure(of: connection.descriptor) {
            refused(connection, "\(error)", at: now)
        } else {
            connected(connection, at: now)
        }
    }

    private func connected(_ connection: LoadConnection<D.Reader>, at now: UInt64) {
        connection.phase = .greeting(since: now)
        connection.output += dialect.greeting
        read(connection, UnsafeRawBufferPointer(start: nil, count: 0), at: now)
        flush(connection)
    }

    private func refused(_ connection: LoadConnection<D.Reader>, _ reason: String, at now: UInt64) {
        if connection.descriptor >= 0 { _ = close(connection.descriptor) }
        connection.reset(dialect.makeReader(slotCount: connection.slots.count), until: now + Self.redialPause)
        failOne(.refused, reason, at: now)
    }

    /// Ends a connection, and with it what is in flight on it.
    ///
    /// - Parameter reason: how the first of these failed, where that is another way than the others.
    func drop(_ connection: LoadConnection<D.Reader>, reason: ReplyOutcome? = nil, at now: UInt64) {
        var isGreeting = false
        if case .greeting = connection.phase { isGreeting = true }
        var outcome = reason ?? .failed(.closed)
        let hadRequests = connection.inFlight > 0
        for slot in connection.slots.indices where connection.slots[slot].isBusy {
            end(connection, slot, outcome, at: now)
            outcome = .failed(.closed)
        }
        _ = close(connection.descriptor)
        // After a quiet end it is made again at once; otherwise a server that is going is given a moment.
        let isQuiet = !hadRequests && connection.repliedCount > 0
        connection.reset(
            dialect.makeReader(slotCount: connection.slots.count), until: isQuiet ? now : now + Self.redialPause)
        if isQuiet { return dial(connection, at: now) }
        var words: String?
        if case .failed(_, let detail) = reason { words = detail }
        if let words { lastFailure = words }
        guard isGreeting else { return }
        failOne(.refused, words ?? "the server closed before it said anything", at: now)
    }

    /// Looks at what time has done: requests that took too long, connections to be made again.
    func sweep(at now: UInt64) {
        for connection in connections {
            switch connection.phase {
            case .closed(let until):
                if now >= until { dial(connection, at: now) }
            case .dialing(let since), .greeting(let since):
                if now - since >= Self.dialMax { refused(connection, "no greeting", at: now) }
            case .open, .leaving: timeOut(connection, at: now)
            }
        }
    }

    private func timeOut(_ connection: LoadConnection<D.Reader>, at now: UInt64) {
        guard connection.inFlight > 0 else { return }
        var mustClose = false
        for slot in connection.slots.indices {
            let request = connection.slots[slot]
            guard request.isBusy, now - request.sentAt >= timeout else { continue }
            connection.reader.gaveUp(slot: slot)
            if !dialect.appendCancel(id: request.id, to: &connection.output) { mustClose = true }
            end(connection, slot, .failed(.timeout), at: now)
        }
        if mustClose { drop(connection, at: now) } else { flush(connection) }
    }

    // MARK: Bytes

    /// Sends what the socket takes.
    func flush(_ connection: LoadConnection<D.Reader>) {
        // It waits to be told that it is connected, which is the same event.
        if case .dialing = connection.phase { return }
        while connection.sentCount < connection.output.count {
            let sent = connection.sentCount
            let count = connection.output.withUnsafeBytes {
                Glibc.send(
                    connection.descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                connection.sentCount += count
            } else if errno == EAGAIN {
                guard !connection.wantsWrite else { return }
                connection.wantsWrite = true
                return poll.change(connection.descriptor, token: connection.token, wantsWrite: true)
            } else if errno != EINTR {
                // What the server said before it closed may still be there: the next read finds the end.
                connection.output.removeAll(keepingCapacity: true)
                connection.sentCount = 0
            }
        }
        connection.output.removeAll(keepingCapacity: true)
        connection.sentCount = 0
        guard connection.wantsWrite, connection.descriptor >= 0 else { return }
        connection.wantsWrite = false
        poll.change(connection.descriptor, token: connection.token, wantsWrite: false)
    }

    func receive(_ connection: LoadConnection<D.Reader>) {
        withInput { input in
            let kept = connection.carry.count
            if kept > 0 {
                connection.carry.withUnsafeBytes { input.copyMemory(from: $0.baseAddress!, byteCount: kept) }
            }
            let got = recv(connection.descriptor, input + kept, Self.readSize, 0)
            guard got > 0 else {
                if got < 0, errno == EAGAIN || errno == EINTR { return }
                return drop(connection, at: LoadClock.now)
            }
            read(connection, UnsafeRawBufferPointer(start: input, count: kept + got), at: LoadClock.now)
            guard connection.descriptor >= 0 else { return }
            refill(connection)
            flush(connection)
        }
    }

    /// Does what these bytes say, and keeps what has no end yet.
    private func read(_ connection: LoadConnection<D.Reader>, _ bytes: UnsafeRawBufferPointer, at now: UInt64) {
        var offset = 0
        while true {
            switch connection.reader.next(bytes, from: &offset) {
            case .needsMore:
                connection.carry.removeAll(keepingCapacity: true)
                connection.carry += bytes[offset...]
                if connection.carry.count > Self.carryMax {
                    drop(connection, reason: .failed(.malformed, detail: "a reply without an end"), at: now)
                } else if connection.phase == .leaving, connection.inFlight == 0 {
                    drop(connection, at: now)
                }
                return
            case .greeted(let inflightMax):
                guard inflightMax >= connection.slots.count else {
                    let words = "the server takes \(inflightMax) requests at once on a connection"
                    return drop(connection, reason: .failed(.status, detail: words), at: now)
                }
                connection.phase = .open
            case .ended(let slot, let outcome, let byteCount):
                connection.repliedCount += 1
                end(connection, slot, outcome, byteCount: byteCount, at: now)
            case .bodyNeeded(let slot):
                let request = connection.slots[slot]
                if work.window.contains(request.plannedAt) { tally.bodiesNeeded += 1 }
                let id = connection.reader.asked(slot: slot, isStream: request.request.isStream)
                connection.slots[slot].id = id
                dialect.append(request.request, id: id, withBody: true, to: &connection.output)
            case .say(let words): connection.output += words
            case .leaving: connection.phase = .leaving
            case .broken(let reason): return drop(connection, reason: .failed(.malformed, detail: reason), at: now)
            }
        }
    }
}
