import NIOCore
import NIOPosix
import SamovarEngine

/// A server that greets like Redis and then does what the test says.
final class ScriptedPeer: Sendable {
    enum Act: Sendable {
        case send([UInt8])
        case close
    }

    private let channel: any Channel
    private let scene: Scene

    /// - Parameter script: what to do about what was received, greetings aside.
    static func start(_ script: @escaping @Sendable (_ received: String) -> [Act]) async throws -> ScriptedPeer {
        let scene = Scene()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Actor(script: script, scene: scene))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ScriptedPeer(channel: channel, scene: scene)
    }

    private init(channel: any Channel, scene: Scene) {
        self.channel = channel
        self.scene = scene
    }

    var url: String { "redis://127.0.0.1:\(channel.localAddress?.port ?? 0)" }
    var receivedCount: Int { scene.state.withLock { $0.receivedCount } }

    /// Returns once a connection has been closed by the other side, or the test is cancelled.
    func connectionClosed() async {
        let (closed, continuation) = AsyncStream.makeStream(of: Void.self)
        let isClosed = scene.state.withLock { state in
            if state.closedCount > 0 { return true }
            state.waiting.append(continuation)
            return false
        }
        if isClosed { return }
        for await _ in closed {}
    }

    func stop() async { try? await channel.close() }

    private final class Scene: Sendable {
        struct State {
            var receivedCount = 0
            var closedCount = 0
            var waiting: [AsyncStream<Void>.Continuation] = []
        }

        let state = Lock(State())
    }

    private final class Actor: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let script: @Sendable (String) -> [Act]
        private let scene: Scene
        private var hasClosed = false

        init(script: @escaping @Sendable (String) -> [Act], scene: Scene) {
            self.script = script
            self.scene = scene
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let received = String(buffer: unwrapInboundIn(data))
            guard !received.contains("SETNAME") else { return send("+OK\r\n+PONG\r\n".utf8, context) }
            scene.state.withLock { $0.receivedCount += 1 }
            for act in script(received) {
                switch act {
                case .send(let bytes): send(bytes, context)
                case .close:
                    hasClosed = true
                    context.close(promise: nil)
                }
            }
        }

        private func send(_ bytes: some Sequence<UInt8>, _ context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelInactive(context: ChannelHandlerContext) {
            guard !hasClosed else { return }
            let woken = scene.state.withLock { state in
                state.closedCount += 1
                defer { state.waiting.removeAll() }
                return state.waiting
            }
            for continuation in woken { continuation.finish() }
        }
    }
}
