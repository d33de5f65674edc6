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
public final class Listener: Sendable {
    /// Builds a connection's pipeline; returns what is told when the process leaves.
    typealias Setup = @Sendable (any Channel) throws -> Void

    private struct State {
        var server: (any Channel)?
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    private let state = Lock(State())
    private let connectionsMax: Int

    init(connectionsMax: Int) {
        self.connectionsMax = connectionsMax
    }

    public var connectionCount: Int { state.withLock { $0.connections.count } }

    /// Starts to listen. Returns where, with the port that was given.
    func start(
        _ address: ListenAddress, group: any EventLoopGroup, refuse: @escaping Setup,
        setUp: @escaping Setup
    ) async throws -> String {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
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
            try await Self.removeStale(path, group)
            // The socket is for this user alone.
            let mask = umask(0o177)
            defer { umask(mask) }
            server = try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: false).get()
        }
        state.withLock { $0.server = server }
        return Self.describe(server, address)
    }

    /// A killed process leaves its socket behind; one that somebody answers on is in use.
    private static func removeStale(_ path: String, _ group: any EventLoopGroup) async throws {
        var status = stat()
        // Whatever else lies there is not ours to remove: binding will say so.
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
        do {
            let answered = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path).get()
            try? await answered.close()
            throw AddressInUse()
        } catch let error as IOError where error.errnoCode == ECONNREFUSED {
            unlink(path)
        }
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
        let isAdmitted = state.withLock { state in
            guard state.connections.count < connectionsMax else { return false }
            state.connections[ObjectIdentifier(channel)] = channel
            return true
        }
        guard isAdmitted else { return false }
        channel.closeFuture.whenComplete { _ in
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

/// Somebody else answers on that Unix socket.
public struct AddressInUse: Error {
    public init() {}
}

/// Tells a connection that the process is leaving.
struct LeaveEvent: Sendable {}
