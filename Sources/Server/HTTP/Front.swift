import NIOCore
import SamovarCore
import SamovarEngine
import SamovarWire

/// The OpenAI-compatible front: what to do with a request that has come in, and how its reply is told.
///
/// Hits are answered on the connection's own loop, in the turn in which they came (`call`). Everything else comes
/// here as an `Exchange`, through one queue a lane, and is served by a child task of `run`.
public final class Front: HTTPService {
    let pipeline: Pipeline
    let clock: any MonotonicClock
    private let passThroughs: [String: any PassThrough]
    private let settings: Lock<Snapshot>
    private let loops: [LoopExecutor]
    /// One for each event loop. Bounded by `connections_max`: a connection has one request in service at a time.
    private let exchanges: [AsyncStream<Exchange>]
    private let queues: [AsyncStream<Exchange>.Continuation]

    /// - Parameter loops: the event loops of the connections, in the order of the pipeline's lanes.
    public init(
        pipeline: Pipeline, passThroughs: [String: any PassThrough], clock: any MonotonicClock, settings: FrontSettings,
        loops: [LoopExecutor]
    ) {
        precondition(!loops.isEmpty, "connections live on event loops")
        self.pipeline = pipeline
        self.passThroughs = passThroughs
        self.clock = clock
        self.settings = Lock(Snapshot(settings))
        self.loops = loops
        let lanes = loops.map { _ in AsyncStream<Exchange>.makeStream() }
        exchanges = lanes.map(\.stream)
        queues = lanes.map(\.continuation)
    }

    var laneCount: Int { loops.count }

    /// The place of a connection's event loop among the lanes.
    func lane(of eventLoop: any EventLoop) -> Int {
        loops.firstIndex { $0.eventLoop === eventLoop } ?? 0
    }

    /// The settings as they are now: one reference, however many there are.
    private final class Snapshot: Sendable {
        let settings: FrontSettings

        init(_ settings: FrontSettings) { self.settings = settings }
    }

    public var currentSettings: FrontSettings { snapshot.settings }
    private var snapshot: Snapshot { settings.withLock { $0 } }

    /// Takes new settings, for requests from now on.
    public func reconfigure(_ new: FrontSettings) {
        settings.withLock { $0 = Snapshot(new) }
    }

    var metrics: Metrics { pipeline.metrics }

    // MARK: In the turn in which a request comes

    func call(_ arrival: Request.Arrival, at now: Instant) -> Served {
        let request: Request
        do throws(RequestError) {
            request = try Request(arrival, routes: snapshot.settings.routes)
        } catch {
            return .reply(FullReply(refused(ErrorReply(error), now)))
        }
        if let reply = pipeline.look(request), case .stored(let stored, let provenance) = reply {
            return .reply(render(stored, provenance, for: request, now))
        }
        return .serve(
            .ask(request), hidesCredential: request.route.credential == .configured,
            timeout: request.timeout.map { min($0, request.route.timeouts.total) }, streams: request.form == .stream)
    }

    func pass(_ head: RequestHead, _ body: [UInt8], at now: Instant) -> Served {
        let settings = snapshot.settings
        guard settings.pass.passes(head) else {
            return .reply(FullReply(refused(ErrorReply(unknown: head), now)))
        }
        let hasKey = settings.pass.hasConfiguredKey
        let request = PassRequest(
            method: head.method, target: head.target, contentType: head.value("content-type"),
            accept: head.value("accept"), headers: KeyedHeaders(head),
            authorization: hasKey ? nil : head.value("authorization").map(Secret.init), body: body)
        return .serve(
            .pass(request, to: settings.passUpstream), hidesCredential: hasKey, timeout: nil, streams: false)
    }

    func refused(_ error: ErrorReply, since startedAt: Instant, at now: Instant) {
        _ = refused(error, startedAt)
    }

    // MARK: Serving

    /// Serves what hits could not answer. Returns after `close`, when the last one is served.
    public func run() async {
        await withTaskGroup(of: Void.self) { running in
            for (loop, exchanges) in zip(loops, exchanges) {
                running.addTask(executorPreference: loop) { await self.serve(exchanges) }
            }
        }
    }

    /// Exchanges of one event loop, served on its thread: nothing is woken but what must be.
    private func serve(_ exchanges: AsyncStream<Exchange>) async {
        await withDiscardingTaskGroup { serving in
            for await exchange in exchanges {
                // In this very turn, up to its first wait.
                serving.addImmediateTask { await self.serve(exchange) }
            }
        }
    }

    public func close() { for queue in queues { queue.finish() } }

    func enqueue(_ exchange: Exchange) {
        if case .terminated = queues[exchange.lane].yield(exchange) {
            exchange.finish(reply(to: .draining, exchange, isFollower: false))
        }
    }

    private func serve(_ exchange: Exchange) async {
        switch exchange.ask.job {
        case .ask(let request):
            await pipeline.serve(request, for: exchange.caller) { reply in
                await self.deliver(reply, to: request, exchange)
            }
        case .pass(let request, let upstream):
            await pass(request, to: upstream, exchange)
        }
    }

    private func deliver(_ reply: Reply, to request: Request, _ exchange: Exchange) async {
        switch reply {
        case .stored(let stored, let provenance):
            exchange.finish(render(stored, provenance, for: request, exchange.startedAt))
        case .whole(let whole, let provenance):
            exchange.finish(render(whole, provenance, for: request, exchange.startedAt))
        case .live(let live, let provenance):
            await stream(live, provenance, to: request, exchange)
        case .failed(let failure, let isFollower):
            exchange.finish(self.reply(to: exchange.caller.gone ?? failure, exchange, isFollower: isFollower))
        }
    }

    // MARK: Replies

    /// A stored answer, as this caller asked for it.
    func render(
        _ stored: StoredAnswer, _ provenance: Provenance, for request: Request, _ startedAt: Instant
    ) -> FullReply {
        do throws(Failure) {
            let body = try AnswerRenderer.render(
                stored.answer.recording, as: request.form, withUsage: request.wantsUsage, kind: request.kind)
            return success(body, provenance, request, startedAt)
        } catch {
            return self.reply(to: error, hidesCredential: request.route.credential == .configured, startedAt)
        }
    }

    private func render(
        _ whole: WholeAnswer, _ provenance: Provenance, for request: Request, _ startedAt: Instant
    ) -> FullReply {
        do throws(Failure) {
            let body = try AnswerRenderer.render(
                whole.chunks, recordedAs: whole.form, usageAsked: whole.usageAsked, as: request.form,
                withUsage: request.wantsUsage, kind: request.kind)
            return success(body, provenance, request, startedAt)
        } catch {
            return self.reply(to: error, hidesCredential: request.route.credential == .configured, startedAt)
        }
    }

    private func success(
        _ body: [UInt8], _ provenance: Provenance, _ request: Request, _ startedAt: Instant
    ) -> FullReply {
        let duration = startedAt.duration(to: clock.now)
        metrics.requests[provenance.result].add(1)
        metrics.durations[provenance.result].observe(duration)
        metrics.firstTokens[provenance.result].observe(duration)
        return FullReply(status: 200, headers: headers(request, provenance), body: body, event: body)
    }

    private func headers(_ request: Request, _ provenance: Provenance) -> ReplyFraming.Headers {
        var headers = ReplyFraming.Headers(form: request.form)
        headers.add(provenance)
        if request.showsTenant { headers.add("x-samovar-tenant", request.tenant.label) }
        if snapshot.settings.debugHeaders { headers.add("x-samovar-key", request.key.hexadecimal) }
        return headers
    }

    private func reply(to failure: Failure, _ exchange: Exchange, isFollower: Bool) -> FullReply {
        var reply = self.reply(to: failure, hidesCredential: exchange.hidesCredential, exchange.startedAt)
        // Followers of one failed flight would otherwise all come back in the same second.
        if isFollower, let wait = reply.retryAfterSeconds {
            reply.retryAfterSeconds = wait + Int64.random(in: 0...max(1, wait / 2))
        }
        return reply
    }

    private func reply(to failure: Failure, hidesCredential: Bool, _ startedAt: Instant) -> FullReply {
        if failure == .lagged { metrics.lagged.add(1) }
        return FullReply(refused(ErrorReply(failure, hidesCredential: hidesCredential), startedAt))
    }

    /// Counts a reply that is an error.
    func refused(_ error: ErrorReply, _ startedAt: Instant) -> ErrorReply {
        metrics.requests[.error].add(1)
        metrics.durations[.error].observe(startedAt.duration(to: clock.now))
        return error
    }

    // MARK: Streams

    private func stream(
        _ live: LiveAnswer, _ provenance: Provenance, to request: Request, _ exchange: Exchange
    ) async {
        metrics.requests[provenance.result].add(1)
        metrics.firstTokens[provenance.result].observe(exchange.startedAt.duration(to: clock.now))
        exchange.begin(status: 200, headers(request, provenance))
        do throws(Failure) {
            for try await chunk in live {
                var bytes = chunk.bytes
                if live.usageAsked, !request.wantsUsage {
                    bytes.removeAll(keepingCapacity: true)
                    chunk.appendWithoutUsage(to: &bytes)
                    if bytes.isEmpty { continue }
                }
                // A caller that has gone takes nothing more; its seat is given up with it.
                guard await exchange.write(bytes) else { return }
            }
            exchange.end(isCut: exchange.caller.gone != nil)
        } catch {
            let failure = exchange.caller.gone ?? error
            if failure == .lagged { metrics.lagged.add(1) }
            _ = await exchange.write(ErrorReply(failure, hidesCredential: exchange.hidesCredential).event)
            exchange.end(isCut: true)
        }
        metrics.durations[provenance.result].observe(exchange.startedAt.duration(to: clock.now))
    }

    // MARK: Passing through

    private func pass(_ request: PassRequest, to upstream: String?, _ exchange: Exchange) async {
        guard let passThrough = upstream.flatMap({ passThroughs[$0] }) else {
            exchange.finish(reply(to: .unreachable(reason: "there is no upstream"), exchange, isFollower: false))
            return
        }
        let passage = Passage(
            exchange: exchange, clock: clock, metrics: metrics, timeouts: snapshot.settings.passTimeouts)
        switch await passage.run(request, through: passThrough) {
        case nil:
            exchange.end(isCut: false)
            metrics.durations[.bypass].observe(exchange.startedAt.duration(to: clock.now))
        case let failure? where !passage.hasBegun:
            exchange.finish(reply(to: failure, exchange, isFollower: false))
        case .some:
            // Whatever it is that is passed on, our own words do not belong into it: the connection says it.
            exchange.end(isCut: true)
        }
    }
}
