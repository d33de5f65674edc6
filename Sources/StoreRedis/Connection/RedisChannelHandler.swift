import NIOCore
import SamovarCore
import SamovarEngine

/// Speaks Redis's protocol on one connection: requests out, replies in, each at its place in the row.
///
/// The driver of `ReplySlots`. Lives on the channel's event loop; nothing in it is shared.
final class RedisChannelHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = RedisRequest
    typealias OutboundOut = ByteBuffer

    /// Sent down the pipeline to close the connection for a reason of the sender's.
    struct Close: Sendable {
        let loss: ConnectionLoss
    }

    private var slots: ReplySlots<@Sendable (RedisRequest.Outcome) -> Void>
    private var reader: RESPReader
    private let clock: any MonotonicClock
    /// Called once, at the moment the connection is of no more use; the socket may take longer to close.
    private let lost: (_ loss: ConnectionLoss, _ answeredCount: Int) -> Void
    private var answeredCount = 0
    private var isLost = false
    private var isFlushScheduled = false
    private var isLateFlushScheduled = false
    private var looksAt = Instant.never
    private var timer: Scheduled<Void>?

    init(
        pipelineDepthMax: Int,
        replySizeMax: Int,
        reusesAfterTimeout: Bool,
        clock: any MonotonicClock,
        lost: @escaping (_ loss: ConnectionLoss, _ answeredCount: Int) -> Void
    ) {
        slots = ReplySlots(pipelineDepthMax: pipelineDepthMax, reusesAfterTimeout: reusesAfterTimeout)
        reader = RESPReader(replySizeMax: replySizeMax)
        self.clock = clock
        self.lost = lost
    }

    // MARK: Out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let request = unwrapOutboundIn(data)
        // What a server does not read is kept here: the channel's water mark bounds it.
        guard context.channel.isWritable else {
            request.settled(.failure(.pipelineFull))
            promise?.succeed()
            return
        }
        let now = clock.now
        switch slots.ask(request.settled, replyCount: request.replyCount, deadline: request.deadline, at: now) {
        case .refuse(let failure):
            request.settled(.failure(failure))
            promise?.succeed()
        case .send:
            context.write(wrapOutboundOut(request.payload), promise: promise)
            if request.canWait { flushLater(context) } else { flushSoon(context) }
            look(at: request.deadline, from: now, context)
        }
    }

    /// One flush for all that is written in this turn of the event loop.
    private func flushSoon(_ context: ChannelHandlerContext) {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        context.eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            if !self.isLost { context.flush() }
        }
    }

    /// How long what can wait waits for company.
    private static let writeDelay = TimeAmount.milliseconds(1)

    /// What can wait goes out in the next flush, whoever causes it: one write, and one read for the replies to both.
    private func flushLater(_ context: ChannelHandlerContext) {
        guard !isFlushScheduled, !isLateFlushScheduled else { return }
        isLateFlushScheduled = true
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.writeDelay) {
            self.isLateFlushScheduled = false
            if !self.isLost { context.flush() }
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard let close = event as? Close else {
            return context.triggerUserOutboundEvent(event, promise: promise)
        }
        lose(close.loss, context)
        promise?.succeed()
    }

    // MARK: In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        do throws(ProtocolError) {
            while let meal = buffer.readSlice(length: min(RESPReader.feedSizeMax, buffer.readableBytes)),
                meal.readableBytes > 0
            {
                try feed(meal)
                while let reply = try reader.next() {
                    // Nothing that comes after the end is for anyone.
                    guard !isLost else { return }
                    try accept(reply)
                }
            }
        } catch {
            lose(.protocolError(error), context)
        }
    }

    private func feed(_ meal: ByteBuffer) throws(ProtocolError) {
        let fed = meal.withUnsafeReadableBytes { bytes in
            Result { () throws(ProtocolError) in try reader.feed(bytes) }
        }
        try fed.get()
    }

    private func accept(_ reply: RESPValue) throws(ProtocolError) {
        switch slots.replied(reply) {
        case .wait: return
        case .deliver(let settled, let replies):
            answeredCount += 1
            settled(.success(replies))
        case .close: throw .unasked
        }
    }

    // MARK: Deadlines

    /// Sees to it that `look` happens by `deadline`. One timer, however many commands: it is not taken back when
    /// replies come, and asks the row anew when it fires.
    private func look(at deadline: Instant, from now: Instant, _ context: ChannelHandlerContext) {
        guard deadline < looksAt else { return }
        looksAt = deadline
        timer?.cancel()
        let wait = TimeAmount.nanoseconds(max(0, now.duration(to: deadline).nanoseconds))
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: wait) { self.look(context) }
    }

    private func look(_ context: ChannelHandlerContext) {
        guard !isLost else { return }
        looksAt = .never
        let now = clock.now
        let action = slots.look(at: now)
        if slots.isClosed { lose(.overdue, context) }
        for settled in action.overdue { settled(.failure(.timeout)) }
        for settled in action.others { settled(.failure(.lost(.overdue))) }
        if let next = action.lookAgainAt { look(at: next, from: now, context) }
    }

    // MARK: The end

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
        // First the line, so that nobody who is woken below is sent here again.
        lost(loss, answeredCount)
        for settled in slots.close() { settled(.failure(.lost(loss))) }
        context.close(promise: nil)
    }
}
