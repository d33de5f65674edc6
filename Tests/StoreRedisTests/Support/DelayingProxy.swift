import NIOCore
import NIOPosix

/// Stands between a client and a server and holds back what the server says for a random time, in order.
final class DelayingProxy: Sendable {
    private let channel: any Channel

    static func start(to port: Int, delay: Range<Int64>) async throws -> DelayingProxy {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { client in
                let server = ClientBootstrap(group: client.eventLoop)
                    .channelInitializer { server in
                        server.eventLoop.makeCompletedFuture {
                            try server.pipeline.syncOperations.addHandler(Forward(to: client, delay: delay))
                        }
                    }
                    .connect(host: "127.0.0.1", port: port)
                return server.flatMapThrowing { server in
                    try client.pipeline.syncOperations.addHandler(Forward(to: server, delay: nil))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return DelayingProxy(channel: channel)
    }

    private init(channel: any Channel) {
        self.channel = channel
    }

    var url: String { "redis://127.0.0.1:\(channel.localAddress?.port ?? 0)" }
    func stop() async { try? await channel.close() }

    private final class Forward: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let other: any Channel
        /// Microseconds; nil: none.
        private let delay: Range<Int64>?
        private var latest = NIODeadline.uptimeNanoseconds(0)

        init(to other: any Channel, delay: Range<Int64>?) {
            self.other = other
            self.delay = delay
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let buffer = unwrapInboundIn(data)
            guard let delay else { return other.writeAndFlush(buffer, promise: nil) }
            // Never before what was held back earlier.
            latest = max(latest + .nanoseconds(1), .now() + .microseconds(Int64.random(in: delay)))
            let other = other
            context.eventLoop.scheduleTask(deadline: latest) { other.writeAndFlush(buffer, promise: nil) }
        }

        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
