import SamovarCore
import SamovarEngine

@testable import SamovarStoreRedis

/// An upstream that says who it is and the how many-th call this is; and waits, where the test holds it.
final class CountingUpstream: Upstream {
    private struct State {
        var count = 0
        var held: CheckedContinuation<Void, Never>?
        var holds = false
    }

    private let name: String
    private let state = Lock(State())
    /// Rings when a call has come that is held.
    let isHeld = Bell()

    init(name: String) { self.name = name }

    var count: Int { state.withLock { $0.count } }

    /// The next call waits for `release`.
    func hold() { state.withLock { $0.holds = true } }

    func release() { state.withLock { $0.held.take() }?.resume() }

    func attempt(
        _ attempt: Attempt, for caller: Caller,
        receive: @escaping @Sendable (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        let (count, holds) = state.withLock { state in
            state.count += 1
            defer { state.holds = false }
            return (state.count, state.holds)
        }
        if holds {
            await withCheckedContinuation { continuation in
                state.withLock { $0.held = continuation }
                isHeld.ring()
            }
        }
        var facts = ChunkFacts()
        facts.hasToken = true
        facts.choices = [ChunkFacts.Choice(index: 0, finishReason: "stop")]
        try receive(.began(.body))
        try receive(.chunk(Chunk(bytes: Array("\(name)\(count)".utf8)), facts))
    }
}

/// One pod: its memory, its upstream, and the Redis that it shares.
struct CoherentPod: Sendable {
    let store: RedisStore
    let upstream: CountingUpstream
    let metrics = Metrics()
    let pipeline: Pipeline
    private let clock = SystemClock()

    init(name: String, _ settings: RedisSettings, log: LogLines, onLoss: Tracking.OnLoss) throws {
        let store = try RedisStore.forTest(settings, log: log)
        self.store = store
        upstream = CountingUpstream(name: name)
        let member = UpstreamPool.Member(
            limits: UpstreamLimits(name: "one"), alwaysStreams: false, usageChunk: .leave, upstream: upstream)
        // Time for a busy machine.
        var lease = LeaseSettings()
        lease.stageTimeout = .seconds(10)
        pipeline = Pipeline(
            l1: MemoryCache(sizeMax: 8 << 20, itemSizeMax: 1 << 20, metrics: metrics, naming: { store.name(of: $0) }),
            store: store, upstreams: UpstreamPool([member]), clock: clock, metrics: metrics,
            settings: Pipeline.Settings(lease: lease, onTrackingLoss: onLoss))
    }

    /// What this pod's memory has, without asking anybody.
    func memory(_ request: Request) -> String? {
        guard let (stored, _) = pipeline.find(request, at: clock.now) else { return nil }
        return Self.text(stored)
    }

    func ask(_ request: Request) async -> String? {
        await pipeline.serve(request, for: Caller()) { reply in
            switch reply {
            case .stored(let stored, _): Self.text(stored)
            case .whole(let whole, _): String(decoding: whole.chunks.flatMap(\.bytes), as: UTF8.self)
            case .fixed(let text, _): text
            case .live, .failed: nil
            }
        }
    }

    private static func text(_ stored: StoredAnswer) -> String? {
        (try? stored.answer.recording.rendered(withUsage: true)).map { String(decoding: $0, as: UTF8.self) }
    }

    var isTracking: Bool { pipeline.tracking == .connected }

    func eventually(_ condition: () async -> Bool) async { await store.eventually(condition) }
}

/// Two pods on a server of their own, and somebody who looks into Redis.
struct CoherentScene: Sendable {
    let server: RedisServer
    let admin: Admin
    let log = LogLines()
    let alice: CoherentPod
    let bob: CoherentPod
    private let routes = RouteTable(routes: [Route(upstreams: ["one"], credential: .configured)])

    init(user: [String] = [], keyRing: KeyRing? = nil, onLoss: Tracking.OnLoss = .serve) async throws {
        server = try RedisServer()
        admin = try await Admin(server.url)
        if !user.isEmpty {
            await admin.command("ACL", "SETUSER", "pod", "on", ">x", "~*", "&*", "+@all")
            for rule in user { await admin.command("ACL", "SETUSER", "pod", rule) }
        }
        var settings = RedisSettings.patient("redis://\(user.isEmpty ? "" : "pod:x@")127.0.0.1:\(server.port)")
        settings.keyRing = keyRing
        alice = try CoherentPod(name: "a", settings, log: log, onLoss: onLoss)
        bob = try CoherentPod(name: "b", settings, log: log, onLoss: onLoss)
    }

    var pods: [CoherentPod] { [alice, bob] }

    func request(_ prompt: String = "p", namespace: String = "", noCache: Bool = false) throws -> Request {
        var arrival = Request.Arrival(kind: .chat, body: Array(#"{"model":"m","prompt":"\#(prompt)"}"#.utf8))
        arrival.controls.namespace = namespace
        arrival.controls.noCache = noCache
        return try Request(arrival, routes: routes)
    }

    func name(_ request: Request) -> String { String(decoding: alice.store.keyName.bytes(request.key), as: UTF8.self) }

    /// Returns when this pod has heard all that was said before: news come in order.
    func heard(by pod: CoherentPod) async {
        let (bell, marker) = (Bell(), AttemptID(high: 1, low: .random(in: .min ... .max)))
        pod.store.announce(marker) { bell.ring() }
        let channel = pod.store.keyName.pokes(of: pod.store.pod)
        _ = await admin.bytes([Array("PUBLISH".utf8), channel, Array(marker.hexadecimal.utf8)])
        await bell.rung()
    }

    /// Runs both pods for as long as the body takes, once they hear of changes or know that they never will.
    func running<Outcome: Sendable>(_ body: @Sendable @escaping () async throws -> Outcome) async throws -> Outcome {
        let outcome = try await withThrowingTaskGroup(of: Void.self) { group in
            for pod in pods { group.addTask { await pod.pipeline.run() } }
            for pod in pods {
                _ = await pod.store.connected()
                await pod.eventually { pod.isTracking || pod.pipeline.tracking == .refused }
            }
            let outcome = try await body()
            for pod in pods { pod.pipeline.close() }
            try await group.waitForAll()
            return outcome
        }
        for pod in pods { await pod.store.shutdown() }
        await admin.shutdown()
        server.kill()
        return outcome
    }
}
