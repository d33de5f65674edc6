import NIOCore
import NIOPosix

/// A server that greets like Redis and answers every question with the same bytes. It tells no news.
final class CannedPeer: Sendable {
    private let channel: any Channel

    static func start(_ answer: String) async throws -> CannedPeer {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Actor(answer: answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return CannedPeer(channel: channel)
    }

    private init(channel: any Channel) {
        self.channel = channel
    }

    var port: Int { channel.localAddress?.port ?? 0 }
    func stop() async { try? await channel.close() }

    private final class Actor: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let answer: String

        init(answer: String) {
            self.answer = answer
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let received = String(buffer: unwrapInboundIn(data))
            guard !received.contains("SUBSCRIBE") else { return context.close(promise: nil) }
            var reply = received.contains("SETNAME") ? "+OK\r\n+PONG\r\n" : ""
            if received.contains("SLOTS") || received.contains("SENTINEL") { reply += answer }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: reply)), promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
