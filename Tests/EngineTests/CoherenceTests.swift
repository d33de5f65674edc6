import SamovarCore
import Synchronization
import Testing

@testable import SamovarEngine

private let seeds: ClosedRange<UInt64> = 0...149

@Suite("Memories of pods in step with what they share")
struct CoherenceTests {
    private static func pods(
        _ clock: ManualClock, _ onLoss: Tracking.OnLoss = .serve
    ) -> Pods {
        Pods(clock, count: 2, settings: Pipeline.Settings(onTrackingLoss: onLoss)) { pod, number in
            SimUpstream.answer("\(pod)/\(number)", after: .milliseconds(50))
        }
    }

    private static func pass(_ milliseconds: Int, _ clock: ManualClock) async {
        try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(milliseconds)))
    }

    @Test("what one pod purges, another one's memory has forgotten within a tenth of a second")
    func purge() throws {
        let got = try simulate(seed: 1) { _, clock in
            let pods = Self.pods(clock)
            return try await pods.running {
                var got: [Scene.Got] = []
                for pod in [0, 1, 1] {
                    got.append(await pods.scenes[pod].ask(pods.scenes[pod].request()))
                    await Self.pass(10, clock)
                }
                let action = await pods.scenes[0].pipeline.invalidate(pods.scenes[0].request().key)
                await Self.pass(100, clock)
                got.append(await pods.scenes[1].ask(pods.scenes[1].request()))
                return (got, action)
            }
        }
        #expect(
            got.0 == [
                .answered("0/1", .miss), .answered("0/1", .l2Hit), .answered("0/1", .l1Hit), .answered("1/1", .miss),
            ])
        #expect(got.1 == .init(count: 1, isShared: true))
    }

    @Test("a pod's own write costs it one small look, and not its entry; another's takes its place")
    func writes() throws {
        let (got, kept, removed) = try simulate(seed: 2) { _, clock in
            let pods = Self.pods(clock)
            let scene = pods.scenes[0]
            return try await pods.running {
                var got = [await scene.ask(scene.request())]
                await Self.pass(200, clock)
                got.append(await scene.ask(scene.request()))
                let kept = scene.metrics.rechecks[.kept].current
                _ = await pods.scenes[1].ask(pods.scenes[1].request { $0.noCache = true })
                await Self.pass(200, clock)
                got.append(await scene.ask(scene.request()))
                return (got, kept, scene.metrics.rechecks[.removed].current)
            }
        }
        #expect(got == [.answered("0/1", .miss), .answered("0/1", .l1Hit), .answered("1/1", .l2Hit)])
        #expect(kept == 1 && removed == 1)
    }

    @Test("a store that does not answer leaves nothing in memory of which a change was heard")
    func unanswered() throws {
        let (got, unanswered) = try simulate(seed: 3) { _, clock in
            let pods = Self.pods(clock)
            let scene = pods.scenes[0]
            return try await pods.running {
                _ = await scene.ask(scene.request())
                await Self.pass(200, clock)
                pods.fleet.setDown(true)
                pods.fleet.tell(.changed([pods.stores[0].name(of: scene.request().key)]))
                await Self.pass(200, clock)
                return (await scene.ask(scene.request()), scene.metrics.rechecks[.unanswered].current)
            }
        }
        #expect(got == .answered("0/2", .miss))
        #expect(unanswered == 1)
    }

    @Test(
        "a pod that hears nothing serves what it has, or only what came since; once it hears, it looks before it serves",
        arguments: Tracking.OnLoss.allCases, [true, false])
    func loss(onLoss: Tracking.OnLoss, isNoticed: Bool) throws {
        let got = try simulate(seed: 4) { _, clock in
            let pods = Self.pods(clock, onLoss)
            let scene = pods.scenes[1]
            return try await pods.running {
                _ = await scene.ask(scene.request("kept"))
                _ = await scene.ask(scene.request("purged"))
                await Self.pass(100, clock)
                pods.stores[1].deafen()
                await Self.pass(10, clock)
                _ = await pods.scenes[0].pipeline.invalidate(scene.request("purged").key)
                var got: [Scene.Got] = []
                if isNoticed {
                    pods.stores[1].noticesLoss()
                    got.append(await scene.ask(scene.request("kept")))
                    await Self.pass(10, clock)
                }
                pods.stores[1].reconnect()
                await Self.pass(10, clock)
                got.append(await scene.ask(scene.request("kept")))
                got.append(await scene.ask(scene.request("kept")))
                got.append(await scene.ask(scene.request("purged")))
                return got
            }
        }
        let lost: [Scene.Got] = isNoticed ? [.answered("1/1", onLoss == .serve ? .l1Hit : .l2Hit)] : []
        let after: [Scene.Got] = [.answered("1/1", .l2Hit), .answered("1/1", .l1Hit), .answered("1/3", .miss)]
        #expect(got == lost + after)
    }

    @Test("a pod that hears nothing asks for generations, and one that Redis has forgotten is told to it again")
    func polls() throws {
        let (got, restored) = try simulate(seed: 5) { _, clock in
            let pods = Self.pods(clock)
            let scene = pods.scenes[1]
            return try await pods.running {
                _ = await scene.ask(scene.request())
                pods.stores[1].deafen()
                pods.stores[1].noticesLoss()
                _ = await pods.scenes[0].pipeline.invalidate(.model("m"))
                await Self.pass(3_100, clock)
                let got = await scene.ask(scene.request())
                pods.fleet.state.withLock { $0.generations = [:] }
                await Self.pass(3_100, clock)
                return (got, pods.fleet.state.withLock { $0.generations[.model("m")] != nil })
            }
        }
        #expect(got == .answered("1/2", .miss))
        #expect(restored)
    }

    @Test("an invalidation that Redis did not hear of holds here at once, and elsewhere when Redis is back")
    func later() throws {
        let (got, action) = try simulate(seed: 6) { _, clock in
            let pods = Self.pods(clock)
            return try await pods.running {
                for scene in pods.scenes { _ = await scene.ask(scene.request()) }
                pods.fleet.setDown(true)
                pods.stores[0].deafen()
                pods.stores[0].noticesLoss()
                let action = await pods.scenes[0].pipeline.invalidate(.tenant(pods.scenes[0].request().tenant))
                pods.fleet.setDown(false)
                pods.stores[0].reconnect()
                await Self.pass(10, clock)
                // Its own restoring is a change that the other one hears of.
                pods.fleet.tell(.generation(.tenant(pods.scenes[0].request().tenant)))
                await Self.pass(100, clock)
                var got: [Scene.Got] = []
                for scene in pods.scenes { got.append(await scene.ask(scene.request())) }
                return (got, action)
            }
        }
        #expect(action == .init(count: 1, isShared: false))
        #expect(got == [.answered("0/2", .miss), .answered("0/2", .l2Hit)])
    }

    /// What was asked and what was invalidated, with when.
    private final class Diary: Sendable {
        typealias Answered = (askedAt: Instant, callAt: Instant)
        private let lines = Mutex((answers: [Answered](), invalidations: [Instant]()))

        var answers: [Answered] { lines.withLock { $0.answers } }
        var invalidations: [Instant] { lines.withLock { $0.invalidations } }

        func answered(_ askedAt: Instant, _ callAt: Instant) { lines.withLock { $0.answers.append((askedAt, callAt)) } }
        func invalidated(at instant: Instant) { lines.withLock { $0.invalidations.append(instant) } }
    }

    /// How long a message and what follows from it may take.
    private static let learnedWithin = Duration.milliseconds(60)

    @Test(
        "no answer whose call began before an invalidation is served to who asks after the pods have learned of it",
        arguments: seeds)
    func noStaleSet(seed: UInt64) throws {
        let diary = try simulate(seed: seed) { executor, clock in
            let pods = Pods(clock, count: 2) { _, _ in
                SimUpstream.answer("\(clock.now.nanoseconds)", after: .milliseconds(executor.random(1...200)))
            }
            let diary = Diary()
            try await pods.running {
                await withTaskGroup(of: Void.self) { group in
                    for number in 0..<40 {
                        let wait = executor.random(0...2_000)
                        let scene = pods.scenes[number % 2]
                        group.addTask {
                            await Self.pass(wait, clock)
                            let askedAt = clock.now
                            let request = scene.request { $0.namespace = "n" }
                            guard case .answered(let text, _) = await scene.ask(request), let call = Int64(text) else {
                                return
                            }
                            diary.answered(askedAt, Instant(nanoseconds: call))
                        }
                    }
                    for _ in 0..<4 {
                        let (wait, which) = (executor.random(0...2_000), executor.random(0...3))
                        let scene = pods.scenes[executor.random(0...1)]
                        group.addTask {
                            await Self.pass(wait, clock)
                            let request = scene.request { $0.namespace = "n" }
                            _ =
                                which < 3
                                ? await scene.pipeline.invalidate(request.scopes[which])
                                : await scene.pipeline.invalidate(request.key)
                            diary.invalidated(at: clock.now)
                        }
                    }
                }
            }
            return diary
        }
        #expect(diary.answers.count == 40)
        for answer in diary.answers {
            for invalidatedAt in diary.invalidations
            where invalidatedAt.advanced(by: Self.learnedWithin) < answer.askedAt {
                #expect(answer.callAt >= invalidatedAt)
            }
        }
    }
}
