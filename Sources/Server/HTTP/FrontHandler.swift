import DequeModule
import NIOCore
import NIOHTTP1
import SamovarCore
import SamovarEngine
import SamovarWire

/// One connection of the data port. Reads requests, answers hits in the same turn, hands everything else to `Front`.
///
/// Drives `RequestAssembly` and `ReadPace`. Requests are served one at a time: what was pipelined waits here until
/// the reply is out, and no more is read than `waitingPartsMax` parts of it.
final class FrontHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private static let waitingPartsMax = 32

    private let front: Front
    private let settings: FrontSettings
    private let pace: ConnectionPace
    private var head: HTTPRequestHead?
    private var knownHead: RequestHead?
    private var assembly: RequestAssembly?
    private var exchange: Exchange?
    /// How the body of the reply that has begun ends; nil before its head.
    private var length: ReplyFraming.Length?
    private var hasBegun: Bool { length != nil }
    private var waiting: Deque<HTTPServerRequestPart> = []
    private var wantsRead = false
    private var isTaking = false
    /// What is still to happen for the exchange; cancelled with its end, so that nothing holds on to it.
    private var timers: [Scheduled<Void>] = []
    private var closesAfterReply = false
    private var isClosing = false
    private var lastWrite: Instant
    private var blockedWrite: EventLoopPromise<Void>?
    private var context: ChannelHandlerContext?
    private let eventLoop: any EventLoop
    private let lane: Int
    private var requestIDs = RequestIDs()

    init(front: Front, settings: FrontSettings, pace: ConnectionPace, eventLoop: any EventLoop) {
        self.front = front
        self.eventLoop = eventLoop
        lane = front.lane(of: eventLoop)
        self.settings = settings
        self.pace = pace
        lastWrite = front.clock.now
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        let part = unwrapInboundIn(data)
        // What comes while a request is served belongs to the next one.
        if exchange != nil || !waiting.isEmpty || isBacklogged(context) {
            waiting.append(part)
        } else {
            take(part, context)
        }
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head): begin(head, context)
        case .body(let piece): add(piece, context)
        case .end: complete(context)
        }
    }

    /// Whether the caller takes less than it asks for: then nothing new is begun until it has taken what there is.
    private func isBacklogged(_ context: ChannelHandlerContext) -> Bool {
        head == nil && !context.channel.isWritable
    }

    /// A reply is out: goes on with what has come meanwhile.
    private func takeWaiting(_ context: ChannelHandlerContext) {
        // A hit among them is answered in this very loop, and comes back here: one level is enough.
        guard !isTaking else { return }
        isTaking = true
        while exchange == nil, !isClosing, !isBacklogged(context), let part = waiting.popFirst() {
            take(part, context)
        }
        isTaking = false
        if wantsRead, waiting.count < Self.waitingPartsMax {
            wantsRead = false
            context.read()
        }
    }

    func read(context: ChannelHandlerContext) {
        if waiting.count < Self.waitingPartsMax { context.read() } else { wantsRead = true }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        self.head = head
        length = nil
        closesAfterReply = closesAfterReply || !head.isKeepAlive
        pace.machine.headCompleted(at: front.clock.now)
        let assembly = RequestAssembly(limits: settings.assembly, names: settings.names)
        let known = RequestHead(head)
        knownHead = known
        switch assembly.begin(known) {
        case .read: break
        case .sayContinue:
            send(ReplyFraming.sayContinue, context)
        case .refuse(let error): return refuse(error, context)
        }
        self.assembly = assembly
    }

    private func add(_ piece: ByteBuffer, _ context: ChannelHandlerContext) {
        pace.machine.delivered(piece.readableBytes)
        if let error = assembly?.add(piece.readableBytesView) { refuse(error, context) }
    }

    private func complete(_ context: ChannelHandlerContext) {
        guard let known = knownHead.take(), let body = assembly.take()?.finish() else { return }
        pace.machine.requestCompleted()
        switch Endpoint(method: known.method, target: known.target) {
        case .api(let kind): ask(kind, known, body, context)
        case .other: pass(known, body, context)
        }
    }

    private func ask(_ kind: APIKind, _ head: RequestHead, _ body: [UInt8], _ context: ChannelHandlerContext) {
        let startedAt = front.clock.now
        let request: Request
        do throws(RequestError) {
            request = try front.request(Request.Arrival(kind: kind, head: head, body: body))
        } catch {
            return finish(FullReply(front.refused(ErrorReply(error), startedAt)), context)
        }
        // The hit: no task, no hop; it is written before this turn of the loop ends.
        if let reply = front.pipeline.look(request), case .stored(let stored, let provenance) = reply {
            return finish(front.render(stored, provenance, for: request, startedAt), context)
        }
        let exchange = Exchange(
            .ask(request), hidesCredential: request.route.credential == .configured, startedAt: startedAt, lane: lane,
            handler: self, eventLoop: context.eventLoop)
        serve(exchange, context)
        if let timeout = request.timeout {
            giveUp(exchange, after: min(timeout, request.route.timeouts.total), context)
        }
        if request.form == .stream { keepAlive(exchange, context) }
    }

    private func pass(_ head: RequestHead, _ body: [UInt8], _ context: ChannelHandlerContext) {
        let settings = front.currentSettings
        let rule = settings.pass
        guard rule.passes(head) else {
            return finish(FullReply(front.refused(ErrorReply(unknown: head), front.clock.now)), context)
        }
        let request = PassRequest(
            method: head.method, target: head.target, contentType: head.value("content-type"),
            accept: head.value("accept"), headers: KeyedHeaders(head),
            authorization: rule.hasConfiguredKey ? nil : head.value("authorization").map(Secret.init), body: body)
        serve(
            Exchange(
                .pass(request, to: settings.passUpstream), hidesCredential: rule.hasConfiguredKey,
                startedAt: front.clock.now, lane: lane,
                handler: self, eventLoop: context.eventLoop), context)
    }

    private func serve(_ exchange: Exchange, _ context: ChannelHandlerContext) {
        self.exchange = exchange
        front.enqueue(exchange)
    }

    // MARK: Time

    /// The caller's own deadline ends only this caller.
    private func giveUp(_ exchange: Exchange, after timeout: Duration, _ context: ChannelHandlerContext) {
        let timer = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(timeout.nanoseconds)) {
            guard self.exchange === exchange else { return }
            exchange.caller.hangUp(.deadline)
        }
        timers.append(timer)
    }

    /// A streaming caller is never left without a byte for long, whatever the upstream does.
    private func keepAlive(_ exchange: Exchange, _ context: ChannelHandlerContext) {
        lastWrite = front.clock.now
        keepAlive(exchange, after: settings.keepAliveInterval, context)
    }

    private func keepAlive(_ exchange: Exchange, after delay: Duration, _ context: ChannelHandlerContext) {
        let timer = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.nanoseconds)) {
            guard self.exchange === exchange, let context = self.context else { return }
            let due = self.settings.keepAliveInterval - self.lastWrite.duration(to: self.front.clock.now)
            guard due <= .zero else { return self.keepAlive(exchange, after: due, context) }
            if self.blockedWrite == nil { self.writeKeepAlive(exchange, context) }
            self.keepAlive(exchange, after: self.settings.keepAliveInterval, context)
        }
        // The one before this has fired; a deadline of the caller's, if there is one, stands first.
        if timers.count > 1 { timers.removeLast() }
        timers.append(timer)
    }

    private func cancelTimers() {
        for timer in timers { timer.cancel() }
        timers.removeAll()
    }

    private func writeKeepAlive(_ exchange: Exchange, _ context: ChannelHandlerContext) {
        if !hasBegun {
            // Whether it is a miss or a follower is not known yet; that nothing stored was found is.
            var headers = ReplyFraming.Headers(form: .stream)
            headers.add(Provenance(result: .miss))
            begin(exchange, status: 200, headers)
        }
        writeBytes(Array(": keep-alive\n\n".utf8), context)
    }

    func tooSlow() {
        guard let context, !isClosing else { return }
        refuse(
            ErrorReply(
                status: 408, message: "the request is too slow in coming (header_timeout, body_rate_min)",
                type: "invalid_request_error", code: "header_timeout"), context)
    }

    func padded() {
        guard let context, !isClosing else { return }
        refuse(
            ErrorReply(
                status: 400, message: "the body is nearly all framing", type: "invalid_request_error", code: "framing"),
            context)
    }

    /// The process is leaving: after this reply, or at once where none is due.
    private func leave() {
        guard !closesAfterReply || exchange == nil else { return }
        closesAfterReply = true
        guard exchange == nil, head == nil, !isClosing, let context else { return }
        // What was answered may still be on its way out: the end comes after it.
        end(with: context.channel.allocator.buffer(capacity: 0), context)
    }

    // MARK: Replies

    func finish(_ exchange: Exchange, _ reply: FullReply) {
        guard self.exchange === exchange, let context else { return }
        guard hasBegun else { return finish(reply, context) }
        writeBytes(reply.event, context)
        end(exchange, isCut: reply.isError)
    }

    func begin(_ exchange: Exchange, status: Int, _ headers: ReplyFraming.Headers) {
        guard self.exchange === exchange, !hasBegun, let context else { return }
        var output: [UInt8] = []
        let isHead = head?.method == .HEAD || status == 204 || status == 304
        let length: ReplyFraming.Length = isHead ? .noBody : head?.version == .http1_0 ? .untilClose : .chunked
        appendHead(status, headers, length, to: &output)
        send(output, context)
    }

    func write(_ exchange: Exchange, _ bytes: [UInt8]) -> EventLoopFuture<Void> {
        guard self.exchange === exchange, hasBegun, let context else {
            return eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        writeBytes(bytes, context)
        guard !context.channel.isWritable else { return context.eventLoop.makeSucceededVoidFuture() }
        let promise = context.eventLoop.makePromise(of: Void.self)
        blockedWrite = promise
        let startedAt = lastWrite
        context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(settings.writeTimeout.nanoseconds)) {
            // A caller that takes nothing for so long is as good as gone.
            guard self.blockedWrite != nil, self.lastWrite == startedAt else { return }
            self.context?.close(promise: nil)
        }
        return promise.futureResult
    }

    func end(_ exchange: Exchange, isCut: Bool) {
        guard self.exchange === exchange, let context else { return }
        // Without its last chunk a body is visibly not whole; with an error event a stream says so itself.
        if isCut {
            closeNow(context)
        } else {
            let last = ReplyFraming.end(length ?? .untilClose)
            end(with: context.channel.allocator.buffer(bytes: last), context)
        }
    }

    private func finish(_ reply: FullReply, _ context: ChannelHandlerContext) {
        var headers = reply.headers
        if let wait = reply.retryAfterSeconds { headers.add("retry-after", String(wait)) }
        var output: [UInt8] = []
        output.reserveCapacity(headers.lines.count + 128)
        appendHead(reply.status, headers, .known(reply.body.count), to: &output)
        var buffer = context.channel.allocator.buffer(capacity: output.count + reply.body.count)
        buffer.writeBytes(output)
        // To HEAD the length is told, and the body is not sent.
        if head?.method != .HEAD { buffer.writeBytes(reply.body) }
        end(with: buffer, context)
    }

    /// Answers a request that is not read to its end, and closes: what follows on the connection cannot be trusted.
    private func refuse(_ error: ErrorReply, _ context: ChannelHandlerContext) {
        closesAfterReply = true
        isClosing = true
        finish(FullReply(front.refused(error, front.clock.now)), context)
    }

    private func appendHead(
        _ status: Int, _ headers: ReplyFraming.Headers, _ length: ReplyFraming.Length, to output: inout [UInt8]
    ) {
        var headers = headers
        headers.add("x-request-id", requestIDs.next())
        if length == .untilClose { closesAfterReply = true }
        ReplyFraming.appendHead(
            status: status, headers: headers, length: length, closes: closesAfterReply, to: &output)
        self.length = length
    }

    private func writeBytes(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        lastWrite = front.clock.now
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + 16)
        ReplyFraming.appendPiece(bytes, length: length ?? .untilClose, to: &output)
        send(output, context)
    }

    private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
    }

    /// Sends the last bytes of a reply, and goes on with the next request or closes.
    private func end(with bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        exchange = nil
        head = nil
        cancelTimers()
        pace.machine.answered(at: front.clock.now)
        let buffer = wrapOutboundOut(bytes)
        guard closesAfterReply else {
            context.writeAndFlush(buffer, promise: nil)
            return takeWaiting(context)
        }
        isClosing = true
        let done = context.eventLoop.makePromise(of: Void.self)
        done.futureResult.assumeIsolated().whenComplete { _ in self.context?.close(promise: nil) }
        context.writeAndFlush(buffer, promise: done)
    }

    private func closeNow(_ context: ChannelHandlerContext) {
        isClosing = true
        // A reset comes as an error before the connection is inactive: the caller leaves here or never.
        exchange.take()?.caller.hangUp(.deadline)
        cancelTimers()
        context.close(promise: nil)
    }

    // MARK: The connection

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            blockedWrite.take()?.succeed(())
            takeWaiting(context)
        }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        exchange.take()?.caller.hangUp(.deadline)
        cancelTimers()
        blockedWrite.take()?.fail(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is LeaveEvent { leave() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, !isClosing else { return closeNow(context) }
        // What is being answered was sound; what follows it is not, and nothing after that can be trusted.
        guard exchange == nil else {
            waiting.removeAll()
            closesAfterReply = true
            return
        }
        refuse(ErrorReply(parsing: error), context)
    }
}
