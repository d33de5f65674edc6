import NIOCore
import SamovarCore
import SamovarEngine
import SamovarWire

/// Ends admin connections that are idle or slow. Drives `ReadPace`, with one timer that is set anew only when it
/// fires. On its event loop only.
final class AdminPace: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var machine: ReadPace
    private let limits: ReadPace.Limits
    private let clock: any MonotonicClock

    init(limits: ReadPace.Limits, clock: any MonotonicClock) {
        machine = ReadPace(limits: limits, at: clock.now)
        self.limits = limits
        self.clock = clock
    }

    func channelActive(context: ChannelHandlerContext) {
        look(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        machine.headBegan(at: clock.now)
        context.fireChannelRead(data)
    }

    private func look(_ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        let now = clock.now
        switch machine.verdict(at: now) {
        case .wait(let until):
            // A head may begin meanwhile, and its time is shorter: whoever sleeps through would miss it.
            let until = min(until, now.advanced(by: limits.headerTimeout))
            context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(now.duration(to: until).nanoseconds)) {
                self.look(context)
            }
        case .closeIdle, .tooSlow: context.close(promise: nil)
        }
    }
}
