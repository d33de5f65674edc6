import NIOCore
import NIOHTTP1
import NIOPosix
import SamovarCore
import SamovarEngine
import SamovarWire

#if canImport(Glibc)
    import Glibc
#endif

/// Where a port listens.
public enum ListenAddress: Hashable, Sendable {
    case tcp(host: String, port: Int)
    case unix(path: String)
}

/// One listening socket and its connections.
public final class Listener: PortListener {
    /// Builds a connection's pipeline; returns what is told when the process leaves.
    typealias Setup = @Sendable (any Channel) throws -> Void

    private struct State {
        var server: (any Channel)?
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    private let state = Lock(State())
    private let count: ConnectionCount

    init(count: ConnectionCount) {
        self.count = count
    }

    /// Starts to listen. Returns where, with the port that was given.
    func start(
        _ address: ListenAddress, group: any EventLoopGroup, refuse: @escaping Setup,
        setUp: @escaping Setup
    ) async throws -> String {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { server in
                server.eventLoop.makeCompletedFuture {
                    try server.pipeline.syncOperations.addHandler(AcceptRest())
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 32 << 10, high: 128 << 10))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard self.admit(channel) else { return try refuse(channel) }
                    try setUp(channel)
                }
            }
        let server: any Channel
        switch address {
        case .tcp(let host, let port):
            server = try await bootstrap.bind(host: host, port: port).get()
        case .unix(let path):
            try StaleSocket.remove(path)
            // The socket is for this user alone.
            let mask = umask(0o177)
            defer { umask(mask) }
            server = try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: false).get()
        }
        state.withLock { $0.server = server }
        return Self.describe(server, address)
    }

    private static func describe(_ server: any Channel, _ address: ListenAddress) -> String {
        switch address {
        case .unix(let path): return "unix:\(path)"
        case .tcp(let host, _):
            let port = server.localAddress?.port ?? 0
            return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    private func admit(_ channel: any Channel) -> Bool {
        guard count.admit() else { return false }
        state.withLock { $0.connections[ObjectIdentifier(channel)] = channel }
        channel.closeFuture.whenComplete { _ in
            self.count.release()
            self.state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }
        }
        return true
    }

    /// Takes no more connections.
    public func stopAccepting() async {
        let server = state.withLock { $0.server.take() }
        try? await server?.close()
    }

    /// Tells every connection to close after what it is doing.
    public func leave() {
        for channel in state.withLock({ Array($0.connections.values) }) {
            channel.pipeline.fireUserInboundEventTriggered(LeaveEvent())
        }
    }

    /// Closes every connection, whatever it is doing.
    public func closeAll() async {
        await stopAccepting()
        for channel in state.withLock({ Array($0.connections.values) }) { try? await channel.close() }
    }
}

/// Lets a listener rest while the process has no descriptor left: it stays ready, and would be asked, and would fail,
/// again and again. (NIO's own `AcceptBackoffHandler` delays the next read, but not the one that failed, which goes on.)
private final class AcceptRest: ChannelInboundHandler {
    typealias InboundIn = any Channel

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let channel = context.channel
        guard let number = (error as? IOError)?.errnoCode, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(number) else {
            return context.fireErrorCaught(error)
        }
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        channel.eventLoop.scheduleTask(in: .milliseconds(100)) {
            _ = channel.setOption(.autoRead, value: true)
        }
    }
}

/// Tells a connection that the process is leaving.
struct LeaveEvent: Sendable {}
