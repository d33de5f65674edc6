import NIOCore
import SamovarWire

/// One connection too many: an answer and the end, for the cost of one write.
final class Refusal: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    static func setUp(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(Refusal())
    }

    func channelActive(context: ChannelHandlerContext) {
        let body = ErrorReply(
            status: 503, message: "the limit connections_max is reached", type: "overloaded", code: "connections_max"
        ).body
        var head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"
        head += "retry-after: 1\r\ncontent-length: \(body.count)\r\n\r\n"
        var buffer = context.channel.allocator.buffer(capacity: head.utf8.count + body.count)
        buffer.writeString(head)
        buffer.writeBytes(body)
        let done = context.eventLoop.makePromise(of: Void.self)
        done.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: done)
    }

    /// What it asks is of no interest.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { context.close(promise: nil) }
    }
}
