import NIOCore
import NIOHTTP1
import NIOPosix

/// The listening socket and the pipeline of each connection.
enum Listener {
    static func bind(
        _ address: ListenAddress, desk: Desk, on loops: MultiThreadedEventLoopGroup
    ) throws -> any Channel {
        try ServerBootstrap(group: loops)
            .serverChannelOption(.backlog, value: 4_096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                        withPipeliningAssistance: true, withErrorHandling: true)
                    try channel.pipeline.syncOperations.addHandler(CallHandler(desk: desk))
                }
            }
            .bind(host: address.host, port: address.port).wait()
    }
}
