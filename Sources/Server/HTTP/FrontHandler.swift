import NIOCore
import NIOHTTP1
import SamovarCore
import SamovarEngine
import SamovarWire

/// One connection of the data port. Reads requests, answers hits in the same turn, hands everything else to `Front`.
///
/// Drives `RequestAssembly` and `ReadPace`. Requests come one at a time: the pipeline handler before it holds back
/// what was pipelined until the reply is out.
final class FrontHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let front: Front
    private let settings: FrontSettings
    private let pace: ConnectionPace
    private var head: HTTPRequestHead?
    private var assembly: RequestAssembly?
    private var exchange: Exchange?
    private var hasBegun = false
    private var closesAfterReply = false
    private var isClosing = false
    private var lastWrite: Instant
    private var blockedWrite: EventLoopPromise<Void>?
    private var context: ChannelHandlerContext?
    private let eventLoop: any EventLoop

    init(front: Front, settings: FrontSettings, pace: ConnectionPace, eventLoop: any EventLoop) {
        self.front = front
        self.eventLoop = eventLoop
        self.settings = settings
        self.pace = pace
        lastWrite = front.clock.now
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head, context)
        case .body(let piece): add(piece, context)
        case .end: complete(context)
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        self.head = head
        hasBegun = false
        closesAfterReply = closesAfterReply || !head.isKeepAlive
        pace.machine.headCompleted(at: front.clock.now)
        let assembly = RequestAssembly(limits: settings.assembly, names: settings.names)
        switch assembly.begin(RequestHead(head)) {
        case .read: break
        case .sayContinue:
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
        case .refuse(let error): return refuse(error, context)
        }
        self.assembly = assembly
    }

    private func add(_ piece: ByteBuffer, _ context: ChannelHandlerContext) {
        if let error = assembly?.add(piece.readableBytesView) { refuse(error, context) }
    }

    private func complete(_ context: ChannelHandlerContext) {
        guard let head, let body = assembly.take()?.finish() else { return }
        pace.machine.requestCompleted()
        let known = RequestHead(head)
        switch Endpoint(method: known.method, target: known.target) {
        case .api(let kind): ask(kind, known, body, context)
        case .other: pass(known, body, context)
        }
    }

    private func ask(_ kind: APIKind, _ head: RequestHead, _ body: [UInt8], _ context: ChannelHandlerContext) {
        let startedAt = front.clock.now
        let request: Request
        do throws(RequestError) {
            let settings = front.currentSettings
            request = try Request(Request.Arrival(kind: kind, head: head, body: body), routes: settings.routes)
        } catch {
            return finish(FullReply(front.refused(ErrorReply(error), startedAt)), context)
        }
        // The hit: no task, no hop; it is written before this turn of the loop ends.
        if let reply = front.pipeline.look(request), case .stored(let stored, let provenance) = reply {
            return finish(front.render(stored, provenance, for: request, startedAt), context)
        }
        let exchange = Exchange(
            .ask(request), hidesCredential: request.route.credential == .configured, startedAt: startedAt, handler: self,
            eventLoop: context.eventLoop)
        serve(exchange, context)
        if let timeout = request.timeout { giveUp(exchange, after: min(timeout, request.route.timeouts.total), context) }
        if request.form == .stream { keepAlive(exchange, context) }
    }

    private func pass(_ head: RequestHead, _ body: [UInt8], _ context: ChannelHandlerContext) {
        let rule = front.currentSettings.pass
        guard rule.passes(head) else {
            return finish(FullReply(front.refused(ErrorReply(unknown: head), front.clock.now)), context)
        }
        let request = PassRequest(
            method: head.method, target: head.target, contentType: head.value("content-type"),
            accept: head.value("accept"), headers: KeyedHeaders(head),
            authorization: rule.hasConfiguredKey ? nil : head.value("authorization").map(Secret.init), body: body)
        serve(
            Exchange(
                .pass(request), hidesCredential: rule.hasConfiguredKey, startedAt: front.clock.now, handler: self,
                eventLoop: context.eventLoop), context)
    }

    private func serve(_ exchange: Exchange, _ context: ChannelHandlerContext) {
        self.exchange = exchange
        front.enqueue(exchange)
    }

    // MARK: Time

    /// The caller's own deadline ends only this caller.
    private func giveUp(_ exchange: Exchange, after timeout: Duration, _ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(timeout.nanoseconds)) {
            guard self.exchange === exchange else { return }
            exchange.caller.hangUp(.deadline)
        }
    }

    /// A streaming caller is never left without a byte for long, whatever the upstream does.
    private func keepAlive(_ exchange: Exchange, _ context: ChannelHandlerContext) {
        lastWrite = front.clock.now
        keepAlive(exchange, after: settings.keepAliveInterval, context)
    }

    private func keepAlive(_ exchange: Exchange, after delay: Duration, _ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.nanoseconds)) {
            guard self.exchange === exchange, let context = self.context else { return }
            let due = self.settings.keepAliveInterval - self.lastWrite.duration(to: self.front.clock.now)
            guard due <= .zero else { return self.keepAlive(exchange, after: due, context) }
            if self.blockedWrite == nil { self.writeKeepAlive(exchange, context) }
            self.keepAlive(exchange, after: self.settings.keepAliveInterval, context)
        }
    }

    private func writeKeepAlive(_ exchange: Exchange, _ context: ChannelHandlerContext) {
        if !hasBegun {
            // Whether it is a miss or a follower is not known yet; that nothing stored was found is.
            var headers = ReplyHeaders(form: .stream)
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

    /// The process is leaving: after this reply, or at once where none is due.
    private func leave() {
        closesAfterReply = true
        if exchange == nil, head == nil { context?.close(promise: nil) }
    }

    // MARK: Replies

    func finish(_ exchange: Exchange, _ reply: FullReply) {
        guard self.exchange === exchange, let context else { return }
        guard hasBegun else { return finish(reply, context) }
        writeBytes(reply.event, context)
        end(exchange, isCut: reply.isError)
    }

    func begin(_ exchange: Exchange, status: Int, _ headers: ReplyHeaders) {
        guard self.exchange === exchange, !hasBegun, let context else { return }
        writeHead(status: status, headers.headers, context)
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
            writeEnd(context)
        }
    }

    private func finish(_ reply: FullReply, _ context: ChannelHandlerContext) {
        var headers = reply.headers.headers
        headers.add(name: "content-length", value: String(reply.body.count))
        if let wait = reply.retryAfterSeconds { headers.add(name: "retry-after", value: String(wait)) }
        writeHead(status: reply.status, headers, context)
        let body = context.channel.allocator.buffer(bytes: reply.body)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        writeEnd(context)
    }

    /// Answers a request that is not read to its end, and closes: what follows on the connection cannot be trusted.
    private func refuse(_ error: ErrorReply, _ context: ChannelHandlerContext) {
        closesAfterReply = true
        isClosing = true
        finish(FullReply(front.refused(error, front.clock.now)), context)
    }

    private func writeHead(status: Int, _ headers: HTTPHeaders, _ context: ChannelHandlerContext) {
        var headers = headers
        headers.add(name: "x-request-id", value: String(UInt64.random(in: .min ... .max), radix: 16))
        if closesAfterReply { headers.add(name: "connection", value: "close") }
        let version = head?.version ?? .http1_1
        let head = HTTPResponseHead(version: version, status: HTTPResponseStatus(statusCode: status), headers: headers)
        hasBegun = true
        context.write(wrapOutboundOut(.head(head)), promise: nil)
    }

    private func writeBytes(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        lastWrite = front.clock.now
        let buffer = context.channel.allocator.buffer(bytes: bytes)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
    }

    private func writeEnd(_ context: ChannelHandlerContext) {
        exchange = nil
        head = nil
        pace.machine.answered(at: front.clock.now)
        let done = context.eventLoop.makePromise(of: Void.self)
        if closesAfterReply {
            isClosing = true
            done.futureResult.assumeIsolated().whenComplete { _ in self.context?.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
    }

    private func closeNow(_ context: ChannelHandlerContext) {
        isClosing = true
        exchange = nil
        context.close(promise: nil)
    }

    // MARK: The connection

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            blockedWrite.take()?.succeed(())
        }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        exchange.take()?.caller.hangUp(.deadline)
        blockedWrite.take()?.fail(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is LeaveEvent { leave() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, !isClosing, exchange == nil else { return closeNow(context) }
        refuse(ErrorReply(parsing: error), context)
    }
}
