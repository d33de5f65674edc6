import NIOCore
import NIOHTTP1

/// Reads calls off one connection, one after the other, and plays the scripts of their replies.
///
/// Decides nothing: reads, asks the desk, writes what the script says when it says it.
final class CallHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    static let bodySizeMax = 32 << 20

    private let desk: Desk
    private var call: Call?
    private var performance: Performance?

    /// A reply that is being played.
    private struct Performance {
        var reply: Reply
        let began: NIODeadline
        let version: HTTPVersion
        let keepsAlive: Bool
        var timer: Scheduled<Void>?
        /// The caller does not read: nothing is played until it does.
        var isHeldUp = false
    }

    init(desk: Desk) {
        self.desk = desk
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            call = Call(head: head)
            if head.headers.contains(name: "expect") {
                let goOn = HTTPResponseHead(version: .http1_1, status: .continue)
                context.writeAndFlush(wrapOutboundOut(.head(goOn)), promise: nil)
            }
        case .body(var part):
            take(&part)
        case .end:
            guard let call else { return }
            self.call = nil
            let now = NIODeadline.now()
            let version = call.head.version
            performance = Performance(
                reply: desk.receive(call, at: now), began: now, version: version,
                keepsAlive: call.head.isKeepAlive && version == .http1_1)
            play(context: context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let performance {
            self.performance = nil
            performance.timer?.cancel()
            if performance.reply.isServed { desk.ended(cancelled: true) }
        }
        context.fireChannelInactive()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, performance?.isHeldUp == true {
            performance?.isHeldUp = false
            play(context: context)
        }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func take(_ part: inout ByteBuffer) {
        guard let size = call?.body.readableBytes, call?.bodyIsTooLarge == false else { return }
        if size == 0 {
            call?.body = part
        } else if size + part.readableBytes <= Self.bodySizeMax {
            call?.body.writeBuffer(&part)
        } else {
            call?.body = ByteBuffer()
            call?.bodyIsTooLarge = true
        }
    }

    private func play(context: ChannelHandlerContext) {
        guard var performance else { return }
        let passage = performance.reply.script.play(at: .now() - performance.began)
        self.performance = performance
        if var head = passage.head {
            head.version = performance.version
            if !performance.keepsAlive { head.headers.replaceOrAdd(name: "connection", value: "close") }
            context.write(wrapOutboundOut(.head(head)), promise: nil)
        }
        let sends = passage.bytes.readableBytes > 0
        switch passage.then {
        case .resume(let due):
            if sends { context.write(wrapOutboundOut(.body(.byteBuffer(passage.bytes))), promise: nil) }
            context.flush()
            resume(at: performance.began + due, context: context)
        case .end:
            if sends { context.write(wrapOutboundOut(.body(.byteBuffer(passage.bytes))), promise: nil) }
            end(performance, context: context)
        case .cut:
            self.performance = nil
            if performance.reply.isServed { desk.ended(cancelled: false) }
            let written = context.eventLoop.makePromise(of: Void.self)
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(passage.bytes))), promise: written)
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
    }

    private func resume(at due: NIODeadline, context: ChannelHandlerContext) {
        // The flush may have closed the connection.
        guard performance != nil else { return }
        guard context.channel.isWritable else {
            performance?.isHeldUp = true
            return
        }
        performance?.timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: due) {
            self.play(context: context)
        }
    }

    private func end(_ performance: Performance, context: ChannelHandlerContext) {
        // Before the write: the pipeline may hand us the next call from within it.
        self.performance = nil
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        written.futureResult.whenComplete { [desk] outcome in
            if performance.reply.isServed {
                if case .success = outcome { desk.ended(cancelled: false) } else { desk.ended(cancelled: true) }
            }
            if !performance.keepsAlive { channel.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }
}
