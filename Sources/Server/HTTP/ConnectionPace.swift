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

    private func look(_ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        let now = clock.now
        switch machine.verdict(at: now) {
        case .wait(let until):
            context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(now.duration(to: until).nanoseconds)) {
                self.look(context)
            }
        case .closeIdle: context.close(promise: nil)
        case .tooSlow: tooSlow(context)
        }
    }
}
