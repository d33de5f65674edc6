import NIOCore
import SamovarCore
import SamovarEngine

/// Drives a connection machine as a channel handler: any address, with or without TLS.
///
/// Writes once for everything that was read at once. Everything here happens on the channel's event loop, but for
/// `submit`, which hops there.
final class ConnectionHandler<Machine: ConnectionMachine>: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private var machine: Machine
    private let loop: LoopTurn
    private let front: Front
    private let lane: Int
    private let clock: any MonotonicClock
    private let eventLoop: any EventLoop
    private var context: ChannelHandlerContext?
    private var exchanges: [UInt64: Exchange] = [:]
    /// Pieces that went out while the socket took nothing more, and whose they are.
    private var owed: [(exchange: Exchange, byteCount: Int)] = []
    private var isReading = false
    private var hasWritten = false
    private var wantsRead = false
    private var unsent = 0
    private var ending = ConnectionStanding.Ending.open
    private var timer: (at: Instant, task: Scheduled<Void>)?
    /// There while the connection is open, once it has asked for something.
    private var port: Port?

    init(_ machine: Machine, front: Front, eventLoop: any EventLoop) {
        self.machine = machine
        self.front = front
        self.eventLoop = eventLoop
        lane = front.lane(of: eventLoop)
        loop = LoopTurn.ofThisThread()
        clock = front.clock
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { settle(at: clock.now) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: What happens on the channel

    func channelActive(context: ChannelHandlerContext) {
        settle(at: clock.now)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let now = clock.now
        let bytes = unwrapInboundIn(data)
        machine.received(bytes.readableBytesUInt8Span, at: now, into: &loop.turn)
        perform(context, at: now)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush(context)
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        report(context, at: clock.now)
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is LeaveEvent: happened { machine, now, turn in machine.leave(at: now, into: &turn) }
        case ChannelEvent.inputClosed:
            happened { machine, now, turn in machine.inputEnded(at: now, into: &turn) }
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset comes as an error before the connection is inactive: the caller leaves here or never.
        closed()
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
        context.fireChannelInactive()
    }

    func read(context: ChannelHandlerContext) {
        if machine.standing.wantsRead { context.read() } else { wantsRead = true }
    }

    // MARK: Carrying out

    private func happened(_ event: (inout Machine, Instant, inout ConnectionTurn) -> Void) {
        let now = clock.now
        event(&machine, now, &loop.turn)
        // What nobody carries out must not become another connection's.
        guard let context else { return loop.turn.removeAll() }
        perform(context, at: now)
    }

    /// Carries out what the machine decided. While bytes are read, the flush waits for the last of them.
    private func perform(_ context: ChannelHandlerContext, at now: Instant) {
        var hasMore = true
        while hasMore {
            write(context)
            let (handovers, hangUps) = (loop.turn.handovers, loop.turn.hangUps)
            if !handovers.isEmpty { loop.turn.handovers = [] }
            if !hangUps.isEmpty { loop.turn.hangUps = [] }
            // The machine is done with this event: what these lead to comes back as another.
            front.count(&loop.turn.hits, at: Machine.front, since: now)
            for number in hangUps { exchanges[number]?.hangUp() }
            for handover in handovers { serve(handover) }
            hasMore = !loop.turn.isEmpty
        }
        if isReading { settle(at: now) } else { flush(context) }
    }

    private func write(_ context: ChannelHandlerContext) {
        guard !loop.turn.output.isEmpty else { return }
        hasWritten = true
        unsent += loop.turn.output.count
        let bytes = loop.turn.output.withUnsafeBytes { context.channel.allocator.buffer(bytes: $0) }
        // Taken out before it is written: a write that is more than the channel likes to hold is reported before it
        // returns, and what still lay here would be written again.
        loop.turn.output.removeAll(keepingCapacity: loop.turn.output.capacity <= LoopTurn.outputKeptMax)
        context.write(wrapOutboundOut(bytes), promise: nil)
    }

    private func flush(_ context: ChannelHandlerContext) {
        if hasWritten {
            hasWritten = false
            context.flush()
        }
        report(context, at: clock.now)
    }

    /// Tells the machine how the socket does, until nothing more comes of it.
    private func report(_ context: ChannelHandlerContext, at now: Instant) {
        let before = unsent
        unsent = context.channel.isWritable ? 0 : buffered(context)
        if unsent == 0 { settleDebts() }
        machine.wrote(unsent: unsent, hasTaken: unsent < before, at: now, into: &loop.turn)
        if loop.turn.isEmpty { settle(at: now) } else { perform(context, at: now) }
    }

    private func buffered(_ context: ChannelHandlerContext) -> Int {
        let count = try? context.channel.syncOptions?.getOption(ChannelOptions.bufferedWritableBytes)
        return max(1, count ?? 1)
    }

    private func settleDebts() {
        guard !owed.isEmpty else { return }
        let debts = owed
        owed = []
        for debt in debts { debt.exchange.taken(debt.byteCount) }
    }

    private func serve(_ handover: Handover) {
        let port = port ?? Port(self, eventLoop)
        self.port = port
        let exchange = Exchange(handover, at: Machine.front, lane: lane, port: port)
        exchanges[handover.number] = exchange
        front.enqueue(exchange)
    }

    /// Does as the machine wants it until the next event.
    private func settle(at now: Instant) {
        guard let context else { return }
        let standing = machine.standing
        if standing.wantsRead, wantsRead {
            wantsRead = false
            context.read()
        }
        end(standing.ending, context)
        wake(at: standing.wakeAt, now)
    }

    private func end(_ new: ConnectionStanding.Ending, _ context: ChannelHandlerContext) {
        guard new != ending else { return }
        ending = new
        switch new {
        case .open: break
        case .afterOutput:
            let done = context.eventLoop.makePromise(of: Void.self)
            done.futureResult.assumeIsolated().whenComplete { _ in
                self.machine.drained(at: self.clock.now)
                self.settle(at: self.clock.now)
            }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: done)
        case .shutOutput: context.close(mode: .output, promise: nil)
        case .now:
            closed()
            context.close(promise: nil)
        }
    }

    /// One timer, set anew only when something is due before it: deadlines mostly move away from now.
    private func wake(at instant: Instant, _ now: Instant) {
        if let timer, timer.at <= instant { return }
        timer?.task.cancel()
        timer = nil
        guard instant != .never else { return }
        let delay = max(.zero, now.duration(to: instant))
        let task = eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.nanoseconds)) { self.woken() }
        timer = (at: instant, task: task)
    }

    private func woken() {
        timer = nil
        guard let context else { return }
        report(context, at: clock.now)
        if machine.standing.wakeAt <= clock.now {
            happened { machine, now, turn in machine.tick(at: now, into: &turn) }
        }
    }

    private func closed() {
        machine.closed(into: &loop.turn)
        let hangUps = loop.turn.hangUps
        // All connections of the thread share it: empty before anybody else is told anything.
        loop.turn.removeAll()
        for number in hangUps { exchanges[number]?.hangUp() }
        owed = []
        for exchange in exchanges.values { exchange.closed() }
        exchanges.removeAll()
        port = nil
        timer?.task.cancel()
        timer = nil
    }

    // MARK: Replies

    private func submitted(_ part: ReplyPart, of exchange: Exchange) {
        let number = exchange.handover.number
        guard exchanges[number] === exchange else { return exchange.closed() }
        switch part {
        case .piece(let bytes): owed.append((exchange, bytes.count))
        case .answer, .failed, .end, .done, .text: exchanges[number] = nil
        case .begin, .passed: break
        }
        happened { machine, now, turn in machine.replied(part, to: number, at: now, into: &turn) }
    }

    /// The way to this connection from anywhere.
    private final class Port: ReplyPort {
        private let handler: NIOLoopBound<ConnectionHandler>
        private let eventLoop: any EventLoop

        init(_ handler: ConnectionHandler, _ eventLoop: any EventLoop) {
            self.handler = NIOLoopBound(handler, eventLoop: eventLoop)
            self.eventLoop = eventLoop
        }

        func submit(_ part: ReplyPart, of exchange: Exchange) {
            // On the loop already: no hop. What the machine hands over is carried out after its own call, so no part
            // of a reply ever comes while it decides.
            if eventLoop.inEventLoop {
                handler.value.submitted(part, of: exchange)
            } else {
                eventLoop.execute { self.handler.value.submitted(part, of: exchange) }
            }
        }
    }
}
