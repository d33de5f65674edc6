import NIOCore
import SamovarCore
import SamovarEngine
import SamovarWire

/// How fast one connection's caller sends. Drives `ReadPace`, with one timer that is set anew only when it fires.
///
/// Stands before the HTTP decoder, because only bytes show that somebody is dribbling a head. On its event loop only.
final class ConnectionPace: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    var machine: ReadPace
    private let clock: any MonotonicClock
    private let tooSlow: (ChannelHandlerContext) -> Void
    private let padded: (ChannelHandlerContext) -> Void

    /// - Parameters:
    ///   - tooSlow: answers 408 and closes.
    ///   - padded: answers 400 and closes.
    init(
        limits: ReadPace.Limits, clock: any MonotonicClock, tooSlow: @escaping (ChannelHandlerContext) -> Void,
        padded: @escaping (ChannelHandlerContext) -> Void
    ) {
        machine = ReadPace(limits: limits, at: clock.now)
        self.clock = clock
        self.tooSlow = tooSlow
        self.padded = padded
    }

    func channelActive(context: ChannelHandlerContext) {
        look(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        machine.received(unwrapInboundIn(data).readableBytes, at: clock.now)
        context.fireChannelRead(data)
        if machine.isPadded { padded(context) }
    }

    /// A slow reader may still be taking the last reply: the end comes after it.
    private func closeAfterWrites(_ context: ChannelHandlerContext) {
        let done = context.eventLoop.makePromise(of: Void.self)
        done.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: done)
    }

    private func look(_ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        let now = clock.now
        switch machine.verdict(at: now) {
        case .wait(let until):
            context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(now.duration(to: until).nanoseconds)) {
                self.look(context)
            }
        case .closeIdle: closeAfterWrites(context)
        case .tooSlow: tooSlow(context)
        }
    }
}
