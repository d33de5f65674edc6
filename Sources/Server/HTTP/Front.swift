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
    /// What bodies ask that came with their digest.
    let memo: Lock<BodyMemo>
    private let failedTokens = Lock(FailedTokens())
    private let statsText = Lock<(@Sendable () -> [UInt8])?>(nil)
    private let loops: [LoopExecutor]
    /// One for each event loop. Bounded by `connections_max`, each with one request in service over HTTP and
    /// `inflight_max` over the binary port.
    private let exchanges: [AsyncStream<Exchange>]
    private let queues: [AsyncStream<Exchange>.Continuation]

    /// - Parameter loops: the event loops of the connections, in the order of the pipeline's lanes.
    public init(
        pipeline: Pipeline, passThroughs: [String: any PassThrough], clock: any MonotonicClock, settings: FrontSettings,
        loops: [LoopExecutor], bodyMemoSizeMax: Int = 16 << 20
    ) {
        precondition(!loops.isEmpty, "connections live on event loops")
        self.pipeline = pipeline
        self.passThroughs = passThroughs
        self.clock = clock
        self.settings = Lock(Snapshot(settings))
        self.loops = loops
        memo = Lock(BodyMemo(sizeMax: bodyMemoSizeMax))
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
    final class Snapshot: Sendable {
        let settings: FrontSettings

        init(_ settings: FrontSettings) { self.settings = settings }
    }

    /// How the figures of the process are told to an administrator: JSON text.
    public func showStats(_ text: @escaping @Sendable () -> [UInt8]) { statsText.withLock { $0 = text } }

    /// The call that was asked with a body of this digest before; nil where the body is needed.
    func remembered(_ arrival: Request.Arrival, _ digest: Digest256) -> Request? {
        let routes = snapshot.settings.routes
        let caller = routes.caller(authorization: arrival.authorization)
        let question = BodyMemo.Question(arrival, caller: caller, rawDigest: digest)
        let known = memo.withLock { $0.lookup(question, in: routes) }
        return known.map { Request(arrival, known: $0, routes: routes) }
    }

    public var currentSettings: FrontSettings { snapshot.settings }
    var snapshot: Snapshot { settings.withLock { $0 } }

    /// Takes new settings, for requests from now on.
    public func reconfigure(_ new: FrontSettings) {
        settings.withLock { $0 = Snapshot(new) }
    }

    var metrics: Metrics { pipeline.metrics }

    // MARK: In the turn in which a request comes

    func call(_ arrival: Request.Arrival, digest: Digest256?, from front: DataFront, at now: Instant) -> Served {
        let request: Request
        do throws(FailedReply) {
            request = try understand(arrival, digest)
        } catch {
            return .failed(refused(error, at: front, since: now))
        }
        return look(request, at: now)
    }

    /// What a caller asks, by the routes as they are now.
    ///
    /// - Parameter digest: what the caller says that its body hashes to: checked, and remembered.
    func understand(_ arrival: Request.Arrival, _ digest: Digest256?) throws(FailedReply) -> Request {
        let routes = snapshot.settings.routes
        if let digest, let body = arrival.body, Digest256(of: body) != digest { throw .digestMismatch }
        let request: Request
        do throws(RequestError) {
            request = try Request(arrival, routes: routes, with: &LoopTurn.ofThisThread().canonicaliser)
        } catch {
            throw FailedReply(error)
        }
        if let digest {
            let caller = routes.caller(authorization: arrival.authorization)
            let question = BodyMemo.Question(arrival, caller: caller, rawDigest: digest)
            memo.withLock { $0.insert(request, of: arrival, as: question, in: routes) }
        }
        return request
    }

    func look(_ request: Request, at now: Instant) -> Served {
        if let (stored, provenance) = pipeline.find(request, at: now) { return .hit(stored, provenance, request) }
        return .serve(
            .ask(request), hidesCredential: request.route.credential == .configured,
            timeout: request.timeout.map { min($0, request.route.timeouts.total) }, streams: request.form == .stream)
    }

    /// Counts what a turn of a loop answered out of memory, and begins a new tally.
    func count(_ hits: inout HitTally, at front: DataFront, since startedAt: Instant) {
        guard !hits.isEmpty else { return }
        pipeline.count(hits, at: front, taking: startedAt.duration(to: clock.now))
        hits.removeAll()
    }

    func pass(_ head: RequestHead, _ body: [UInt8], at now: Instant) -> Served {
        let settings = snapshot.settings
        guard settings.pass.passes(head) else {
            return .failed(refused(FailedReply(.invalidRequest, ErrorReply(unknown: head)), at: .http, since: now))
        }
        let hasKey = settings.pass.hasConfiguredKey
        let request = PassRequest(
            method: head.method, target: head.target, contentType: head.value("content-type"),
            accept: head.value("accept"), headers: KeyedHeaders(head),
            authorization: hasKey ? nil : head.value("authorization").map(Secret.init), body: body)
        return .serve(
            .pass(request, to: settings.passUpstream), hidesCredential: hasKey, timeout: nil, streams: false)
    }

    func facts(_ request: Request, _ provenance: Provenance, since startedAt: Instant) -> AnswerFacts {
        AnswerFacts(
            provenance: provenance, form: request.form, tenant: request.showsTenant ? request.tenant.label : nil,
            key: snapshot.settings.debugHeaders ? request.key.hexadecimal : nil, startedAt: startedAt)
    }

    /// The same for an answer that another model may have given than the one that was asked for.
    private func facts(
        _ request: Request, _ provenance: Provenance, by model: String, since startedAt: Instant
    ) -> AnswerFacts {
        var facts = facts(request, provenance, since: startedAt)
        if provenance.result == .fallback { facts.model = model }
        return facts
    }

    private func answered(_ request: Request, _ provenance: Provenance, _ exchange: Exchange) {
        let duration = exchange.startedAt.duration(to: clock.now)
        metrics.requests[exchange.front][provenance.result].add(1)
        metrics.durations[provenance.result].observe(duration)
        metrics.firstTokens[provenance.result].observe(duration)
        guard let arm = request.arm else { return }
        let figures = metrics.figures(of: arm)
        figures.answered(provenance.result, taking: duration)
        figures.firstTokens.observe(duration)
    }

    func refused(at front: DataFront, since startedAt: Instant) {
        metrics.requests[front][.error].add(1)
        metrics.durations[.error].observe(startedAt.duration(to: clock.now))
    }

    func tokenFailed(from address: String, at now: Instant) {
        failedTokens.withLock { $0.failed(address, at: now) }
    }

    /// Whether a peer of this address may show a token now.
    func admits(_ address: String) -> Bool {
        failedTokens.withLock { $0.admits(address, at: clock.now) }
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
            exchange.fail(reply(to: .draining, exchange, isFollower: false))
        }
    }

    private func serve(_ exchange: Exchange) async {
        switch exchange.handover.job {
        case .ask(let request):
            await pipeline.serve(request, for: exchange.caller) { reply in
                await self.deliver(reply, to: request, exchange)
            }
        case .pass(let request, let upstream):
            await pass(request, to: upstream, exchange)
        case .warm(let request): await warm(request, exchange)
        case .put(let request, let form, let answer, let ttl): await put(request, form, answer, ttl, exchange)
        case .invalidate(let request): await invalidate(request, exchange)
        case .invalidateScopes(let scopes): await invalidate(scopes, exchange)
        case .stats: exchange.finish(text: statsText.withLock { $0 }?() ?? [])
        }
    }

    private func deliver(_ reply: Reply, to request: Request, _ exchange: Exchange) async {
        switch reply {
        case .stored(let stored, let provenance):
            finish(exchange, request, provenance, by: stored.answer.model) { () throws(Failure) in
                try AnswerRenderer.render(
                    stored.answer.recording, as: request.form, withUsage: request.wantsUsage, kind: request.kind)
            }
        case .whole(let whole, let provenance):
            finish(exchange, request, provenance, by: whole.model) { () throws(Failure) in
                try AnswerRenderer.render(
                    whole.chunks, recordedAs: whole.form, usageAsked: whole.usageAsked, as: request.form,
                    withUsage: request.wantsUsage, kind: request.kind)
            }
        case .live(let live, let provenance):
            await stream(live, provenance, to: request, exchange)
        case .fixed(let text, let provenance):
            finish(exchange, request, provenance, by: FixedAnswer.model) { () throws(Failure) in
                try FixedAnswer.render(
                    text, as: request.form, withUsage: request.wantsUsage, kind: request.kind, at: clock.wallNow)
            }
        case .failed(let failure, let isFollower):
            if let arm = request.arm { metrics.figures(of: arm).requests[.error].add(1) }
            exchange.fail(self.reply(to: exchange.caller.gone ?? failure, exchange, isFollower: isFollower))
        }
    }

    // MARK: Replies

    private func finish(
        _ exchange: Exchange, _ request: Request, _ provenance: Provenance, by model: String,
        _ render: () throws(Failure) -> [UInt8]
    ) {
        do throws(Failure) {
            let body = try render()
            answered(request, provenance, exchange)
            exchange.finish(facts(request, provenance, by: model, since: exchange.startedAt), body)
        } catch {
            exchange.fail(reply(to: error, exchange, isFollower: false))
        }
    }

    private func reply(to failure: Failure, _ exchange: Exchange, isFollower: Bool) -> FailedReply {
        if failure == .lagged { metrics.lagged.add(1) }
        var failed = refused(
            FailedReply(failure, hidesCredential: exchange.hidesCredential), at: exchange.front,
            since: exchange.startedAt)
        // Followers of one failed flight would otherwise all come back in the same second.
        if isFollower, let wait = failed.reply.retryAfter {
            failed.reply.retryAfter = wait + .milliseconds(Int64.random(in: 0...max(1_000, wait.milliseconds / 2)))
        }
        return failed
    }

    /// Counts a reply that is an error.
    private func refused(_ failed: FailedReply, at front: DataFront, since startedAt: Instant) -> FailedReply {
        refused(at: front, since: startedAt)
        return failed
    }

    // MARK: Streams

    private func stream(
        _ live: LiveAnswer, _ provenance: Provenance, to request: Request, _ exchange: Exchange
    ) async {
        metrics.requests[exchange.front][provenance.result].add(1)
        let figures = request.arm.map { metrics.figures(of: $0) }
        let firstToken = exchange.startedAt.duration(to: clock.now)
        metrics.firstTokens[provenance.result].observe(firstToken)
        figures?.firstTokens.observe(firstToken)
        exchange.begin(facts(request, provenance, by: live.model, since: exchange.startedAt))
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
            exchange.fail(FailedReply(failure, hidesCredential: exchange.hidesCredential))
        }
        let duration = exchange.startedAt.duration(to: clock.now)
        metrics.durations[provenance.result].observe(duration)
        figures?.answered(provenance.result, taking: duration)
    }

    // MARK: Passing through

    private func pass(_ request: PassRequest, to upstream: String?, _ exchange: Exchange) async {
        guard let passThrough = upstream.flatMap({ passThroughs[$0] }) else {
            exchange.fail(reply(to: .unreachable(reason: "there is no upstream"), exchange, isFollower: false))
            return
        }
        let passage = Passage(
            exchange: exchange, clock: clock, metrics: metrics, timeouts: snapshot.settings.passTimeouts)
        switch await passage.run(request, through: passThrough) {
        case nil:
            exchange.end(isCut: false)
            metrics.durations[.bypass].observe(exchange.startedAt.duration(to: clock.now))
        case let failure? where !passage.hasBegun:
            exchange.fail(reply(to: failure, exchange, isFollower: false))
        case .some:
            // Whatever it is that is passed on, our own words do not belong into it: the connection says it.
            exchange.end(isCut: true)
        }
    }
}
