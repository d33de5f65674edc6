import NIOCore
import SamovarCore
import SamovarEngine

/// Listens on one connection. Drives `NewsState`; lives on the channel's event loop, nothing in it is shared.
final class NewsChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Reports: Sendable {
        /// Whether changes are told, too.
        let live: @Sendable (_ isTracking: Bool) -> Void
        let message: @Sendable (_ channel: [UInt8], RESPValue) -> Void
        /// Called once.
        let lost: @Sendable (ConnectionLoss, _ hasServed: Bool) -> Void
    }

    /// No message is larger: of more names than this holds, or than `RESPReader.arrayCountMax`, one is told anew by
    /// connecting anew.
    static let messageSizeMax = 1 << 20

    private var state: NewsState
    private var reader = RESPReader(replySizeMax: messageSizeMax)
    private let clock: any MonotonicClock
    private let reports: Reports
    private var isLost = false
    private var timer: Scheduled<Void>?

    init(
        greeting: Greeting, channels: [[UInt8]], tracked: [[UInt8]] = [], clock: any MonotonicClock, reports: Reports
    ) {
        state = NewsState(greeting: greeting, channels: channels, tracked: tracked, at: clock.now)
        self.clock = clock
        self.reports = reports
    }

    func channelActive(context: ChannelHandlerContext) {
        send(state.commands, context)
        look(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        do throws(ProtocolError) {
            while !isLost, let meal = buffer.readSlice(length: min(RESPReader.feedSizeMax, buffer.readableBytes)),
                meal.readableBytes > 0
            {
                let fed = meal.withUnsafeReadableBytes { bytes in
                    Result { () throws(ProtocolError) in try reader.feed(bytes) }
                }
                try fed.get()
                while !isLost, let reply = try reader.next() { heard(reply, context) }
            }
        } catch {
            lose(.protocolError(error), context)
        }
    }

    private func send(_ commands: [[[UInt8]]], _ context: ChannelHandlerContext) {
        var payload = ByteBuffer()
        for command in commands { payload.writeCommand(command) }
        context.writeAndFlush(wrapOutboundOut(payload), promise: nil)
    }

    private func heard(_ reply: RESPValue, _ context: ChannelHandlerContext) {
        switch state.heard(reply, at: clock.now) {
        case .nothing: return
        case .send(let commands): send(commands, context)
        case .live(let isTracking): reports.live(isTracking)
        case .message(let channel, let payload): reports.message(channel, payload)
        case .close(let loss): lose(loss, context)
        }
    }

    private func look(_ context: ChannelHandlerContext) {
        guard !isLost else { return }
        let now = clock.now
        switch state.look(at: now) {
        case .close: lose(.overdue, context)
        case .wait(let instant):
            let wait = TimeAmount.nanoseconds(max(0, now.duration(to: instant).nanoseconds))
            timer = context.eventLoop.assumeIsolated().scheduleTask(in: wait) { self.look(context) }
        case .ping:
            send([[Array("PING".utf8)]], context)
            look(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        lose(.closedByServer, context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        lose(ConnectionLoss(error), context)
    }

    private func lose(_ loss: ConnectionLoss, _ context: ChannelHandlerContext) {
        guard !isLost else { return }
        isLost = true
        timer?.cancel()
        reports.lost(loss, state.hasServed)
        context.close(promise: nil)
    }
}
