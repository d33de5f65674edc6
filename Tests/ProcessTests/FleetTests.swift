import Foundation
import Testing

extension RealProcesses {
    /// What an upstream allows is for all pods together.
    @Suite("one budget for pods on one Redis", .enabled(if: Redis.isInstalled, "redis-server is not installed"))
    struct FleetTests {
        private struct Fleet {
            let redis: Redis
            let provider: Provider
            let sidecars: [Sidecar]

            init(_ count: Int) throws {
                redis = try Redis()
                provider = try Provider(
                    "--capacity-per-second", "40", "--capacity-burst", "40", "--json-ms", "20")
                let (redis, provider) = (redis, provider)
                sidecars = try (0..<count).map { _ in
                    try Sidecar(upstream: provider.url) {
                        $0.redis = ["url": redis.url, "timeout": "500ms"]
                        $0.upstreams = [
                            [
                                "name": "provider", "url": provider.url, "requests_per_second": "40", "burst": "40",
                            ]
                        ]
                        $0.routes = [["name": "r", "queue_timeout": "60s"]]
                        // What is refused all the same is nobody's failure, and counted.
                        $0.admission = [:]
                    }
                }
            }

            func parts() throws -> [Double] {
                try sidecars.map {
                    try $0.stats()["upstream"]["admission"]["provider"]["fleet_part"].double ?? -1
                }
            }

            /// Everybody's reply: so many at each of these pods, at once, each for a prompt of its own.
            func ask(_ count: Int, at pods: some Sequence<Int>) throws -> [HTTPReply?] {
                let crowds = try pods.map { pod in
                    try Crowd(
                        (0..<count).map { RawRequest.post(body: Chat("pod \(pod), number \($0)").body) },
                        to: sidecars[pod].http)
                }
                let deadline = Deadline(within: .seconds(60))
                while !deadline.hasPassed, crowds.contains(where: { $0.replies.contains { $0?.isWhole != true } }) {
                    for crowd in crowds { crowd.run(within: .milliseconds(20)) { _ in false } }
                }
                return crowds.flatMap(\.replies)
            }
        }

        @Test("two that want all of it are refused hardly anything, and one that wants it alone has nearly all")
        func two() throws {
            let fleet = try Fleet(2)
            #expect(try eventually { try fleet.parts().allSatisfy { $0 > 0.4 && $0 < 0.6 } })
            #expect(try fleet.sidecars[0].page("/metrics").text.contains("samovar_fleet_pods 2\n"))

            let replies = try fleet.ask(150, at: 0..<2)

            #expect(replies.map { $0?.status ?? 0 }.filter { $0 != 200 } == [])
            let counts = try fleet.provider.counts()
            let refused = counts.byStatus["429"] ?? 0
            print("fleet: \(counts.calls) calls, \(refused) refused")
            #expect(refused <= 5, "\(refused) of \(counts.calls)")
            #expect(try fleet.parts().reduce(0, +) < 1.02)

            // One alone: the other's part comes to it while it waits.
            let load = try Crowd(
                (0..<120).map { RawRequest.post(body: Chat("alone \($0)").body) }, to: fleet.sidecars[1].http)
            var part = 0.0
            let deadline = Deadline(within: .seconds(30))
            while part < 0.9, !deadline.hasPassed {
                load.run(within: .milliseconds(50)) { _ in false }
                part = try fleet.parts()[1]
            }
            #expect(part > 0.9)
            #expect(load.finish(within: .seconds(30)).allSatisfy { $0?.status == 200 })
        }

        @Test("go on when Redis dies, and one that ends in order leaves its part to the others")
        func ends() throws {
            let fleet = try Fleet(2)
            #expect(try eventually { try fleet.parts().allSatisfy { $0 > 0.4 && $0 < 0.6 } })

            fleet.sidecars[1].process.send(SIGTERM)

            #expect(
                try eventually(within: .seconds(10)) {
                    try fleet.sidecars[0].stats()["upstream"]["fleet_pods"].int == 1
                })
            fleet.redis.process.kill()
            let replies = try fleet.ask(60, at: 0..<1)
            #expect(replies.allSatisfy { $0?.status == 200 })
        }
    }
}
