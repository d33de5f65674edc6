import Glibc
import SamovarCore
import Synchronization

/// One listening socket, shared by all loops, and how its connections are made.
final class Acceptor: Sendable {
    enum Next {
        case admitted(Socket)
        /// One too many: it was told so.
        case refused
        case nobody
        /// The process has no descriptor left.
        case exhausted
    }

    let socket: Socket
    private let count: ConnectionCount
    private let unacknowledgedMax: @Sendable () -> Duration?
    private let refusal: [UInt8]
    private let make: @Sendable (Socket, EpollLoop.Place, LoopTurn, @escaping () -> Void) -> SocketConnection
    /// A descriptor that is given up when there is no other, so that whoever waits can be told to go.
    private let spare = Atomic<Int32>(open("/dev/null", O_RDONLY | O_CLOEXEC))

    /// - Parameters:
    ///   - unacknowledgedMax: after which time a silent peer is dead; nil for Unix sockets.
    ///   - refusal: what one connection too many is told.
    init(
        _ socket: Socket, count: ConnectionCount, unacknowledgedMax: @escaping @Sendable () -> Duration?,
        refusal: [UInt8],
        make: @escaping @Sendable (Socket, EpollLoop.Place, LoopTurn, @escaping () -> Void) -> SocketConnection
    ) {
        self.socket = socket
        self.count = count
        self.unacknowledgedMax = unacknowledgedMax
        self.refusal = refusal
        self.make = make
    }

    deinit {
        socket.close()
        let spare = spare.load(ordering: .relaxed)
        if spare >= 0 { _ = Glibc.close(spare) }
    }

    func next() -> Next {
        switch socket.accept() {
        case .success(let new):
            guard count.admit() else {
                refuse(new)
                return .refused
            }
            if let timeout = unacknowledgedMax() { new.configureTCP(unacknowledgedMax: timeout) }
            return .admitted(new)
        case .failure(let error):
            switch error.number {
            case EMFILE, ENFILE: return useSpare()
            // The listener is still ready: it would be told again at once.
            case ENOBUFS, ENOMEM: return .exhausted
            default: return .nobody
            }
        }
    }

    /// For the price of one descriptor, whoever waits first is let in and told to come again.
    private func useSpare() -> Next {
        let descriptor = spare.exchange(-1, ordering: .relaxed)
        guard descriptor >= 0 else { return .exhausted }
        _ = Glibc.close(descriptor)
        defer { spare.store(open("/dev/null", O_RDONLY | O_CLOEXEC), ordering: .relaxed) }
        guard case .success(let new) = socket.accept() else { return .exhausted }
        refuse(new)
        return .exhausted
    }

    private func refuse(_ socket: Socket) {
        _ = refusal.withUnsafeBytes { socket.send($0) }
        socket.shutOutput()
        socket.close()
    }

    func connection(_ socket: Socket, _ place: EpollLoop.Place, _ loop: LoopTurn) -> SocketConnection {
        make(socket, place, loop) { [count] in count.release() }
    }
}
