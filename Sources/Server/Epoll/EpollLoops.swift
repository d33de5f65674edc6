import Glibc
import NIOCore
import SamovarCore
import SamovarEngine

/// The epoll loops of the process, and the listeners whose connections they share.
public final class EpollLoops: PortListener {
    private let loops: [EpollLoop]
    private let front: Front

    /// Starts the threads.
    ///
    /// - Throws: where the process has no descriptor left.
    public init(count: Int, front: Front, settings: EpollLoop.Settings) throws {
        self.front = front
        loops = try (0..<count).map { index in
            try EpollLoop(lane: index % front.laneCount, front: front, settings: settings)
        }
        for loop in loops { loop.start() }
    }

    /// Listens; returns where, with the port that was given.
    func listen<Machine: ConnectionMachine>(
        _ address: ListenAddress, count: ConnectionCount, refusal: [UInt8],
        machine: @escaping @Sendable (Instant) -> Machine
    ) async throws -> String {
        let (socket, described) = try await ListeningSocket.open(address)
        var isUnix = false
        if case .unix = address { isUnix = true }
        let front = front
        let acceptor = Acceptor(
            socket, count: count,
            unacknowledgedMax: { [isUnix] in isUnix ? nil : front.currentSettings.writeTimeout }, refusal: refusal,
            make: { socket, place, loop, ended in
                MachineConnection(machine(front.clock.now), socket, place, loop, front: front, ended: ended)
            })
        for loop in loops { loop.send(.listen(acceptor)) }
        return described
    }

    public func stopAccepting() async { for loop in loops { loop.send(.stopAccepting) } }
    public func leave() { for loop in loops { loop.send(.leave) } }
    public func closeAll() async { for loop in loops { loop.send(.closeAll) } }

    /// Ends the threads, and with them whatever connection there still is.
    public func shutdown() {
        for loop in loops { loop.send(.end) }
        for loop in loops { loop.join() }
    }
}

/// Opens sockets that listen.
enum ListeningSocket {
    private static let backlog: Int32 = 1_024

    static func open(_ address: ListenAddress) async throws -> (Socket, String) {
        switch address {
        case .tcp(let host, let port):
            let resolved = try SocketAddress.makeAddressResolvingHost(host, port: port)
            let socket = try bound(to: resolved, reuses: true)
            let given = port == 0 ? givenPort(socket) : port
            return (socket, host.contains(":") ? "[\(host)]:\(given)" : "\(host):\(given)")
        case .unix(let path):
            try StaleSocket.remove(path)
            // The socket is for this user alone.
            let mask = umask(0o177)
            defer { umask(mask) }
            return (try bound(to: SocketAddress(unixDomainSocketPath: path), reuses: false), "unix:\(path)")
        }
    }

    private static func bound(to address: SocketAddress, reuses: Bool) throws -> Socket {
        let descriptor = socket(
            address.protocol.rawValue, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        let socket = Socket(descriptor: descriptor)
        if reuses { socket.set(SOL_SOCKET, SO_REUSEADDR, 1) }
        let result = address.withSockAddr { Glibc.bind(descriptor, $0, socklen_t($1)) }
        guard result == 0, Glibc.listen(descriptor, backlog) == 0 else {
            let number = errno
            socket.close()
            throw IOError(errnoCode: number, reason: "bind")
        }
        return socket
    }

    private static func givenPort(_ socket: Socket) -> Int {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutableBytes(of: &address) { bytes in
            getsockname(socket.descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size)
        }
        guard result == 0 else { return 0 }
        return withUnsafeBytes(of: address) { bytes in
            // Both families have the port in the same two bytes.
            Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        }
    }
}
