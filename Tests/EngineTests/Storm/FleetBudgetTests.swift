import SamovarCore
import Testing

@testable import SamovarEngine

/// Pods before one provider that takes 50 requests a second from all of them together.
private struct Fleet: Sendable {
    static let limits = UpstreamLimits(name: "provider", requestsPerSecond: 50, burst: 50, concurrencyMax: 64)

    let clock: ManualClock
    let store: SimFleet
    let provider: StormProvider
    let pods: [Storm]

    init(
        _ clock: ManualClock, count: Int = 3, seed: UInt64, limits: UpstreamLimits = Self.limits,
        fleet: FleetShare.Settings? = FleetShare.Settings()
    ) {
        self.clock = clock
        let store = SimFleet(clock: clock)
        self.store = store
        var takes = StormProvider.Limits()
        takes.burst = 50
        let provider = StormProvider(clock, limits: takes, seed: seed)
        self.provider = provider
        pods = (0..<count).map { number in
            Storm(
                clock, provider: provider, limits: limits, store: store.pod(UInt64(number + 1)), fleet: fleet)
        }
    }

    /// Each pod gets its load. What all of their callers got.
    func run(_ loads: [[Storm.Arrival]], at time: Duration? = nil, _ change: @escaping @Sendable () -> Void = {})
        async throws -> [Storm.Got]
    {
        if let time { clock.call(at: clock.now.advanced(by: time), change) }
        return try await withThrowingTaskGroup(of: [Storm.Got].self) { group in
            for (pod, load) in zip(pods, loads) { group.addTask { try await pod.run(load) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    func parts() -> [Double] { pods.map { $0.pipeline.upstreamStatus[0].fleetPart ?? -1 } }

    var refusedShare: Double { Double(provider.tally.refusals) / Double(max(1, provider.tally.calls)) }
}

extension [Storm.Got] {
    /// How many a second were answered in this time.
    fileprivate func answered(from start: Duration, to end: Duration) -> Double {
        let count = count { $0.isRight && $0.arrival.at + $0.took >= start && $0.arrival.at + $0.took < end }
        return Double(count) / (end - start).seconds
    }
}

/// So many a second for a pod, for prompts that no other pod has.
private func load(_ perSecond: Double, pod: Int, from start: Duration = .zero, for length: Duration) -> [Storm.Arrival]
{
    Storm.steady(
        perSecond, from: start, for: length, firstPrompt: 1_000_000 * pod + Int(start.seconds) * 10_000)
}

@Suite("One budget for the fleet")
struct FleetBudgetTests {
    private struct Outcome: Sendable {
        let got: [Storm.Got]
        let refusedShare: Double
        let calls: Int
        let left: Int
        var parts: [Double] = []
    }

    private static func simulated(
        seed: UInt64, limits: UpstreamLimits = Fleet.limits, fleet: FleetShare.Settings? = FleetShare.Settings(),
        loads: [[Storm.Arrival]], at time: Duration? = nil, _ change: @escaping @Sendable (SimFleet) -> Void = { _ in }
    ) throws -> Outcome {
        try simulate(seed: seed) { _, clock in
            let pods = Fleet(clock, count: loads.count, seed: seed, limits: limits, fleet: fleet)
            let store = pods.store
            let got = try await pods.run(loads, at: time) { change(store) }
            return Outcome(
                got: got, refusedShare: pods.refusedShare, calls: pods.provider.tally.calls, left: store.wordCount,
                parts: pods.parts())
        }
    }

    private static let even = (0..<3).map { load(40, pod: $0, for: .seconds(20)) }

    @Test(
        "three pods that each want nearly all are refused one call in a hundred at most, and all is used",
        arguments: [1, 2, 3])
    func even(seed: UInt64) throws {
        let outcome = try Self.simulated(seed: seed, loads: Self.even)
        #expect(outcome.refusedShare <= 0.01, "\(outcome.refusedShare) of \(outcome.calls)")
        #expect(outcome.got.answered(from: .seconds(2), to: .seconds(20)) >= 48)
        #expect(outcome.left == 0)
    }

    @Test("the check fails where each pod has the whole")
    func alone() throws {
        let outcome = try Self.simulated(seed: 1, fleet: nil, loads: Self.even)
        #expect(outcome.refusedShare > 0.01, "\(outcome.refusedShare)")
        #expect(outcome.parts == [-1, -1, -1])
    }

    @Test(
        "the only pod with load has all, and the next one within a second of the load's moving", arguments: [1, 2, 3])
    func moves(seed: UInt64) throws {
        let outcome = try Self.simulated(
            seed: seed,
            loads: [
                load(80, pod: 0, for: .seconds(10)), load(80, pod: 1, from: .seconds(20), for: .seconds(10)), [],
            ])
        #expect(outcome.got.answered(from: .seconds(2), to: .seconds(10)) >= 47)
        // The first one's queue has long been empty by then.
        #expect(outcome.got.answered(from: .seconds(21), to: .seconds(30)) >= 47)
        #expect(outcome.refusedShare <= 0.01, "\(outcome.refusedShare)")
    }

    @Test("without the store they go on with what they had, and then with equal parts", arguments: [1, 2])
    func storeDown(seed: UInt64) throws {
        let outcome = try Self.simulated(
            seed: seed, loads: (0..<3).map { load(40, pod: $0, for: .seconds(30)) }, at: .seconds(5)
        ) {
            $0.setDown(true)
        }
        #expect(outcome.got.answered(from: .seconds(6), to: .seconds(30)) >= 48)
        #expect(outcome.refusedShare <= 0.01, "\(outcome.refusedShare)")
        #expect(outcome.parts.allSatisfy { abs($0 - 1.0 / 3) < 1e-9 })
    }

    @Test("without the store from the beginning each pod has the whole, half a second late")
    func neverUp() throws {
        let outcome = try Self.simulated(seed: 1, loads: [load(40, pod: 0, for: .seconds(5))], at: .zero) {
            $0.setDown(true)
        }
        #expect(outcome.parts == [1])
        #expect(outcome.got.success == 1)
        #expect(outcome.got.allSatisfy { $0.took < .seconds(1) })
    }

    @Test("what is switched off is given back: the whole for this pod, and no word in the store")
    func switchedOff() throws {
        let (before, after, words) = try simulate(seed: 1) { _, clock -> (Double?, Double?, Int) in
            let fleet = Fleet(clock, count: 2, seed: 1)
            let pipeline = fleet.pods[0].pipeline
            return try await withThrowingTaskGroup(of: Void.self) { group in
                for pod in fleet.pods { group.addTask { await pod.pipeline.run() } }
                try await clock.sleep(until: clock.now.advanced(by: .seconds(3)))
                let before = pipeline.upstreamStatus[0].fleetPart
                #expect(pipeline.fleetPodCount == 2)
                pipeline.reconfigure(Pipeline.Settings(lease: nil, upstreams: [Fleet.limits]))
                try await clock.sleep(until: clock.now.advanced(by: .seconds(3)))
                let outcome = (before, pipeline.upstreamStatus[0].fleetPart, fleet.store.wordCount)
                #expect(pipeline.fleetPodCount == nil)
                #expect(fleet.pods[1].pipeline.upstreamStatus[0].fleetPart == 1)
                for pod in fleet.pods { pod.pipeline.close() }
                try await group.waitForAll()
                return outcome
            }
        }
        #expect(before.map { abs($0 - 0.5) < 1e-9 } == true)
        #expect(after == nil)
        #expect(words == 1)
    }

    @Test("a pod that has seen a failure itself stops asking when another's breaker opens")
    func breakers() throws {
        let calls = try simulate(seed: 1) { _, clock -> Int in
            let fleet = Fleet(clock, count: 2, seed: 1)
            return try await withThrowingTaskGroup(of: Void.self) { group in
                for pod in fleet.pods { group.addTask { await pod.pipeline.run() } }
                try await clock.sleep(until: clock.now.advanced(by: .seconds(1)))
                fleet.provider.trouble = .errors
                func ask(_ pod: Int, _ count: Int, _ first: Int) async {
                    await withTaskGroup(of: Void.self) { asking in
                        for number in 0..<count {
                            let request = fleet.pods[pod].request(first + number)
                            asking.addTask { await fleet.pods[pod].pipeline.serve(request, for: Caller()) { _ in } }
                        }
                    }
                }
                // One failure here, the opening there.
                await ask(1, 1, 0)
                await ask(0, 20, 100)
                try await clock.sleep(until: clock.now.advanced(by: .milliseconds(600)))
                let states = fleet.pods.map { $0.pipeline.upstreamStatus[0].breaker }
                #expect(states == [.open, .open])
                let before = fleet.provider.tally.calls
                await ask(1, 5, 200)
                let calls = fleet.provider.tally.calls - before
                for pod in fleet.pods { pod.pipeline.close() }
                try await group.waitForAll()
                return calls
            }
        }
        #expect(calls == 0)
    }
}
