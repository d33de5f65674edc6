import NIOCore
import SamovarCore
import SamovarWire

/// One connection too many: a few words and the end, for the cost of one write.
final class Refusal: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let words: [UInt8]

    init(_ words: [UInt8]) { self.words = words }

    /// What is said on a port that speaks HTTP.
    static let inHTTP: [UInt8] = {
        var error = ErrorReply(
            status: 503, message: "the limit connections_max is reached", type: "overloaded", code: "connections_max",
            retryAfter: .seconds(1))
        error.forbidsRetry = false
        var output = OutputBuffer()
        HTTPReply.append(error, .init(requestID: 0, closes: true), to: &output)
        return output.bytes
    }()

    /// What is said on the binary port (Protocol.md §2.3).
    static let inBinary: [UInt8] = {
        var output = OutputBuffer()
        ErrorFrame(.connectionsMax, message: "the limit connections_max is reached", retryAfter: .seconds(1))
            .append(id: 0, to: &output)
        return output.bytes
    }()

    static func overHTTP(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(Refusal(inHTTP))
    }

    static func overBinary(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(Refusal(inBinary))
    }

    func channelActive(context: ChannelHandlerContext) {
        let done = context.eventLoop.makePromise(of: Void.self)
        done.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: words)), promise: done)
    }

    /// What it asks is of no interest.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { context.close(promise: nil) }
    }
}
