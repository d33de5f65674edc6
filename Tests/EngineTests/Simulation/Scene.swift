import SamovarCore
import Synchronization

@testable import SamovarEngine

/// An upstream that does what the scene's script says.
final class SimUpstream: Upstream {
    /// What it does with one attempt: 1 for the first.
    typealias Script = @Sendable (_ number: Int, Attempt) -> [Act]

    enum Act: Sendable {
        case wait(Duration)
        case began(Form)
        case token(String)
        case done
        case body(String, finish: String)
        case keepAlive
        case fail(Failure)
    }

    private let script: Script
    private let clock: ManualClock
    private let state = Mutex((attempts: [Attempt](), cancelled: 0, concurrent: 0, concurrentMax: 0))

    init(clock: ManualClock, script: @escaping Script) {
        self.clock = clock
        self.script = script
    }

    var attempts: [Attempt] { state.withLock { $0.attempts } }
    var cancelledCount: Int { state.withLock { $0.cancelled } }
    var concurrentMax: Int { state.withLock { $0.concurrentMax } }

    func attempt(
        _ attempt: Attempt, for caller: Caller,
        receive: @escaping @Sendable (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        let number = state.withLock { state in
            state.attempts.append(attempt)
            state.concurrent += 1
            state.concurrentMax = max(state.concurrentMax, state.concurrent)
            return state.attempts.count
        }
        defer { state.withLock { $0.concurrent -= 1 } }
        for act in script(number, attempt) {
            await Task.yield()
            if caller.gone != nil {
                state.withLock { $0.cancelled += 1 }
                throw .cut
            }
            try await perform(act, caller, receive)
        }
    }

    private func perform(
        _ act: Act, _ caller: Caller, _ receive: (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        switch act {
        case .wait(let length):
            do {
                try await clock.sleep(until: clock.now.advanced(by: length), for: caller)
            } catch {
                state.withLock { $0.cancelled += 1 }
                throw .cut
            }
        case .began(let form): try receive(.began(form))
        case .token(let text):
            var facts = ChunkFacts()
            facts.hasToken = true
            facts.choices = [ChunkFacts.Choice(index: 0, finishReason: nil)]
            try receive(.chunk(Chunk(bytes: Array(text.utf8)), facts))
        case .done:
            var facts = ChunkFacts()
            facts.isDone = true
            facts.usage = Usage(promptTokenCount: 3, completionTokenCount: 4)
            try receive(.chunk(Chunk(bytes: Array("[DONE]".utf8)), facts))
        case .body(let text, let finish):
            var facts = ChunkFacts()
            facts.hasToken = true
            facts.choices = [ChunkFacts.Choice(index: 0, finishReason: finish)]
            try receive(.chunk(Chunk(bytes: Array(text.utf8)), facts))
        case .keepAlive: try receive(.keepAlive)
        case .fail(let failure): throw failure
        }
    }

    /// A stream of these tokens, so long apart.
    static func stream(_ tokens: [String], apart: Duration = .milliseconds(10)) -> [Act] {
        [.wait(apart), .began(.stream)] + tokens.flatMap { [.token($0), .wait(apart)] } + [.done]
    }

    static func answer(_ text: String, after wait: Duration = .milliseconds(10), finish: String = "stop") -> [Act] {
        [.wait(wait), .began(.body), .body(text, finish: finish)]
    }
}

/// A second cache that is a dictionary, and takes its time.
final class SimStore: Store {
    private let clock: ManualClock
    private let state = Mutex((values: [RequestKey: (Answer, Instant)](), gets: 0, sets: 0))

    init(clock: ManualClock) { self.clock = clock }

    var getCount: Int { state.withLock { $0.gets } }
    var setCount: Int { state.withLock { $0.sets } }

    func get(_ key: RequestKey) async -> StoredAnswer? {
        await Task.yield()
        return state.withLock { state in
            state.gets += 1
            return state.values[key].map { StoredAnswer($0.0, bornAt: $0.1) }
        }
    }

    func set(_ key: RequestKey, _ answer: Answer) async {
        await Task.yield()
        put(key, answer, bornAt: clock.now)
        state.withLock { $0.sets += 1 }
    }

    func remove(_ key: RequestKey) async {
        await Task.yield()
        state.withLock { _ = $0.values.removeValue(forKey: key) }
    }

    func put(_ key: RequestKey, _ answer: Answer, bornAt: Instant) {
        state.withLock { $0.values[key] = (answer, bornAt) }
    }
}

/// One process with its parts, around scripted surroundings.
struct Scene: Sendable {
    let clock: ManualClock
    let upstream: SimUpstream
    /// The upstream `spare`, for fallbacks.
    let spare: SimUpstream
    let store: SimStore
    let metrics = Metrics()
    let pipeline: Pipeline
    var route: Route

    init(
        _ clock: ManualClock, route: Route = Route(upstreams: ["sim"]), withStore: Bool = false,
        alwaysStreams: Bool = false, usageChunk: UsageChunk.Setting = .leave,
        settings: Pipeline.Settings = Scene.settings, bugs: Set<Pipeline.SeededBug> = [],
        fleet: SimLeaseStore? = nil, limits: UpstreamLimits = UpstreamLimits(name: "sim"),
        order: AdmissionQueue.SeededOrder? = nil, draw: @escaping @Sendable () -> Double = { 0 },
        fallback: SimUpstream.Script? = nil, script: @escaping SimUpstream.Script
    ) {
        self.clock = clock
        self.route = route
        upstream = SimUpstream(clock: clock, script: script)
        store = SimStore(clock: clock)
        spare = SimUpstream(clock: clock, script: fallback ?? { _, _ in [.fail(.unreachable(reason: "no such"))] })
        let member = UpstreamPool.Member(
            limits: limits, alwaysStreams: alwaysStreams, usageChunk: usageChunk, upstream: upstream)
        let other = UpstreamPool.Member(
            limits: UpstreamLimits(name: "spare"), alwaysStreams: false, usageChunk: usageChunk, upstream: spare)
        var naming: (@Sendable (RequestKey) -> UInt64)?
        if let fleet { naming = { fleet.name(of: $0) } }
        pipeline = Pipeline(
            l1: MemoryCache(
                sizeMax: 1 << 20, itemSizeMax: 1 << 20, metrics: metrics,
                naming: naming),
            store: fleet ?? (withStore ? store : nil), upstreams: UpstreamPool([member, other]), clock: clock,
            metrics: metrics,
            settings: settings, bugs: bugs, order: order, draw: draw)
    }

    /// Each attempt is one that a scene's script has foreseen.
    static let settings = Pipeline.Settings(admission: AdmissionSettings(retryRatio: 0))

    func request(
        _ prompt: String = "p", stream: Bool = false, members: String = "",
        _ change: (inout Controls) -> Void = { _ in }
    ) -> Request {
        let body = #"{"model":"m","prompt":"\#(prompt)","stream":\#(stream)\#(members)}"#
        var arrival = Request.Arrival(kind: .chat, body: Array(body.utf8))
        change(&arrival.controls)
        do {
            return try Request(arrival, routes: RouteTable(routes: [route]))
        } catch {
            preconditionFailure("the scene's request is wrong: \(error)")
        }
    }

    /// The same, of which only the digest came.
    func requestWithoutBody() -> Request {
        let routes = RouteTable(routes: [route])
        let whole = request()
        var arrival = Request.Arrival(kind: .chat, body: whole.body?.bytes)
        let digest = Digest256(of: whole.body?.bytes ?? [])
        let question = BodyMemo.Question(arrival, caller: routes.caller(authorization: nil), rawDigest: digest)
        var memo = BodyMemo()
        memo.insert(whole, of: arrival, as: question, in: routes)
        arrival.body = nil
        guard let known = memo.lookup(question, in: routes) else { preconditionFailure("it was just put there") }
        return Request(arrival, known: known, routes: routes)
    }

    /// What one caller got.
    enum Got: Sendable, Equatable {
        case answered(String, ServeResult)
        case failed(Failure)
        /// A stream that broke after this much.
        case broke(String, Failure)
    }

    /// Asks, reads to the end, and says what came.
    func ask(_ request: Request, as caller: Caller = Caller(), readingSlowly: Duration? = nil) async -> Got {
        await pipeline.serve(request, for: caller) { reply in
            switch reply {
            case .stored(let stored, let provenance):
                let bytes = (try? stored.answer.recording.rendered(withUsage: true)) ?? []
                return .answered(String(decoding: bytes, as: UTF8.self), provenance.result)
            case .whole(let whole, let provenance):
                return .answered(String(decoding: whole.chunks.flatMap(\.bytes), as: UTF8.self), provenance.result)
            case .live(let live, let provenance):
                var text = ""
                do throws(Failure) {
                    for try await chunk in live {
                        text += String(decoding: chunk.bytes, as: UTF8.self)
                        if let readingSlowly { try? await clock.sleep(until: clock.now.advanced(by: readingSlowly)) }
                    }
                } catch {
                    return .broke(text, error)
                }
                return caller.gone.map { .broke(text, $0) } ?? .answered(text, provenance.result)
            case .fixed(let text, let provenance): return .answered(text, provenance.result)
            case .failed(let failure, _):
                return .failed(failure)
            }
        }
    }

    /// Asks, and says on which step it was served.
    func step(_ request: Request) async -> LadderStep? {
        await pipeline.serve(request, for: Caller()) { reply in
            switch reply {
            case .stored(_, let provenance), .whole(_, let provenance), .fixed(_, let provenance): provenance.step
            case .live(_, let provenance): provenance.step
            case .failed: .refused
            }
        }
    }

    func sleep(_ length: Duration) async throws {
        try await clock.sleep(until: clock.now.advanced(by: length))
    }

    /// Runs the pipeline for as long as the body takes.
    func running<Outcome: Sendable>(_ body: @Sendable @escaping () async throws -> Outcome) async throws -> Outcome {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await pipeline.run() }
            let outcome = try await body()
            pipeline.close()
            try await group.waitForAll()
            return outcome
        }
    }
}
