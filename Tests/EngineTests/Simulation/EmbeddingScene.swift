import Foundation
import SamovarCore
import SamovarWire
import Synchronization

@testable import SamovarEngine

/// A provider of embeddings: each text's vector is the text itself, and a token is a byte.
final class SimEmbedder: Upstream {
    struct Manner: Sendable {
        var wait = Duration.milliseconds(100)
        /// Refused by their place.
        var refused: Set<String> = []
        var failure: Failure?
        /// The first so many calls for several texts are cut.
        var cutCount = 0
        /// The first two vectors of several come in each other's place.
        var isSwapped = false
    }

    /// One call: what was asked, and whether as an array.
    struct Call: Hashable, Sendable {
        let inputs: [String]
        let isArray: Bool
        let request: String
    }

    private let manner: Manner
    private let clock: ManualClock
    private let state = Mutex((calls: [Call](), cancelled: 0, concurrent: 0, concurrentMax: 0))

    init(_ manner: Manner, clock: ManualClock) {
        self.manner = manner
        self.clock = clock
    }

    var calls: [Call] { state.withLock { $0.calls } }
    var cancelledCount: Int { state.withLock { $0.cancelled } }
    var concurrentMax: Int { state.withLock { $0.concurrentMax } }

    func attempt(
        _ attempt: Attempt, for caller: Caller,
        receive: @escaping @Sendable (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        let call = Self.call(attempt.request)
        state.withLock { state in
            state.calls.append(call)
            state.concurrent += 1
            state.concurrentMax = max(state.concurrentMax, state.concurrent)
        }
        defer { state.withLock { $0.concurrent -= 1 } }
        do {
            try await clock.sleep(until: clock.now.advanced(by: manner.wait), for: caller)
        } catch {
            state.withLock { $0.cancelled += 1 }
            throw .cut
        }
        if let failure = manner.failure { throw failure }
        let togetherCount = state.withLock { state in state.calls.count { $0.inputs.count > 1 } }
        if call.inputs.count > 1, togetherCount <= manner.cutCount { throw .cut }
        if let index = call.inputs.firstIndex(where: manner.refused.contains) {
            let body = #"{"error":{"param":"input[\#(index)]"}}"#
            throw .refused(.init(status: 400, contentType: nil, body: Array(body.utf8), retryAfter: nil))
        }
        try receive(.began(.body))
        let request = attempt.request
        let read = try BodyReader.read(answer(call), kind: request.kind, inputCount: request.inputCount)
        try receive(.chunk(read.chunk, read.facts))
    }

    private static func call(_ request: Request) -> Call {
        let body = request.body?.bytes ?? []
        let input = (try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])?["input"]
        return Call(
            inputs: input as? [String] ?? [input as? String ?? "?"], isArray: input is [Any],
            request: "\(request.tenant.label) \(request.model) \(request.headers["openai-project"] ?? "")")
    }

    private func answer(_ call: Call) -> [UInt8] {
        var vectors = call.inputs.enumerated().map { #"{"index":\#($0),"embedding":"\#($1)"}"# }
        if manner.isSwapped, vectors.count > 1 { vectors.swapAt(0, 1) }
        return Array(Self.answer(vectors, of: call.inputs).utf8)
    }

    private static func answer(_ vectors: [String], of inputs: [String]) -> String {
        let tokenCount = inputs.reduce(0) { $0 + $1.utf8.count }
        return #"{"data":[\#(vectors.joined(separator: ","))],"model":"m","usage":{"prompt_tokens":\#(tokenCount)}}"#
    }

    /// What this text is answered when it is asked for alone.
    static func answer(to text: String) -> String { answer([#"{"index":0,"embedding":"\#(text)"}"#], of: [text]) }

    /// The same, wherever it came from: with a vector and whatever usage.
    static func isAnswer(_ body: String, to text: String) -> Bool {
        body.hasPrefix(#"{"data":[{"index":0,"embedding":"\#(text)"}],"model":"m","usage":{"prompt_tokens":"#)
    }

    static func tokenCount(in body: String) -> Int {
        Int(body.split(separator: ":").last?.prefix { $0.isNumber } ?? "") ?? -1
    }
}

/// One process, asked for embeddings.
struct EmbeddingScene: Sendable {
    let clock: ManualClock
    let embedder: SimEmbedder
    let metrics = Metrics()
    let pipeline: Pipeline
    let route: Route

    /// - Parameters:
    ///   - callsMax: what the provider takes at once before others wait.
    ///   - limits: what else it may be asked.
    init(
        _ clock: ManualClock, callsMax: Int = 1, batch: EmbeddingBatch.Limits? = .init(window: .seconds(1)),
        _ manner: SimEmbedder.Manner = .init(), settings: Pipeline.Settings = Scene.settings,
        limits: UpstreamLimits = UpstreamLimits(name: "sim"), fleet: SimLeaseStore? = nil,
        change: (inout Route) -> Void = { _ in }
    ) {
        self.clock = clock
        embedder = SimEmbedder(manner, clock: clock)
        var route = Route(upstreams: ["sim"], batch: batch)
        change(&route)
        self.route = route
        var limits = limits
        limits.concurrencyMax = callsMax
        let member = UpstreamPool.Member(
            limits: limits, alwaysStreams: false, usageChunk: .leave, upstream: embedder)
        pipeline = Pipeline(
            l1: MemoryCache(sizeMax: 1 << 20, itemSizeMax: 1 << 20, metrics: metrics), store: fleet,
            upstreams: UpstreamPool([member]), clock: clock, metrics: metrics, settings: settings,
            embeddings: EmbeddingBatchBody())
    }

    func request(
        _ text: String, input: String? = nil, model: String = "m", authorization: String? = nil, project: String? = nil
    ) -> Request? {
        let body = #"{"model":"\#(model)","input":\#(input ?? "\"\(text)\"")}"#
        var arrival = Request.Arrival(kind: .embeddings, body: Array(body.utf8))
        arrival.authorization = authorization.map(Secret.init)
        arrival.headers["openai-project"] = project
        return try? Request(arrival, routes: RouteTable(routes: [route]))
    }

    /// Asks for one text; `input` as it is spelled, if not as a plain string.
    func ask(
        _ text: String, input: String? = nil, model: String = "m", authorization: String? = nil, project: String? = nil,
        after wait: Duration = .zero, as caller: Caller = Caller()
    ) async -> Scene.Got {
        if wait > .zero { try? await clock.sleep(until: clock.now.advanced(by: wait)) }
        guard let request = request(text, input: input, model: model, authorization: authorization, project: project)
        else { return .failed(.cut) }
        return await pipeline.serve(request, for: caller) { reply in
            switch reply {
            case .stored(let stored, let provenance):
                let bytes = (try? stored.answer.recording.rendered(withUsage: true)) ?? []
                return .answered(String(decoding: bytes, as: UTF8.self), provenance.result)
            case .whole(let whole, let provenance):
                return .answered(String(decoding: whole.chunks.flatMap(\.bytes), as: UTF8.self), provenance.result)
            case .live, .fixed: return .failed(.cut)
            case .failed(let failure, _): return .failed(failure)
            }
        }
    }

    /// Asks for all of them at once.
    func ask(_ texts: [String], after wait: Duration = .zero) async -> [Scene.Got] {
        await withTaskGroup(of: (Int, Scene.Got).self) { callers in
            for (index, text) in texts.enumerated() {
                callers.addTask { (index, await ask(text, after: wait)) }
            }
            var got = Array(repeating: Scene.Got.failed(.cut), count: texts.count)
            for await (index, one) in callers { got[index] = one }
            return got
        }
    }

    /// Somebody has the upstream's only place for as long as one call takes.
    func ask(_ texts: [String], behind first: String) async -> (first: Scene.Got, others: [Scene.Got]) {
        async let ahead = ask(first)
        let others = await ask(texts, after: .milliseconds(1))
        return (await ahead, others)
    }

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
