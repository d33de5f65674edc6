import NIOCore
import NIOPosix
import NIOSSL

/// Where the server is, and how one gets there.
struct Endpoint: Sendable {
    enum Address: Hashable, Sendable {
        case tcp(host: String, port: Int)
        case unix(path: String)
    }

    /// Looked up anew for each connection: what it leads to may change, as a primary does. Nil: not known now.
    let address: @Sendable () -> Address?
    let tls: NIOSSLContext?
    let connectTimeout: Duration
    /// How many bytes may wait to be sent on one connection before commands are refused.
    static let pipelineSizeMax = 8 << 20

    /// Opens a connection on `loop`. The name is resolved anew each time, since its address may have changed.
    func connect(
        on loop: any EventLoop, handler: @escaping @Sendable () -> some ChannelHandler
    ) -> EventLoopFuture<any Channel> {
        guard let address = address() else {
            return loop.makeFailedFuture(ConnectionLoss.unreachable("no primary is known"))
        }
        let serverName = address.serverName
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(.nanoseconds(connectTimeout.nanoseconds))
            .channelOption(
                .writeBufferWaterMark, value: .init(low: Self.pipelineSizeMax / 2, high: Self.pipelineSizeMax)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls {
                        try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: serverName))
                    }
                    try pipeline.addHandler(handler())
                }
            }
        switch address {
        case .tcp(let host, let port):
            return bootstrap.channelOption(.socketOption(.so_keepalive), value: 1).connect(host: host, port: port)
        case .unix(let path):
            return bootstrap.connect(unixDomainSocketPath: path)
        }
    }
}

extension Endpoint.Address {
    /// What the certificate is to name. An address is no server name; it is checked as an address.
    fileprivate var serverName: String? {
        guard case .tcp(let host, let port) = self else { return nil }
        return (try? SocketAddress(ipAddress: host, port: port)) == nil ? host : nil
    }

    var host: String {
        switch self {
        case .tcp(let host, _): host
        case .unix: ""
        }
    }
}

/// For a log line. Holds no secret.
extension Endpoint.Address: CustomStringConvertible {
    var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }
}
