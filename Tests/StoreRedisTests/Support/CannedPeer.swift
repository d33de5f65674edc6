import NIOCore
import NIOPosix
import SamovarEngine

/// A server that greets like Redis and answers every question with the same bytes, until it is told others.
final class CannedPeer: Sendable {
    private struct State {
        var answer: String
        var listeners: [any Channel] = []
    }

    private let channel: any Channel
    private let scene: Scene

    static func start(_ answer: String) async throws -> CannedPeer {
        let scene = Scene(answer)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Actor(scene))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return CannedPeer(channel: channel, scene: scene)
    }

    private init(channel: any Channel, scene: Scene) {
        self.channel = channel
        self.scene = scene
    }

    var port: Int { channel.localAddress?.port ?? 0 }
    func stop() async { try? await channel.close() }

    /// Answers this from now on.
    func answer(_ answer: String) {
        scene.state.withLock { $0.answer = answer }
    }

    /// How many listen to the one channel there is.
    var listenerCount: Int { scene.state.withLock { $0.listeners.count } }

    /// Tells those who listen.
    func tell(_ message: String) {
        let channel = "+switch-master"
        let news = "*3\r\n$7\r\nmessage\r\n$\(channel.count)\r\n\(channel)\r\n$\(message.count)\r\n\(message)\r\n"
        for listener in scene.state.withLock({ $0.listeners }) {
            listener.writeAndFlush(ByteBuffer(string: news), promise: nil)
        }
    }

    private final class Scene: Sendable {
        let state: Lock<State>

        init(_ answer: String) {
            state = Lock(State(answer: answer))
        }
    }

    private final class Actor: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let scene: Scene

        init(_ scene: Scene) {
            self.scene = scene
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let received = String(buffer: unwrapInboundIn(data))
            var reply = received.contains("SETNAME") ? "+OK\r\n+PONG\r\n" : ""
            if received.contains("SUBSCRIBE") {
                reply += "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n"
                let channel = context.channel
                scene.state.withLock { $0.listeners.append(channel) }
            } else if received.contains("SLOTS") || received.contains("SENTINEL") {
                reply += scene.state.withLock { $0.answer }
            }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: reply)), promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
