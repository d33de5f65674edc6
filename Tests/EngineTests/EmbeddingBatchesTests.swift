import SamovarCore
import Testing

@testable import SamovarEngine

/// A scene's outcome beside what its provider was asked.
private func play<Outcome: Sendable>(
    seed: UInt64 = 1, callsMax: Int = 1, batch: EmbeddingBatch.Limits? = .init(window: .seconds(1)),
    limits: UpstreamLimits = UpstreamLimits(name: "sim"),
    _ manner: SimEmbedder.Manner = .init(), settings: Pipeline.Settings = Scene.settings,
    change: @escaping @Sendable (inout Route) -> Void = { _ in },
    _ body: @escaping @Sendable (EmbeddingScene, SimExecutor) async throws -> Outcome
) throws -> (outcome: Outcome, scene: EmbeddingScene) {
    try simulate(seed: seed) { executor, clock in
        let scene = EmbeddingScene(
            clock, callsMax: callsMax, batch: batch, manner, settings: settings, limits: limits, change: change)
        return (try await scene.running { try await body(scene, executor) }, scene)
    }
}

private func isAnswered(_ got: Scene.Got, _ text: String) -> Bool {
    if case .answered(let body, _) = got { SimEmbedder.isAnswer(body, to: text) } else { false }
}

private func inputs(_ scene: EmbeddingScene) -> [[String]] { scene.embedder.calls.map { $0.inputs.sorted() } }

@Suite("Embeddings asked for together")
struct EmbeddingBatchesTests {
    @Test("each goes alone, in its own words, while the upstream has room")
    func room() throws {
        let (got, scene) = try play(callsMax: 3) { scene, _ in await scene.ask(["a", "b", "c"]) }
        #expect(inputs(scene).sorted { $0[0] < $1[0] } == [["a"], ["b"], ["c"]])
        #expect(scene.embedder.calls.allSatisfy { !$0.isArray })
        #expect(got == ["a", "b", "c"].map { .answered(SimEmbedder.answer(to: $0), .miss) })
        #expect(scene.metrics.embeddingBatchInputs.snapshot.count == 0)
    }

    @Test("a route that does not say so asks for each by itself")
    func off() throws {
        let (_, scene) = try play(batch: nil) { scene, _ in await scene.ask(["a", "b"], behind: "first").others }
        #expect(scene.embedder.calls.count == 3)
    }

    @Test("without room they gather, and are one call as soon as there is room")
    func gathers() throws {
        let texts = ["b", "cc", "ddd"]
        let (got, scene) = try play { scene, _ in await scene.ask(texts, behind: "a") }
        #expect(inputs(scene) == [["a"], texts])
        #expect(scene.embedder.concurrentMax == 1)
        for (one, text) in zip(got.others, texts) { #expect(isAnswered(one, text)) }
        #expect(got.first == .answered(SimEmbedder.answer(to: "a"), .miss))
    }

    @Test(
        "when the window of the first has passed they wait for their turn as one call, and who comes later for another")
    func window() throws {
        let (started, scene) = try play(batch: .init(window: .milliseconds(20))) { scene, _ in
            let began = scene.clock.now
            async let first = scene.ask("a")
            async let late = scene.ask("c", after: .milliseconds(15))
            async let tooLate = scene.ask("d", after: .milliseconds(30))
            let got = await scene.ask("b", after: .milliseconds(1))
            let took = began.duration(to: scene.clock.now)
            let others = [isAnswered(await late, "c"), isAnswered(await first, "a"), isAnswered(await tooLate, "d")]
            return (took, isAnswered(got, "b"), others)
        }
        // The call before theirs, and theirs.
        #expect(started.0 == .milliseconds(200))
        #expect(started.1 && started.2.allSatisfy { $0 })
        #expect(inputs(scene) == [["a"], ["b", "c"], ["d"]])
        #expect(scene.embedder.concurrentMax == 1)
    }

    @Test("when a batch is full it waits for its turn as one call, and the next one begins")
    func full() throws {
        let texts = ["b", "c", "d", "e"]
        let (got, scene) = try play(batch: .init(sizeMax: 2, window: .seconds(1))) { scene, _ in
            await scene.ask(texts, behind: "a").others
        }
        #expect(scene.embedder.calls.map(\.inputs.count) == [1, 2, 2])
        #expect(scene.embedder.concurrentMax == 1)
        for (one, text) in zip(got, texts) { #expect(isAnswered(one, text)) }
    }

    @Test("one who gathers and finds nobody goes alone, in his own words")
    func lonely() throws {
        let (got, scene) = try play { scene, _ in await scene.ask(["b"], behind: "a").others }
        #expect(got == [.answered(SimEmbedder.answer(to: "b"), .miss)])
        #expect(scene.embedder.calls.map(\.isArray) == [false, false])
        #expect(scene.metrics.embeddingBatches.all.allSatisfy { $0.value == 0 })
    }

    @Test("an array of one is asked for with the others, an array of several never")
    func arrays() throws {
        let (got, scene) = try play { scene, _ in
            async let first = scene.ask("a")
            async let one = scene.ask("b", input: #"["b"]"#, after: .milliseconds(1))
            async let two = scene.ask("c", after: .milliseconds(1))
            let several = await scene.ask("", input: #"["d","e"]"#, after: .milliseconds(1))
            guard case .answered = several else { return false }
            let got = [await first, await one, await two]
            return isAnswered(got[0], "a") && isAnswered(got[1], "b") && isAnswered(got[2], "c")
        }
        #expect(got)
        #expect(Set(inputs(scene)) == [["a"], ["b", "c"], ["d", "e"]])
    }

    @Test("tenants, credentials, headers and models are never mixed")
    func strangers() throws {
        let (_, scene) = try play { scene, _ in
            async let first = scene.ask("a")
            await withTaskGroup(of: Void.self) { callers in
                for round in 0..<2 {
                    for (name, model, project) in [("x", "m", nil), ("y", "m", nil), ("x", "n", nil), ("x", "m", "p")] {
                        callers.addTask {
                            _ = await scene.ask(
                                "\(name)\(model)\(project ?? "")\(round)", model: model, authorization: name,
                                project: project, after: .milliseconds(1))
                        }
                    }
                }
            }
            return await first
        }
        let together = scene.embedder.calls.filter { $0.inputs.count > 1 }
        #expect(together.count == 4)
        for call in together { #expect(Set(call.inputs.map { $0.dropLast() }).count == 1) }
    }

    @Test("each is cached and coalesced by itself; what a batch used is shared out, and counted as estimated")
    func byItself() throws {
        let (got, scene) = try play { scene, _ in
            async let first = scene.ask("a")
            // Two ask for the same.
            let others = await scene.ask(["b", "cccccc", "b"], after: .milliseconds(1))
            _ = await first
            return (others, await scene.ask("b"), await scene.ask("cccccc"), await scene.ask("a"))
        }
        #expect(inputs(scene) == [["a"], ["b", "cccccc"]])
        let results = got.0.map { one -> ServeResult in
            if case .answered(_, let result) = one { result } else { .error }
        }
        #expect(results.filter { $0 == .coalesced }.count == 1 && results.filter { $0 == .miss }.count == 2)
        #expect(got.0[0] == .answered(text(of: got.1), results[0]))
        for (again, text) in [(got.1, "b"), (got.2, "cccccc"), (got.3, "a")] {
            #expect(isAnswered(again, text))
            guard case .answered(_, .l1Hit) = again else {
                Issue.record("\(again)")
                continue
            }
        }
        // Seven tokens together.
        #expect([got.1, got.2].map { SimEmbedder.tokenCount(in: text(of: $0)) }.reduce(0, +) == 7)
        let shareOfB = SimEmbedder.tokenCount(in: text(of: got.1))
        // Of hits: b and c's shares as estimated, and b's once more for the follower; a's own as it was told.
        #expect(scene.metrics.savedEstimatedTokens.current == 7 + shareOfB)
        #expect(scene.metrics.savedPromptTokens.current == 1)
    }

    private func text(of got: Scene.Got) -> String { if case .answered(let body, _) = got { body } else { "" } }

    @Test("a batch is one attempt, and is counted with its inputs")
    func counted() throws {
        let (_, scene) = try play { scene, _ in await scene.ask(["b", "c", "d"], behind: "a").others }
        #expect(scene.metrics.attemptCounts.map { $0.outcomes[.success].current } == [2])
        #expect(scene.metrics.embeddingBatches[.answered].current == 1)
        let inputs = scene.metrics.embeddingBatchInputs.snapshot
        #expect(inputs.count == 1 && inputs.sum == 3)
        #expect(inputs.buckets.first == 0 && inputs.buckets.last == 1)
    }

    // MARK: Failures

    @Test("one that is refused by its place is refused alone; the others are asked for again without it")
    func refusedOne() throws {
        let (got, scene) = try play(.init(refused: ["bad"])) { scene, _ in
            let got = await scene.ask(["b", "bad", "c"], behind: "a").others
            return (got, scene.pipeline.l1.fill.count)
        }
        #expect(isAnswered(got.0[0], "b") && isAnswered(got.0[2], "c"))
        let own = Array(#"{"error":{"param":"input"}}"#.utf8)
        #expect(
            got.0[1] == .failed(.refused(.init(status: 400, contentType: nil, body: own, retryAfter: nil))))
        #expect(inputs(scene) == [["a"], ["b", "bad", "c"], ["b", "c"]])
        #expect(got.1 == 3)
        #expect(scene.metrics.embeddingBatches[.refusedInput].current == 1)
        #expect(scene.metrics.embeddingBatches[.answered].current == 1)
    }

    @Test("where only one is left it asks for itself")
    func refusedOneOfTwo() throws {
        let (got, scene) = try play(.init(refused: ["bad"])) { scene, _ in
            await scene.ask(["bad", "b"], behind: "a").others
        }
        #expect(got[1] == .answered(SimEmbedder.answer(to: "b"), .miss))
        #expect(inputs(scene) == [["a"], ["b", "bad"], ["b"]])
        #expect(scene.embedder.calls.last?.isArray == false)
    }

    @Test("when a second one is refused the others are told to come again, and are not asked for a third time")
    func refusedTwo() throws {
        let (got, scene) = try play(.init(refused: ["bad", "worse"])) { scene, _ in
            await scene.ask(["b", "bad", "worse", "c"], behind: "a").others
        }
        #expect(scene.embedder.calls.map(\.inputs.count) == [1, 4, 3])
        #expect(got[0] == .failed(.limited(limit: "batch", retryAfter: .seconds(1))))
        #expect(got[3] == got[0])
        for one in got[1...2] {
            guard case .failed(.refused(let refusal)) = one, refusal.status == 400 else {
                Issue.record("\(one)")
                continue
            }
        }
    }

    @Test(
        "a call that fails as a whole fails for each, with its own failure, and nothing is kept",
        arguments: [
            Failure.refused(.init(status: 429, contentType: nil, body: [], retryAfter: .seconds(3))),
            .refused(.init(status: 400, contentType: nil, body: [], retryAfter: nil)), .cut, .unreachable(reason: "r"),
            .erred(body: []),
        ])
    func failsAsAWhole(failure: Failure) throws {
        let (got, scene) = try play(.init(failure: failure)) { scene, _ in
            (await scene.ask(["b", "c"], behind: "a").others, scene.pipeline.l1.fill.count)
        }
        #expect(got.0 == [.failed(failure), .failed(failure)])
        #expect(got.1 == 0)
        #expect(scene.embedder.calls.count == 2)
        #expect(scene.metrics.embeddingBatches[.failed].current == 1)
    }

    @Test("vectors that are not in the order of the inputs are nobody's answer, and nothing is kept")
    func swapped() throws {
        let (got, scene) = try play(.init(isSwapped: true)) { scene, _ in
            (await scene.ask(["b", "c"], behind: "a"), scene.pipeline.l1.fill.count)
        }
        for one in got.0.others {
            guard case .failed(.malformed) = one else {
                Issue.record("\(one)")
                continue
            }
        }
        #expect(isAnswered(got.0.first, "a"))
        #expect(got.1 == 1)
        #expect(scene.metrics.attemptCounts.map { $0.outcomes[.malformed].current } == [1])
    }

    @Test("a call that is cut is made once more, for all of them")
    func again() throws {
        let (got, scene) = try play(.init(cutCount: 1), settings: .init()) { scene, _ in
            await scene.ask(["b", "c"], behind: "a").others
        }
        #expect(isAnswered(got[0], "b") && isAnswered(got[1], "c"))
        #expect(inputs(scene) == [["a"], ["b", "c"], ["b", "c"]])
        #expect(scene.metrics.embeddingBatches[.answered].current == 1)
    }

    @Test("where there is no turn for the call before anybody's patience ends each is told so, at once")
    func refused() throws {
        let (got, scene) = try play(
            batch: .init(sizeMax: 2, window: .seconds(1)), limits: UpstreamLimits(name: "sim", queueMax: 0)
        ) { scene, _ in
            await scene.ask(["b", "c"], behind: "a").others
        }
        for one in got {
            guard case .failed(.limited("queue_max", _)) = one else {
                Issue.record("\(one)")
                continue
            }
        }
        #expect(inputs(scene) == [["a"]])
    }

    @Test("a call that takes too long is too long for each")
    func deadline() throws {
        let (got, scene) = try play(.init(wait: .seconds(9))) {
            $0.timeouts.firstToken = .seconds(2)
        } _: { scene, _ in
            await scene.ask(["b", "c"], behind: "a").others
        }
        #expect(got == [.failed(.timedOut(.firstToken)), .failed(.timedOut(.firstToken))])
        #expect(scene.embedder.cancelledCount == 2)
    }

    // MARK: Leaving

    /// Asks for b and c behind a; c's caller leaves then.
    private func leaving(
        after wait: Duration, bobToo: Bool = false, finishWhenLeft: Bool = false
    ) throws -> (got: [Scene.Got], entries: Int, scene: EmbeddingScene) {
        let (outcome, scene) = try play {
            $0.finishWhenLeft = finishWhenLeft
        } _: { scene, _ in
            async let first = scene.ask("a")
            let (bob, carol) = (Caller(), Caller())
            async let bobs = scene.ask("b", after: .milliseconds(1), as: bob)
            async let carols = scene.ask("c", after: .milliseconds(1), as: carol)
            try await scene.clock.sleep(until: scene.clock.now.advanced(by: wait))
            carol.hangUp(.deadline)
            if bobToo { bob.hangUp(.deadline) }
            let got = [await first, await bobs, await carols]
            // Time for flights to notice.
            try await scene.clock.sleep(until: scene.clock.now.advanced(by: .seconds(2)))
            return (got, scene.pipeline.l1.fill.count)
        }
        return (outcome.0, outcome.1, scene)
    }

    @Test("who leaves before the call is not asked for")
    func leavesBefore() throws {
        let (got, entries, scene) = try leaving(after: .milliseconds(50))
        #expect(isAnswered(got[1], "b"))
        #expect(got[2] == .failed(.deadline))
        #expect(inputs(scene) == [["a"], ["b"]])
        #expect(entries == 2)
    }

    @Test("who leaves during the call takes nothing from the others, and its answer is not kept")
    func leavesDuring() throws {
        let (got, entries, scene) = try leaving(after: .milliseconds(150))
        #expect(isAnswered(got[1], "b"))
        #expect(got[2] == .failed(.deadline))
        #expect(inputs(scene) == [["a"], ["b", "c"]])
        #expect(entries == 2)
        #expect(scene.embedder.cancelledCount == 0)
    }

    @Test("on a route that lets calls finish the answer of who has left is kept")
    func finishes() throws {
        let (_, entries, scene) = try leaving(after: .milliseconds(150), bobToo: true, finishWhenLeft: true)
        #expect(entries == 3)
        #expect(scene.embedder.cancelledCount == 0)
    }

    @Test("when all have left during the call it is given up")
    func allLeave() throws {
        let (got, entries, scene) = try leaving(after: .milliseconds(150), bobToo: true)
        #expect(got[1...2].allSatisfy { $0 == .failed(.deadline) })
        #expect(scene.embedder.cancelledCount == 1)
        #expect(entries == 1)
        #expect(scene.metrics.embeddingBatches[.abandoned].current == 1)
    }

    @Test("when all have left before the call there is none")
    func allLeaveBefore() throws {
        let (_, entries, scene) = try leaving(after: .milliseconds(50), bobToo: true)
        #expect(inputs(scene) == [["a"]])
        #expect(entries == 1)
    }

    @Test("whoever waits is told when the process gives up")
    func shutdown() throws {
        let got = try simulate(seed: 3) { _, clock in
            let scene = EmbeddingScene(clock)
            return await withTaskGroup(of: Scene.Got?.self) { group in
                group.addTask {
                    await withTaskGroup(of: Void.self) { inner in
                        inner.addTask { await scene.pipeline.run() }
                        try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(20)))
                        inner.cancelAll()
                    }
                    return nil
                }
                for text in ["a", "b", "c"] { group.addTask { await scene.ask(text, after: .milliseconds(1)) } }
                return await group.compactMap { $0 }.reduce(into: []) { $0.append($1) }
            }
        }
        #expect(got.count == 3)
        for one in got {
            guard case .failed = one else {
                Issue.record("\(one)")
                continue
            }
        }
    }

    // MARK: With other pods

    @Test("a pod whose batch waits for its turn goes on leading: nobody takes its calls from it")
    func leads() throws {
        let (got, calls, steals) = try simulate(seed: 6) { _, clock in
            let fleet = SimFleet(clock: clock)
            // One request in eight seconds here, and as many as one likes there.
            let slow = UpstreamLimits(name: "sim", requestsPerSecond: 0.125, burst: 1)
            let first = EmbeddingScene(clock, limits: slow, fleet: fleet.pod(0))
            let second = EmbeddingScene(clock, fleet: fleet.pod(1))
            return try await first.running {
                try await second.running {
                    _ = await first.ask("a")
                    async let leaders = first.ask(["b", "c"])
                    async let follower = second.ask("b", after: .milliseconds(100))
                    let got = await leaders + [await follower]
                    let calls = [inputs(first), inputs(second)]
                    return (got, calls, second.metrics.leases[.steals].current)
                }
            }
        }
        #expect(isAnswered(got[0], "b") && isAnswered(got[1], "c"))
        #expect(got[2] == .answered(text(of: got[0]), .coalesced))
        #expect(calls == [[["a"], ["b", "c"]], []])
        #expect(steals == 0)
    }

    /// Asks for each of these behind somebody else's call, with a watcher that lets it go or does not.
    private func watched(_ wishes: [(text: String, goes: Bool)]) throws -> (
        flown: [Dispatch.Flown?], told: [Int], scene: EmbeddingScene
    ) {
        let told = Lock([Int](repeating: 0, count: wishes.count))
        let batch = EmbeddingBatch.Limits(sizeMax: wishes.count, window: .seconds(1))
        let (flown, scene) = try play(batch: batch) { scene, _ in
            async let first = scene.ask("a")
            try await scene.clock.sleep(until: scene.clock.now.advanced(by: .milliseconds(1)))
            let flown = await withTaskGroup(of: (Int, Dispatch.Flown?).self) { callers in
                for (index, wish) in wishes.enumerated() {
                    guard let request = scene.request(wish.text) else { continue }
                    let flight = SharedFlight(request, limits: FlightLimits().limits, clock: scene.clock)
                    let watcher = Dispatch.Watcher(
                        waits: { _ in told.withLock { $0[index] += 1 } }, goes: { wish.goes })
                    callers.addTask { (index, await scene.pipeline.embeddings?.attempt(flight, watcher)) }
                }
                return await callers.reduce(into: [Dispatch.Flown?](repeating: nil, count: wishes.count)) {
                    $0[$1.0] = $1.1
                }
            }
            _ = await first
            return flown
        }
        return (flown, told.withLock { $0 }, scene)
    }

    @Test("each is told that it waits; one that is not to go after all is held back, and the others go")
    func heldBack() throws {
        let (flown, told, scene) = try watched([("b", true), ("c", false), ("d", true)])
        for index in [0, 2] {
            guard case .outcome(.whole)? = flown[index] else {
                Issue.record("\(index)")
                continue
            }
        }
        guard case .heldBack? = flown[1] else {
            Issue.record("it was not held back")
            return
        }
        // When it gathers, and when the batch that is full has to wait for its turn.
        #expect(told == [2, 2, 2])
        #expect(scene.embedder.calls.count == 2)
    }

    @Test("where none is to go there is no call, and the upstream's place is free again")
    func allHeldBack() throws {
        let (flown, _, scene) = try watched([("b", false), ("c", false)])
        for one in flown {
            guard case .heldBack? = one else {
                Issue.record("it was not held back")
                continue
            }
        }
        #expect(inputs(scene) == [["a"]])
        #expect(scene.pipeline.upstreamStatus.map(\.permitCount) == [0])
    }

    // MARK: Over seeds

    @Test(
        "over seeds everybody who stays has the own vector, and no text is paid for twice",
        arguments: 0...99 as ClosedRange<UInt64>)
    func crowd(seed: UInt64) throws {
        let limits = EmbeddingBatch.Limits(sizeMax: 5, window: .milliseconds(30))
        let (outcome, scene) = try play(seed: seed, callsMax: 2, batch: limits, .init(wait: .milliseconds(20))) {
            scene, executor in
            try await withThrowingTaskGroup(of: (String, Scene.Got, Bool).self) { callers in
                for number in 0..<40 {
                    let (text, name) = ("t\(executor.random(0...14))", "k\(executor.random(0...1))")
                    let wait = Duration.milliseconds(executor.random(0...120))
                    let leaves = number % 5 == 0 ? Duration.milliseconds(executor.random(0...200)) : nil
                    callers.addTask {
                        let caller = Caller()
                        async let got = scene.ask(
                            "\(name)\(text)", authorization: name, after: wait, as: caller)
                        if let leaves {
                            try await scene.clock.sleep(until: scene.clock.now.advanced(by: leaves))
                            caller.hangUp(.deadline)
                        }
                        return ("\(name)\(text)", await got, leaves != nil)
                    }
                }
                return try await callers.reduce(into: []) { $0.append($1) }
            }
        }
        for (text, got, leaves) in outcome {
            guard !isAnswered(got, text) else { continue }
            #expect(leaves && got == .failed(.deadline), "\(text): \(got)")
        }
        for call in scene.embedder.calls {
            #expect(Set(call.inputs).count == call.inputs.count)
            #expect(Set(call.inputs.map { $0.prefix(2) }).count == 1)
            #expect(call.inputs.count <= limits.sizeMax)
        }
        // A flight that all have left is flown anew by who comes next; nobody else asks twice.
        let asked = scene.embedder.calls.flatMap(\.inputs)
        #expect(asked.count <= Set(asked).count + 8)
        #expect(scene.pipeline.flightCount == 0)
    }
}
