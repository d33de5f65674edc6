import SamovarCore
import Synchronization
import TestSupport

@testable import SamovarEngine

/// Many callers, arriving when they do whatever became of those before: an open loop.
struct Storm: Sendable {
    /// One who asks.
    struct Arrival: Sendable {
        let at: Duration
        let tenant: Int
        let prompt: Int
    }

    /// What one caller got, and when.
    struct Got: Sendable {
        let arrival: Arrival
        let isRight: Bool
        let failure: Failure?
        let took: Duration
    }

    let clock: ManualClock
    let provider: StormProvider
    let metrics = Metrics()
    let pipeline: Pipeline
    private let table: RouteTable
    private let patience: Duration

    init(
        _ clock: ManualClock, provider: StormProvider, limits: UpstreamLimits, route: Route = Storm.route,
        admission: AdmissionSettings = AdmissionSettings(), order: AdmissionQueue.SeededOrder? = nil,
        patience: Duration = .seconds(10), store: SimLeaseStore? = nil, fleet: FleetShare.Settings? = nil
    ) {
        self.clock = clock
        self.provider = provider
        self.patience = patience
        table = RouteTable(routes: [route])
        let member = UpstreamPool.Member(
            limits: limits, alwaysStreams: false, usageChunk: .leave, upstream: provider)
        pipeline = Pipeline(
            l1: MemoryCache(sizeMax: 64 << 20, itemSizeMax: 1 << 20, metrics: metrics), store: store,
            upstreams: UpstreamPool([member]), clock: clock, metrics: metrics,
            settings: Pipeline.Settings(lease: nil, admission: admission, fleet: fleet), bugs: [], order: order)
    }

    /// Callers are tenants by what they bring.
    static let route = Route(upstreams: ["provider"], credential: .callers)

    /// What the provider allows, as configured.
    static let configured = UpstreamLimits(
        name: "provider", requestsPerSecond: 50, burst: 500, concurrencyMax: 64)

    func request(_ prompt: Int, tenant: Int = 0) -> Request {
        let body = #"{"model":"m","messages":[{"role":"user","content":"prompt \#(prompt)"}]}"#
        var arrival = Request.Arrival(kind: .chat, body: Array(body.utf8))
        arrival.authorization = Secret("Bearer \(tenant)")
        do {
            return try Request(arrival, routes: table)
        } catch {
            preconditionFailure("the storm's request is wrong: \(error)")
        }
    }

    /// Lets all of them come, and waits until the last has left.
    ///
    /// - Parameter changes: what happens to the provider meanwhile.
    func run(_ arrivals: [Arrival], changes: [(at: Duration, trouble: StormProvider.Trouble)] = []) async throws
        -> [Got]
    {
        let startedAt = clock.now
        for change in changes {
            clock.call(at: startedAt.advanced(by: change.at)) { provider.trouble = change.trouble }
        }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await pipeline.run() }
            let got = await withTaskGroup(of: Got.self) { callers in
                for arrival in arrivals {
                    let at = startedAt.advanced(by: arrival.at)
                    if clock.now < at { try? await clock.sleep(until: at) }
                    callers.addTask { await ask(arrival) }
                }
                return await callers.reduce(into: []) { $0.append($1) }
            }
            pipeline.close()
            try await group.waitForAll()
            return got
        }
    }

    private func ask(_ arrival: Arrival) async -> Got {
        let askedAt = clock.now
        let request = request(arrival.prompt, tenant: arrival.tenant)
        let caller = Caller()
        clock.call(at: askedAt.advanced(by: patience)) { caller.hangUp(.deadline) }
        let (text, failure) = await pipeline.serve(request, for: caller) { reply -> (String, Failure?) in
            switch reply {
            case .stored(let stored, _):
                let bytes = (try? stored.answer.recording.rendered(withUsage: true)) ?? []
                return (String(decoding: bytes, as: UTF8.self), nil)
            case .whole(let whole, _): return (String(decoding: whole.chunks.flatMap(\.bytes), as: UTF8.self), nil)
            case .live, .fixed: return ("", nil)
            case .failed(let failure, _): return ("", failure)
            }
        }
        let expected = "re: " + String(decoding: request.body?.bytes ?? [], as: UTF8.self)
        return Got(
            arrival: arrival, isRight: text == expected, failure: failure, took: askedAt.duration(to: clock.now))
    }
}

extension Storm {
    /// From 50 to 3,000 a second in 20 s: 30,500 requests for 2,000 prompts, zipf(1.0).
    static func ramp(seed: UInt64) -> [Arrival] {
        var draw = ZipfDraw(count: 2_000, seed: seed)
        return (1...30_500).map { number in
            // 50 t + 73.75 t² requests have come by then.
            let seconds = ((2_500 + 295 * Double(number)).squareRoot() - 50) / 147.5
            return Arrival(at: .nanoseconds(Int64(seconds * 1e9)), tenant: 0, prompt: draw.next())
        }
    }

    /// So many a second, each for a prompt of its own.
    static func steady(
        _ perSecond: Double, from start: Duration = .zero, for length: Duration, tenant: Int = 0, firstPrompt: Int = 0
    ) -> [Arrival] {
        (0..<Int(length.seconds * perSecond)).map { number in
            let offset = Duration.nanoseconds(Int64(Double(number) / perSecond * 1e9))
            return Arrival(at: start + offset, tenant: tenant, prompt: firstPrompt + number)
        }
    }
}

extension [Storm.Got] {
    /// In 0...1.
    var success: Double { isEmpty ? 1 : Double(count { $0.isRight }) / Double(count) }

    /// How long the one took of whom 99 of 100 were quicker.
    var p99: Duration {
        let times = map(\.took).sorted()
        return times.isEmpty ? .zero : times[Swift.min(times.count - 1, times.count * 99 / 100)]
    }

    /// Why the others got nothing.
    var reasons: [String: Int] {
        reduce(into: [:]) { counts, got in
            guard !got.isRight else { return }
            switch got.failure {
            case .limited(let limit, _)?: counts[limit, default: 0] += 1
            case .refused(let refusal)?: counts["\(refusal.status)", default: 0] += 1
            case let failure?: counts["\(failure)", default: 0] += 1
            case nil: counts["wrong", default: 0] += 1
            }
        }
    }
}

/// Numbers 0..<count, the first most often: in proportion to 1 / (number + 1).
struct ZipfDraw {
    private var random: SeededGenerator
    private let sums: [Double]

    init(count: Int, seed: UInt64) {
        random = SeededGenerator(seed: seed)
        var sum = 0.0
        sums = (1...count).map { rank in
            sum += 1 / Double(rank)
            return sum
        }
    }

    mutating func next() -> Int {
        let wanted = Double.random(in: 0..<sums[sums.count - 1], using: &random)
        var (low, high) = (0, sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] > wanted { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
