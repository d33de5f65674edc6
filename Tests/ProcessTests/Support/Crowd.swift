import Glibc

/// Many callers at once on one thread: all connect, all ask, all are read as their answers come.
final class Crowd {
    private struct Member {
        let descriptor: Int32
        let request: [UInt8]
        var sent = 0
        var reader = ReplyReader()
        var isOver = false
    }

    private var members: [Member] = []

    /// - Parameter requests: one for each member.
    init(_ requests: [[UInt8]], to address: SocketAddress) throws {
        for request in requests {
            let descriptor = try address.makeSocket()
            members.append(Member(descriptor: descriptor, request: request))
            guard address.with({ connect(descriptor, $0, $1) }) == 0 else {
                throw HarnessError.system("connect \(address)", errno)
            }
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
    }

    deinit { for member in members { close(member.descriptor) } }

    var replies: [HTTPReply?] { members.map(\.reader.reply) }

    /// Everyone's reply, as far as it came in time; nil for one who got nothing at all.
    func finish(within length: Duration = .seconds(60)) -> [HTTPReply?] {
        let deadline = Deadline(within: length)
        while !deadline.hasPassed, turn(deadline) {}
        return replies
    }

    /// Asks and reads until this is so of the replies.
    @discardableResult
    func run(within length: Duration = .seconds(60), until condition: ([HTTPReply?]) -> Bool) -> Bool {
        let deadline = Deadline(within: length)
        while !condition(replies) {
            if deadline.hasPassed || !turn(deadline) { return condition(replies) }
        }
        return true
    }

    /// Member `index` hangs up.
    func leave(_ index: Int) {
        shutdown(members[index].descriptor, Int32(SHUT_RDWR))
        members[index].isOver = true
    }

    /// False: nobody has anything left to do.
    private func turn(_ deadline: Deadline) -> Bool {
        let busy = members.indices.filter { !members[$0].isOver && !members[$0].reader.isDone }
        guard !busy.isEmpty else { return false }
        var events = busy.map { index in
            let wantsToSend = members[index].sent < members[index].request.count
            return pollfd(
                fd: members[index].descriptor, events: Int16(POLLIN) | (wantsToSend ? Int16(POLLOUT) : 0), revents: 0)
        }
        guard poll(&events, nfds_t(events.count), min(deadline.milliseconds, 50)) > 0 else { return true }
        for (index, event) in zip(busy, events) {
            if event.revents & Int16(POLLOUT) != 0 { send(index) }
            if event.revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 { receive(index) }
        }
        return true
    }

    private func send(_ index: Int) {
        let rest = members[index].request[members[index].sent...]
        let count = rest.withUnsafeBytes {
            Glibc.send(members[index].descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if count > 0 { members[index].sent += count }
    }

    private func receive(_ index: Int) {
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        let count = recv(members[index].descriptor, &piece, piece.count, 0)
        if count > 0 {
            members[index].reader.feed(piece[..<count])
        } else if count == 0 || errno != EAGAIN {
            members[index].reader.close()
            members[index].isOver = true
        }
    }
}
