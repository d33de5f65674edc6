import NIOCore
import NIOHTTP1

/// Holds a request's head back until its body is there too: one write, and one wake-up of the upstream.
///
/// The client flushes each part. What is not whole by the end of the loop's turn goes out as it is, so a body that
/// comes in pieces, or waits for the socket, is never waited for. Stands between the client and its encoder.
final class WholeRequestWriter: ChannelOutboundHandler {
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private var isWhole = false
    /// A flush is held back; it happens at the end of this turn at the latest.
    private var isOwed = false
    private var isScheduled = false

    /// Puts one behind the encoder of a new connection. On the channel's event loop.
    static func install(on channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let encoder = try pipeline.context(handlerType: HTTPRequestEncoder.self).handler
        try pipeline.addHandler(WholeRequestWriter(), position: .after(encoder))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { isWhole = true }
        context.write(data, promise: promise)
    }

    func flush(context: ChannelHandlerContext) {
        if isWhole {
            isWhole = false
            isOwed = false
            return context.flush()
        }
        isOwed = true
        guard !isScheduled else { return }
        isScheduled = true
        context.eventLoop.assumeIsolated().execute {
            self.isScheduled = false
            guard self.isOwed else { return }
            self.isOwed = false
            context.flush()
        }
    }
}
