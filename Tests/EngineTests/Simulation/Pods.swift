import SamovarCore

@testable import SamovarEngine

/// Pods around one Redis, each with its own pipeline and its own upstream, whose answers say which pod called.
struct Pods {
    let fleet: SimFleet
    let scenes: [Scene]
    let stores: [SimLeaseStore]

    init(
        _ clock: ManualClock, count: Int, route: Route = Route(upstreams: ["sim"]),
        settings: Pipeline.Settings = Scene.settings,
        limits: (_ pod: Int) -> UpstreamLimits = { _ in UpstreamLimits(name: "sim") },
        script: @escaping @Sendable (_ pod: Int, _ number: Int) -> [SimUpstream.Act]
    ) {
        let fleet = SimFleet(clock: clock)
        self.fleet = fleet
        stores = (0..<count).map { fleet.pod(UInt64($0)) }
        scenes = stores.enumerated().map { pod, store in
            Scene(clock, route: route, settings: settings, fleet: store, limits: limits(pod)) { number, _ in
                script(pod, number)
            }
        }
    }

    var calls: Int { scenes.reduce(0) { $0 + $1.upstream.attempts.count } }

    func running<Outcome: Sendable>(_ body: @Sendable @escaping () async throws -> Outcome) async throws -> Outcome {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for scene in scenes { group.addTask { await scene.pipeline.run() } }
            let outcome = try await body()
            for scene in scenes { scene.pipeline.close() }
            try await group.waitForAll()
            return outcome
        }
    }
}
