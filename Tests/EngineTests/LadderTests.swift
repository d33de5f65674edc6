import SamovarCore
import Testing

@testable import SamovarEngine

private let busy = Failure.refused(.init(status: 503, contentType: nil, body: [], retryAfter: .seconds(3)))

@Suite("The pipeline's ladder")
struct PipelineLadderTests {
    private func route(
        ttl: Duration = .seconds(100), staleTTL: Duration = .seconds(1_000), _ ladder: LadderSteps = LadderSteps(),
        timeouts: AnswerDeadlines.Timeouts = AnswerDeadlines.Timeouts(), split: Split? = nil
    ) -> Route {
        Route(upstreams: ["sim"], ttl: ttl, staleTTL: staleTTL, timeouts: timeouts, ladder: ladder, split: split)
    }

    // MARK: Stale

    @Test(
        "serves what it has when the limits before an upstream are reached, as when the upstream says so itself",
        arguments: [
            (Failure.limited(limit: "queue_max", retryAfter: .seconds(1)), true),
            (.limited(limit: "queue_timeout", retryAfter: .seconds(1)), true),
            (.limited(limit: "breaker", retryAfter: .seconds(1)), true), (busy, true),
            (.limited(limit: "takeovers_max", retryAfter: .seconds(1)), false),
            (.refused(.init(status: 404, contentType: nil, body: [], retryAfter: nil)), false),
        ])
    func staleIfBusy(failure: Failure, isStale: Bool) throws {
        let (got, count) = try simulate(seed: 1) { [self] _, clock in
            let scene = Scene(clock, route: route()) { number, _ in
                number == 1 ? SimUpstream.answer("x") : [.fail(failure)]
            }
            return try await scene.running {
                _ = await scene.ask(scene.request())
                try await scene.sleep(.seconds(200))
                return (await scene.ask(scene.request()), scene.metrics.ladderCounts.first?.steps[.staleIfBusy].current)
            }
        }
        #expect(got == (isStale ? .answered("x", .stale) : .failed(failure)))
        #expect(count == (isStale ? 1 : nil))
    }

    @Test("serves what L2 has when L1 has nothing, though the lease was not to be had", arguments: [false, true])
    func staleOfL2(isScriptRefused: Bool) throws {
        let got = try simulate(seed: 2) { [self] _, clock in
            let fleet = SimFleet(clock: clock)
            let store = fleet.pod(1)
            let scene = Scene(clock, route: route(), fleet: store) { _, _ in [.wait(.milliseconds(5)), .fail(busy)] }
            let answer = Answer(
                recording: Recording(form: .body, usageAsked: false, chunks: [Chunk(bytes: Array("old".utf8))]),
                model: "m", createdAt: clock.wallNow, generationTime: .seconds(1), usage: nil, ttl: .seconds(100),
                staleTTL: .seconds(1_000))
            await store.set(scene.request().key, answer)
            store.refuseLeases(isScriptRefused)
            return try await scene.running {
                try await scene.sleep(.seconds(200))
                return await scene.ask(scene.request())
            }
        }
        #expect(got == .answered("old", .stale))
    }

    // MARK: Refreshing

    @Test("serves an expired answer at once within stale_while_revalidate, and makes one call for all of its callers")
    func staleWhileRevalidate() throws {
        let (first, later, steps, calls) = try simulate(seed: 3) { [self] _, clock in
            let scene = Scene(clock, route: route(LadderSteps(staleWhileRevalidate: .seconds(50)))) { number, _ in
                SimUpstream.answer("x\(number)", after: .seconds(2))
            }
            return try await scene.running {
                _ = await scene.ask(scene.request())
                try await scene.sleep(.seconds(120))
                let before = clock.now
                var got: [Scene.Got] = []
                for _ in 0..<5 { got.append(await scene.ask(scene.request())) }
                let isAtOnce = before == clock.now
                let step = await scene.step(scene.request())
                try await scene.sleep(.seconds(3))
                let later = await scene.ask(scene.request())
                return (isAtOnce ? got : [], later, step, scene.upstream.attempts.count)
            }
        }
        #expect(first == Array(repeating: .answered("x1", .stale), count: 5))
        #expect(steps == .staleWhileRevalidate)
        #expect(later == .answered("x2", .l1Hit))
        #expect(calls == 2)
    }

    @Test("does not serve it after that, nor to a caller who says how old an answer may be")
    func tooStale() throws {
        let got = try simulate(seed: 4) { [self] _, clock in
            let scene = Scene(clock, route: route(LadderSteps(staleWhileRevalidate: .seconds(50)))) { number, _ in
                SimUpstream.answer("x\(number)")
            }
            return try await scene.running {
                _ = await scene.ask(scene.request())
                try await scene.sleep(.seconds(120))
                let strict = await scene.ask(scene.request { $0.maxAge = .seconds(110) })
                try await scene.sleep(.seconds(160))
                return [strict, await scene.ask(scene.request())]
            }
        }
        #expect(got == [.answered("x2", .miss), .answered("x3", .miss)])
    }

    @Test("calls nobody for a caller that wants only what is there")
    func onlyIfCached() throws {
        let (got, calls) = try simulate(seed: 16) { [self] _, clock in
            let scene = Scene(clock, route: route(LadderSteps(staleWhileRevalidate: .seconds(50)))) { number, _ in
                SimUpstream.answer("x\(number)")
            }
            return try await scene.running {
                _ = await scene.ask(scene.request())
                try await scene.sleep(.seconds(120))
                let got = await scene.ask(scene.request { $0.onlyIfCached = true })
                try await scene.sleep(.seconds(1))
                return (got, scene.upstream.attempts.count)
            }
        }
        #expect(got == .answered("x1", .stale))
        #expect(calls == 1)
    }

    @Test("changes nothing for callers when a refresh fails, and tries again only after a while")
    func failedRefresh() throws {
        let (got, calls) = try simulate(seed: 5) { [self] _, clock in
            let scene = Scene(clock, route: route(LadderSteps(staleWhileRevalidate: .seconds(50)))) { number, _ in
                number == 1 ? SimUpstream.answer("x") : [.wait(.milliseconds(1)), .fail(busy)]
            }
            return try await scene.running {
                _ = await scene.ask(scene.request())
                try await scene.sleep(.seconds(110))
                var got: Set<String> = []
                // Ten a second, for twelve seconds.
                for _ in 0..<120 {
                    got.insert("\(await scene.ask(scene.request()))")
                    try await scene.sleep(.milliseconds(100))
                }
                return (got, scene.upstream.attempts.count)
            }
        }
        #expect(got == ["\(Scene.Got.answered("x", .stale))"])
        #expect((3...14).contains(calls))
    }

    @Test("makes an answer anew before it expires, where the dice say so; hits go on meanwhile")
    func early() throws {
        let (quiet, steps, got, calls) = try simulate(seed: 6) { [self] _, clock in
            // The answer takes 2 s, so its last 16 s are its end; with this draw the last 10 s are.
            let scene = Scene(clock, route: route(), draw: { 5 }) { number, _ in
                SimUpstream.answer("x\(number)", after: .seconds(2))
            }
            return try await scene.running {
                _ = await scene.ask(scene.request())
                try await scene.sleep(.seconds(83))
                let quiet = await scene.step(scene.request())
                try await scene.sleep(.seconds(6))
                let unlucky = await scene.step(scene.request())
                try await scene.sleep(.seconds(3))
                let lucky = await scene.step(scene.request())
                let beside = await scene.step(scene.request())
                let meanwhile = await scene.ask(scene.request())
                try await scene.sleep(.seconds(3))
                let after = await scene.ask(scene.request())
                return (quiet, [unlucky, lucky, beside], [meanwhile, after], scene.upstream.attempts.count)
            }
        }
        #expect(quiet == nil)
        #expect(steps == [nil, .earlyRefresh, nil])
        #expect(got == [.answered("x1", .l1Hit), .answered("x2", .l1Hit)])
        #expect(calls == 2)
    }

    @Test("of a request without its body is asked for the body where a refresh is due, and for nothing else")
    func bodyless() throws {
        let found = try simulate(seed: 7) { [self] _, clock in
            let scene = Scene(clock, route: route(LadderSteps(staleWhileRevalidate: .seconds(50)))) { number, _ in
                SimUpstream.answer("x\(number)", after: .seconds(2))
            }
            return try await scene.running {
                let whole = scene.request()
                let bodyless = scene.requestWithoutBody()
                _ = await scene.ask(whole)
                let fresh = scene.pipeline.find(bodyless, at: clock.now) != nil
                try await scene.sleep(.seconds(120))
                let due = scene.pipeline.find(bodyless, at: clock.now) != nil
                _ = await scene.ask(whole)
                let underWay = scene.pipeline.find(bodyless, at: clock.now)?.1.step
                try await scene.sleep(.seconds(3))
                return (fresh, due, underWay)
            }
        }
        #expect(found.0)
        #expect(!found.1)
        #expect(found.2 == .staleWhileRevalidate)
    }

    @Test(
        "makes one call for all pods when an answer is near its end in each", arguments: 0...19 as ClosedRange<UInt64>)
    func earlyAcrossPods(seed: UInt64) throws {
        let (calls, got) = try simulate(seed: seed) { [self] _, clock in
            let pods = Pods(clock, count: 3, route: route(), draw: { 5 }) { pod, number in
                SimUpstream.answer("x", after: .seconds(2))
            }
            return try await pods.running {
                for scene in pods.scenes { _ = await scene.ask(scene.request()) }
                try await pods.scenes[0].sleep(.seconds(94))
                let got = await withTaskGroup(of: Scene.Got.self) { callers in
                    for scene in pods.scenes { callers.addTask { await scene.ask(scene.request()) } }
                    return await callers.reduce(into: []) { $0.append($1) }
                }
                try await pods.scenes[0].sleep(.seconds(30))
                // By now the first answer would have expired; each pod has the new one.
                var later: [Scene.Got] = []
                for scene in pods.scenes { later.append(await scene.ask(scene.request())) }
                return (pods.calls, got + later)
            }
        }
        #expect(calls == 2)
        #expect(got == Array(repeating: .answered("x", .l1Hit), count: 6))
    }

    @Test("lets callers fly anew when the refresh they had joined gave way")
    func refreshGivesWay() throws {
        let got = try simulate(seed: 8) { [self] _, clock in
            let scene = Scene(clock, route: route(LadderSteps(staleWhileRevalidate: .seconds(50)))) { number, _ in
                number == 2
                    ? [.wait(.seconds(1)), .fail(.limited(limit: "queue_max", retryAfter: .seconds(1)))]
                    : SimUpstream.answer("x\(number)")
            }
            return try await scene.running {
                _ = await scene.ask(scene.request())
                try await scene.sleep(.seconds(120))
                _ = await scene.ask(scene.request())
                return await scene.ask(scene.request { $0.maxAge = .seconds(10) })
            }
        }
        #expect(got == .answered("x3", .miss))
    }

    // MARK: In time

    @Test(
        "serves what it has when answer_within has passed, and keeps what the upstream says later",
        arguments: [false, true])
    func answerWithin(stream: Bool) throws {
        let (got, waited, later, calls) = try simulate(seed: 9) { [self] _, clock in
            let scene = Scene(clock, route: route(LadderSteps(answerWithin: .milliseconds(200)))) { number, attempt in
                number == 1
                    ? SimUpstream.answer("old")
                    : attempt.form == .stream
                        ? [.wait(.seconds(5))] + SimUpstream.stream(["new"])
                        : SimUpstream.answer("new", after: .seconds(5))
            }
            return try await scene.running {
                _ = await scene.ask(scene.request())
                try await scene.sleep(.seconds(120))
                let before = clock.now
                let got = await scene.ask(scene.request(stream: stream))
                let waited = before.duration(to: clock.now)
                try await scene.sleep(.seconds(6))
                return (got, waited, await scene.ask(scene.request(stream: stream)), scene.upstream.attempts.count)
            }
        }
        #expect(got == .answered("old", .stale))
        #expect(waited == .milliseconds(200))
        #expect(later == .answered(stream ? "new[DONE]" : "new", .l1Hit))
        #expect(calls == 2)
    }

    @Test("waits on where nothing can be served meanwhile, and then gets the upstream's answer")
    func nothingMeanwhile() throws {
        let (got, spare) = try simulate(seed: 10) { [self] _, clock in
            let ladder = LadderSteps(answerWithin: .milliseconds(200), fallbacks: [Fallback(upstream: "spare")])
            let scene = Scene(clock, route: route(ladder), fallback: { _, _ in [.fail(busy)] }) { _, _ in
                SimUpstream.answer("x", after: .seconds(5))
            }
            return try await scene.running {
                (await scene.ask(scene.request()), scene.spare.attempts.count)
            }
        }
        #expect(got == .answered("x", .miss))
        #expect(spare == 1)
    }

    // MARK: Fallbacks

    @Test("asks each fallback when the upstream is busy, keeps its answer under its own key, and says so")
    func fallback() throws {
        let (got, step, entries, spare, models, later) = try simulate(seed: 11) { [self] _, clock in
            let ladder = LadderSteps(fallbacks: [
                Fallback(upstream: "spare", model: "first"), Fallback(upstream: "spare", model: "second"),
            ])
            let scene = Scene(
                clock, route: route(ladder),
                fallback: { number, _ in number == 1 ? [.fail(.cut)] : SimUpstream.answer("light") }
            ) { number, _ in number <= 2 ? [.fail(busy)] : SimUpstream.answer("heavy") }
            return try await scene.running {
                let request = scene.request()
                let got = await scene.ask(request)
                let entries = [request.key, request.fallingBack(to: 0)?.key, request.fallingBack(to: 1)?.key]
                    .map { $0.map { scene.pipeline.l1.get($0, at: clock.now) != nil } }
                let step = await scene.step(request)
                let models = scene.spare.attempts.map { attempt in
                    String(decoding: attempt.request.body?.bytes ?? [], as: UTF8.self).contains(#""second""#)
                }
                let spare = scene.spare.attempts.count
                return (got, step, entries, spare, models, await scene.ask(request))
            }
        }
        #expect(got == .answered("light", .fallback))
        #expect(step == .fallback)
        #expect(entries == [false, false, true])
        // The first time both are asked; the second time the first is, and the second's answer is in memory.
        #expect(spare == 3)
        #expect(models == [false, true, false])
        #expect(later == .answered("heavy", .miss))
    }

    @Test("makes one call to a fallback for a herd whose upstream is down", arguments: 0...49 as ClosedRange<UInt64>)
    func fallbackHerd(seed: UInt64) throws {
        let (got, calls) = try simulate(seed: seed) { [self] executor, clock in
            let scene = Scene(
                clock, route: route(LadderSteps(fallbacks: [Fallback(upstream: "spare", model: "light")])),
                fallback: { _, attempt in
                    attempt.form == .stream ? SimUpstream.stream(["a", "b"]) : SimUpstream.answer("ab")
                }
            ) { _, _ in [.wait(.milliseconds(20)), .fail(busy)] }
            return try await scene.running {
                let got = await withTaskGroup(of: Scene.Got.self) { callers in
                    for number in 0..<20 {
                        let wait = Duration.milliseconds(executor.random(0...10))
                        callers.addTask {
                            try? await scene.sleep(wait)
                            return await scene.ask(scene.request(stream: number % 2 == 0))
                        }
                    }
                    return await callers.reduce(into: []) { $0.append($1) }
                }
                return (got, scene.spare.attempts.count)
            }
        }
        #expect(calls == 1)
        #expect(got.allSatisfy { if case .answered(_, .fallback) = $0 { true } else { false } })
    }

    @Test("leaves the fallback's flight when its caller goes, and the primary's too")
    func fallbackCaller() throws {
        let (cancelled, flights) = try simulate(seed: 12) { [self] _, clock in
            let ladder = LadderSteps(answerWithin: .milliseconds(100), fallbacks: [Fallback(upstream: "spare")])
            let scene = Scene(
                clock, route: route(ladder), fallback: { _, _ in SimUpstream.answer("light", after: .seconds(60)) }
            ) { _, _ in SimUpstream.answer("x", after: .seconds(2)) }
            return try await scene.running {
                let caller = Caller()
                async let got = scene.ask(scene.request(), as: caller)
                try await scene.sleep(.seconds(1))
                caller.hangUp(.deadline)
                _ = await got
                try await scene.sleep(.seconds(2))
                return (scene.spare.cancelledCount, scene.pipeline.flightCount)
            }
        }
        #expect(cancelled == 1)
        #expect(flights == 0)
    }

    @Test("ends in the route's own words, which are not kept")
    func fixedAnswer() throws {
        let (got, step, entries) = try simulate(seed: 13) { [self] _, clock in
            let scene = Scene(clock, route: route(LadderSteps(fixedAnswer: "later"))) { _, _ in [.fail(busy)] }
            return try await scene.running {
                (
                    await scene.ask(scene.request()), await scene.step(scene.request(stream: true)),
                    scene.pipeline.l1.fill.count
                )
            }
        }
        #expect(got == .answered("later", .fallback))
        #expect(step == .fixedAnswer)
        #expect(entries == 0)
    }

    @Test("ends in the failure where nothing is left, and counts that")
    func refused() throws {
        let (got, count) = try simulate(seed: 14) { [self] _, clock in
            let scene = Scene(clock, route: route()) { _, _ in [.fail(busy)] }
            return try await scene.running {
                (await scene.ask(scene.request()), scene.metrics.ladderCounts.first?.steps[.refused].current)
            }
        }
        #expect(got == .failed(busy))
        #expect(count == 1)
    }

    // MARK: Split

    @Test("keeps the arms of a split apart, and counts what each of them costs")
    func arms() throws {
        let arms = [
            Split.Arm(name: "old", share: 0), Split.Arm(name: "new", share: 100, model: "m2", upstreams: ["spare"]),
        ]
        let figures = try simulate(seed: 15) { [self] _, clock in
            let settings = Pipeline.Settings(
                prices: PriceTable(prices: [
                    "m2": .init(inputMicroUSDPerMillion: 1_000_000, outputMicroUSDPerMillion: 2_000_000)
                ]))
            let scene = Scene(
                clock, route: route(split: Split(by: .user, arms: arms)), settings: settings,
                fallback: { _, _ in SimUpstream.stream(["a"]) }
            ) { _, _ in SimUpstream.stream(["b"]) }
            return try await scene.running {
                _ = await scene.ask(scene.request(stream: true, members: #","user":"u""#))
                _ = await scene.ask(scene.request(stream: true))
                return scene.metrics.armFigures.map {
                    ($0.arm.name, $0.figures.spentPromptTokens.current, $0.figures.spentMicroUSD.current)
                }
            }
        }
        #expect(figures.map(\.0) == ["new", "old"])
        #expect(figures.map(\.1) == [3, 3])
        #expect(figures.map(\.2) == [11, 0])
    }
}
