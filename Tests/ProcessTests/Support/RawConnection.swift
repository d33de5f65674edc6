import Glibc

/// One connection of a caller who says exactly what the test says.
final class RawConnection {
    private var descriptor: Int32
    private var reader = ReplyReader()
    /// False for what is no HTTP: then only the bytes are kept.
    private let readsReplies: Bool
    /// Everything that has come, as it came.
    private(set) var received: [UInt8] = []
    private(set) var isClosedByPeer = false

    /// - Parameter receiveBuffer: how much the kernel takes for a caller who does not read.
    init(to address: SocketAddress, receiveBuffer: Int32? = nil, readsReplies: Bool = true) throws {
        self.readsReplies = readsReplies
        descriptor = try address.makeSocket()
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        guard address.with({ connect(descriptor, $0, $1) }) == 0 else {
            let code = errno
            close()
            throw HarnessError.system("connect \(address)", code)
        }
    }

    deinit { close() }

    func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// Goes without a goodbye: the peer gets a reset.
    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// Ends our side: nothing more will be sent.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Sends all of it. False: the peer takes no more.
    @discardableResult
    func send(_ bytes: [UInt8], within length: Duration = .patience) -> Bool {
        let deadline = Deadline(within: length)
        var sent = 0
        while sent < bytes.count {
            var event = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&event, 1, deadline.milliseconds) > 0 else { return false }
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count < 0, errno == EAGAIN { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Waits for more, once. False: the peer has closed, or nothing came in time.
    @discardableResult
    func receive(until deadline: Deadline) -> Bool {
        var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&event, 1, deadline.milliseconds) > 0 else { return false }
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &piece, piece.count, 0)
        guard count > 0 else {
            isClosedByPeer = true
            reader.close()
            return false
        }
        received += piece[..<count]
        if readsReplies { reader.feed(piece[..<count]) }
        return true
    }

    /// Reads until this is so; false when the peer closes or the time passes before.
    func reads(within length: Duration = .patience, until condition: (RawConnection) -> Bool) -> Bool {
        let deadline = Deadline(within: length)
        while !condition(self) {
            if isClosedByPeer || deadline.hasPassed { return false }
            receive(until: deadline)
        }
        return true
    }

    /// The reply that is being read: its head and what there is of its body.
    var partial: HTTPReply? { reader.reply }

    /// The next reply, read to its end or to the connection's.
    func reply(within length: Duration = .patience) throws -> HTTPReply {
        guard reads(within: length, until: { $0.reader.isDone }) || isClosedByPeer, let reply = reader.reply else {
            let start = String(decoding: received.prefix(400), as: UTF8.self).debugDescription
            throw HarnessError.noReply(
                "got \(received.count) bytes, \(isClosedByPeer ? "then the end" : "and no end"): \(start)")
        }
        reader.next()
        return reply
    }

    /// Whether the peer closes the connection, whatever it sends before.
    func closes(within length: Duration = .patience) -> Bool {
        _ = reads(within: length) { _ in false }
        return isClosedByPeer
    }
}
