import CEpoll
import Glibc
import SamovarCore

/// A socket and what the kernel does with it, without waiting. Errors are told by number, as the kernel has them.
struct Socket {
    let descriptor: Int32

    enum Received {
        case bytes(Int)
        case nothing
        case end
        case failed(Int32)
    }

    /// What has come, up to the room there is.
    func receive(into room: UnsafeMutableRawBufferPointer) -> Received {
        while true {
            let count = recv(descriptor, room.baseAddress, room.count, 0)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .nothing
            default: return .failed(errno)
            }
        }
    }

    /// How many bytes the kernel takes now; nil where nobody is there to get them.
    ///
    /// Never raises SIGPIPE: a caller that leaves in the middle of a reply must not end the process.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int? {
        while true {
            let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN, ENOBUFS: return 0
            default: return nil
            }
        }
    }

    func shutOutput() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    func close() { _ = Glibc.close(descriptor) }

    /// The next connection, or the error: EAGAIN where there is none.
    func accept() -> Result<Socket, SocketError> {
        while true {
            let new = Glibc.accept(descriptor, nil, nil)
            if new >= 0 {
                _ = fcntl(new, F_SETFL, O_NONBLOCK)
                _ = fcntl(new, F_SETFD, FD_CLOEXEC)
                return .success(Socket(descriptor: new))
            }
            // ECONNABORTED: whoever it was has gone already.
            guard errno == EINTR || errno == ECONNABORTED else { return .failure(SocketError(number: errno)) }
        }
    }

    /// Answers go out at once, and a peer that acknowledges nothing is dead after this time: without it the kernel
    /// goes on for a quarter of an hour. Errors mean that it is no TCP socket.
    func configureTCP(unacknowledgedMax: Duration) {
        set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, Int32(clamping: unacknowledgedMax.milliseconds))
    }

    func set(_ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}

struct SocketError: Error {
    let number: Int32
}
