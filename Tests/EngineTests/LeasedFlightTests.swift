import SamovarCore
import Testing

@testable import SamovarEngine

private let seeds: ClosedRange<UInt64> = 0...99

@Suite("Flights that pods share, over seeds")
struct LeasedFlightTests {
    private static func stream(_ pod: Int, _ number: Int, apart: Duration = .milliseconds(40)) -> [SimUpstream.Act] {
        SimUpstream.stream((0..<8).map { "\(pod)/\(number).\($0) " }, apart: apart)
    }

    @Test("callers of two pods are one call, and get the same whole answer, streamed or not", arguments: seeds)
    func oneCall(seed: UInt64) throws {
        let (got, calls, leases) = try simulate(seed: seed) { executor, clock in
            let pods = Pods(clock, count: 2) { Self.stream($0, $1) }
            return try await pods.running {
                let got = await withTaskGroup(of: Scene.Got.self) { callers in
                    for number in 0..<16 {
                        let wait = Duration.milliseconds(executor.random(0...420))
                        let scene = pods.scenes[number % 2]
                        callers.addTask {
                            try? await clock.sleep(until: clock.now.advanced(by: wait))
                            return await scene.ask(scene.request(stream: number % 3 == 0))
                        }
                    }
                    return await callers.reduce(into: []) { $0.append($1) }
                }
                return (got, pods.calls, pods.fleet.leaseCount)
            }
        }
        #expect(calls == 1)
        #expect(leases == 0)
        var texts: Set<String> = []
        for one in got {
            guard case .answered(let text, _) = one else {
                Issue.record("\(one)")
                continue
            }
            texts.insert(text)
        }
        #expect(texts.count == 1)
        #expect(texts.first?.hasSuffix("[DONE]") == true)
    }

    @Test("a follower on another pod sees tokens while the upstream still speaks")
    func live() throws {
        let (got, calls, first) = try simulate(seed: 1) { _, clock in
            let pods = Pods(clock, count: 2) { Self.stream($0, $1, apart: .milliseconds(500)) }
            return try await pods.running {
                async let leader = pods.scenes[0].ask(pods.scenes[0].request(stream: true))
                try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(1_200)))
                let asked = clock.now
                let scene = pods.scenes[1]
                let (text, first) = await scene.pipeline.serve(scene.request(stream: true), for: Caller()) { reply in
                    guard case .live(let live, let provenance) = reply else { return ("", Instant.never) }
                    var (text, first) = ("\(provenance.result) ", Instant.never)
                    do throws(Failure) {
                        for try await chunk in live {
                            first = min(first, clock.now)
                            text += String(decoding: chunk.bytes, as: UTF8.self)
                        }
                    } catch { text += "broke" }
                    return (text, first)
                }
                _ = await leader
                return (text, pods.calls, asked.duration(to: first))
            }
        }
        #expect(calls == 1)
        #expect(got.hasPrefix("coalesced 0/1.0 0/1.1 ") && got.hasSuffix("0/1.7 [DONE]"), "\(got)")
        // The prefix at once: long before the answer is whole.
        #expect(first < .milliseconds(100))
    }

    @Test("without Redis each pod calls for itself, and everybody is answered", arguments: seeds)
    func down(seed: UInt64) throws {
        let (got, calls) = try simulate(seed: seed) { executor, clock in
            let pods = Pods(clock, count: 2) { Self.stream($0, $1) }
            return try await pods.running {
                let got = await withTaskGroup(of: Scene.Got.self) { callers in
                    let downAt = Duration.milliseconds(executor.random(0...300))
                    callers.addTask {
                        try? await clock.sleep(until: clock.now.advanced(by: downAt))
                        pods.fleet.setDown(true)
                        return .answered("", .miss)
                    }
                    for number in 0..<12 {
                        let wait = Duration.milliseconds(executor.random(0...300))
                        let scene = pods.scenes[number % 2]
                        callers.addTask {
                            try? await clock.sleep(until: clock.now.advanced(by: wait))
                            return await scene.ask(scene.request(stream: number % 3 == 0))
                        }
                    }
                    return await callers.reduce(into: []) { $0.append($1) }
                }
                return (got, pods.calls)
            }
        }
        #expect(calls <= 2)
        for one in got {
            // Whoever had read something of the other pod's stream is told that it broke; nobody is misled.
            switch one {
            case .answered, .broke(_, .cut), .failed(.cut): break
            default: Issue.record("\(one)")
            }
        }
    }

    @Test("a pod that is cut off is taken for dead, another takes over, and what the first brings is not stored")
    func takeover() throws {
        let (got, calls, lost) = try simulate(seed: 3) { _, clock in
            let pods = Pods(clock, count: 2) { pod, number in
                [.wait(.seconds(pod == 0 ? 20 : 1)), .began(.body), .body("from \(pod)", finish: "stop")]
            }
            return try await pods.running {
                async let first = pods.scenes[0].ask(pods.scenes[0].request())
                try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(100)))
                pods.stores[0].cut(true)
                async let second = pods.scenes[1].ask(pods.scenes[1].request())
                try? await clock.sleep(until: clock.now.advanced(by: .seconds(15)))
                pods.stores[0].cut(false)
                let got = await [first, second]
                let later = await pods.scenes[1].ask(pods.scenes[1].request())
                return (got + [later], pods.calls, pods.fleet.lostCount)
            }
        }
        #expect(got == [.answered("from 0", .miss), .answered("from 1", .miss), .answered("from 1", .l1Hit)])
        #expect(calls == 2)
        // It has learned from a renewal that the lease is gone, so it does not even try.
        #expect(lost <= 1)
    }

    @Test("a pod that waits for its turn upstream goes on leading: nobody takes the call from it")
    func waitsForItsTurn() throws {
        let (got, calls, stolen) = try simulate(seed: 6) { _, clock in
            // One request in eight seconds.
            let limits = UpstreamLimits(name: "sim", requestsPerSecond: 0.125, burst: 1)
            let pods = Pods(clock, count: 2, limits: { _ in limits }) {
                SimUpstream.answer("\($0)/\($1)", after: .milliseconds(300))
            }
            return try await pods.running {
                let (first, second) = (pods.scenes[0], pods.scenes[1])
                _ = await first.ask(first.request("other"))
                async let leader = first.ask(first.request())
                try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(100)))
                async let follower = second.ask(second.request())
                let got = await [leader, follower]
                return (got, pods.calls, second.metrics.leases[.steals].current)
            }
        }
        #expect(got == [.answered("0/2", .miss), .answered("0/2", .coalesced)])
        #expect(calls == 2)
        #expect(stolen == 0)
    }

    @Test("a pod without room upstream leaves the call to one that has some")
    func refusedHere() throws {
        let got = try simulate(seed: 7) { _, clock in
            let pods = Pods(
                clock, count: 2,
                limits: { pod in
                    pod == 0
                        ? UpstreamLimits(name: "sim", requestsPerSecond: 0.01, burst: 1, queueMax: 0)
                        : UpstreamLimits(name: "sim")
                }, script: { SimUpstream.answer("\($0)/\($1)", after: .milliseconds(300)) })
            return try await pods.running {
                let (first, second) = (pods.scenes[0], pods.scenes[1])
                _ = await first.ask(first.request("other"))
                async let refused = first.ask(first.request())
                async let answered = second.ask(second.request())
                return await [refused, answered]
            }
        }
        guard case .failed(.limited("queue_max", _)) = got[0] else {
            // The other pod led: then this one has followed.
            #expect(got == [.answered("1/1", .coalesced), .answered("1/1", .miss)])
            return
        }
        #expect(got[1] == .answered("1/1", .miss))
    }

    @Test("an answer that was invalidated while it was made is for those who waited, and for nobody after")
    func invalidated() throws {
        let (got, calls) = try simulate(seed: 4) { _, clock in
            let pods = Pods(clock, count: 2) { SimUpstream.answer("\($0)/\($1)", after: .milliseconds(300)) }
            return try await pods.running {
                let key = pods.scenes[0].request().key
                async let first = pods.scenes[0].ask(pods.scenes[0].request())
                try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(100)))
                // By the other pod: the one that calls hears of it from Redis alone.
                _ = await pods.scenes[1].pipeline.invalidate(key)
                let one = await first
                try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(100)))
                let two = await pods.scenes[0].ask(pods.scenes[0].request())
                return ([one, two], pods.calls)
            }
        }
        #expect(got == [.answered("0/1", .miss), .answered("0/2", .miss)])
        #expect(calls == 2)
    }

    @Test("callers who leave one pod take nothing from those of another", arguments: seeds)
    func leaving(seed: UInt64) throws {
        let (got, calls) = try simulate(seed: seed) { executor, clock in
            let route = Route(upstreams: ["sim"], finishWhenLeft: false)
            let pods = Pods(clock, count: 2, route: route) { Self.stream($0, $1) }
            return try await pods.running {
                let leaver = Caller()
                let leavesAt = Duration.milliseconds(executor.random(60...300))
                async let first = pods.scenes[0].ask(pods.scenes[0].request(stream: true), as: leaver)
                try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(20)))
                async let second = pods.scenes[1].ask(pods.scenes[1].request(stream: executor.random(0...1) == 0))
                try? await clock.sleep(until: clock.now.advanced(by: leavesAt))
                leaver.hangUp(.deadline)
                _ = await first
                return (await second, pods.calls)
            }
        }
        guard case .answered(let text, _) = got else {
            Issue.record("\(got)")
            return
        }
        #expect(text.hasPrefix("0/1.0 ") && text.hasSuffix("[DONE]"), "\(text)")
        #expect(calls == 1)
    }
}
