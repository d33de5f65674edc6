import SamovarCore
import Testing

@testable import SamovarEngine

private let seeds: ClosedRange<UInt64> = 0...199

@Suite("The pipeline, over seeds")
struct PipelineScheduleTests {
    /// Twenty callers of one prompt, some streaming, at random moments around one call: what they got, and the calls.
    private static func herd(seed: UInt64, bugs: Set<Pipeline.SeededBug> = []) throws -> (got: [Scene.Got], calls: Int)
    {
        try simulate(seed: seed) { executor, clock in
            let scene = Scene(clock, bugs: bugs) { number, _ in SimUpstream.stream(["a\(number)", "b", "c"]) }
            return try await scene.running {
                let got = await withTaskGroup(of: Scene.Got.self) { callers in
                    for _ in 0..<20 {
                        let wait = Duration.milliseconds(executor.random(0...60))
                        let request = scene.request(stream: executor.random(0...1) == 0)
                        callers.addTask {
                            try? await clock.sleep(until: clock.now.advanced(by: wait))
                            return await scene.ask(request)
                        }
                    }
                    return await callers.reduce(into: []) { $0.append($1) }
                }
                return (got, scene.upstream.attempts.count)
            }
        }
    }

    @Test("identical requests make one upstream call, and everybody gets the whole answer", arguments: seeds)
    func oneCall(seed: UInt64) throws {
        let (got, calls) = try Self.herd(seed: seed)
        #expect(calls == 1)
        #expect(got.count == 20)
        for one in got {
            guard case .answered("a1bc[DONE]", _) = one else {
                Issue.record("\(one)")
                continue
            }
        }
    }

    @Test("a flight that is unlisted before its answer is kept, with no second look, is caught by some seeds")
    func broken() throws {
        let caught = try seeds.count { seed in
            try Self.herd(seed: seed, bugs: [.noSecondLook, .unlistedBeforeKept]).calls > 1
        }
        #expect(caught > 0)
    }

    @Test("callers that leave at any moment take nothing from those who stay", arguments: seeds)
    func leaving(seed: UInt64) throws {
        let (stayed, calls) = try simulate(seed: seed) { executor, clock in
            let scene = Scene(clock) { _, _ in SimUpstream.stream(["a", "b", "c", "d"]) }
            return try await scene.running {
                let stayed = await withTaskGroup(of: Scene.Got?.self) { callers in
                    for number in 0..<12 {
                        let caller = Caller()
                        let wait = Duration.milliseconds(executor.random(0...70))
                        if number > 0 {
                            callers.addTask {
                                try? await clock.sleep(until: clock.now.advanced(by: wait))
                                caller.hangUp(.deadline)
                                return nil
                            }
                        }
                        callers.addTask {
                            // The one who stays comes first, so that there is one flight whoever leaves it.
                            if number > 0 { try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(1))) }
                            let got = await scene.ask(scene.request(stream: number % 2 == 0), as: caller)
                            return number == 0 ? got : nil
                        }
                    }
                    return await callers.compactMap { $0 }.reduce(into: []) { $0.append($1) }
                }
                return (stayed, scene.upstream.attempts.count)
            }
        }
        guard case .answered("abcd[DONE]", _)? = stayed.first else {
            Issue.record("\(stayed)")
            return
        }
        #expect(calls == 1)
    }

    @Test("when all have left, the call is cancelled and nothing is stored", arguments: 0...49 as ClosedRange<UInt64>)
    func allLeave(seed: UInt64) throws {
        let (cancelled, entries) = try simulate(seed: seed) { executor, clock in
            let scene = Scene(clock) { _, _ in SimUpstream.stream(Array(repeating: "t", count: 50)) }
            return try await scene.running {
                await withTaskGroup(of: Void.self) { callers in
                    for _ in 0..<5 {
                        let caller = Caller()
                        let wait = Duration.milliseconds(executor.random(1...100))
                        callers.addTask { _ = await scene.ask(scene.request(stream: true), as: caller) }
                        callers.addTask {
                            try? await clock.sleep(until: clock.now.advanced(by: wait))
                            caller.hangUp(.deadline)
                        }
                    }
                }
                // Time for the flight to notice.
                try await clock.sleep(until: clock.now.advanced(by: .seconds(1)))
                return (scene.upstream.cancelledCount, scene.pipeline.l1.fill.count)
            }
        }
        #expect(cancelled == 1)
        #expect(entries == 0)
    }
}

@Suite("The pipeline")
struct PipelineTests {
    @Test("answers the second time from memory, as a body or a stream")
    func remembers() throws {
        let got = try simulate(seed: 1) { _, clock in
            let scene = Scene(clock) { _, _ in SimUpstream.answer("x") }
            return try await scene.running {
                [
                    await scene.ask(scene.request()), await scene.ask(scene.request()),
                    await scene.ask(scene.request(stream: true)),
                ]
            }
        }
        #expect(got == [.answered("x", .miss), .answered("x", .l1Hit), .answered("x", .l1Hit)])
    }

    @Test(
        "shares every failure with those who are there, and stores none",
        arguments: [
            Failure.refused(.init(status: 429, contentType: nil, body: [], retryAfter: .seconds(3))),
            .refused(.init(status: 400, contentType: nil, body: [], retryAfter: nil)), .cut, .unreachable(reason: "r"),
            .malformed(reason: "r"), .erred(body: []),
        ])
    func sharesFailures(failure: Failure) throws {
        let (got, calls, entries) = try simulate(seed: 2) { _, clock in
            let scene = Scene(clock) { _, _ in [.wait(.milliseconds(10)), .fail(failure)] }
            return try await scene.running {
                let got = await withTaskGroup(of: Scene.Got.self) { callers in
                    for _ in 0..<5 { callers.addTask { await scene.ask(scene.request()) } }
                    return await callers.reduce(into: []) { $0.append($1) }
                }
                return (got, scene.upstream.attempts.count, scene.pipeline.l1.fill.count)
            }
        }
        #expect(got == Array(repeating: .failed(failure), count: 5))
        #expect(calls == 1)
        #expect(entries == 0)
    }

    @Test("tells a stream that broke after its beginning so, and never stores it")
    func broke() throws {
        let (got, entries) = try simulate(seed: 3) { _, clock in
            let scene = Scene(clock) { _, _ in [.began(.stream), .token("a"), .wait(.milliseconds(5)), .fail(.cut)] }
            return try await scene.running {
                (await scene.ask(scene.request(stream: true)), scene.pipeline.l1.fill.count)
            }
        }
        #expect(got == .broke("a", .cut))
        #expect(entries == 0)
    }

    @Test("takes a stream that ends without its end for broken")
    func noEnd() throws {
        let got = try simulate(seed: 4) { _, clock in
            let scene = Scene(clock) { _, _ in [.began(.stream), .token("a")] }
            return try await scene.running { await scene.ask(scene.request()) }
        }
        #expect(got == .failed(.cut))
    }

    @Test(
        "waits for the first token, between tokens and in all, and keep-alives do not help",
        arguments: [
            (
                Failure.Wait.firstToken,
                [SimUpstream.Act.began(.stream), .keepAlive, .wait(.seconds(2)), .keepAlive, .wait(.seconds(20))]
            ),
            (
                .betweenTokens,
                [.began(.stream), .token("a"), .wait(.milliseconds(900)), .keepAlive, .wait(.milliseconds(900)), .done]
            ),
            (
                .total,
                [.began(.stream)]
                    + Array(repeating: [.token("a"), .wait(.milliseconds(400))], count: 100).flatMap { $0 }
            ),
        ])
    func deadlines(wait: Failure.Wait, acts: [SimUpstream.Act]) throws {
        let route = Route(
            upstreams: ["sim"],
            timeouts: .init(firstToken: .seconds(3), betweenTokens: .seconds(1), total: .seconds(10)))
        let (got, cancelled) = try simulate(seed: 5) { _, clock in
            let scene = Scene(clock, route: route) { _, _ in acts }
            return try await scene.running { (await scene.ask(scene.request()), scene.upstream.cancelledCount) }
        }
        #expect(got == .failed(.timedOut(wait)))
        #expect(cancelled == 1)
    }

    @Test("gives every attempt up at its own deadline, whichever began first", arguments: UInt64(0)..<20)
    func deadlinesOfMany(seed: UInt64) throws {
        let took = try simulate(seed: seed) { executor, clock in
            let scene = Scene(clock) { _, _ in [.wait(.seconds(100))] }
            let waits = [9, 2, 30, 1, 5].map { Duration.seconds($0) }
            return try await scene.running {
                await withTaskGroup(of: (Duration, Duration).self) { asking in
                    for wait in waits {
                        var asker = scene
                        asker.route.timeouts = .init(firstToken: wait, betweenTokens: wait)
                        asking.addTask { [asker] in
                            let pause = Duration.milliseconds(executor.random(0...900))
                            try? await clock.sleep(until: clock.now.advanced(by: pause))
                            let began = clock.now
                            _ = await asker.ask(asker.request("\(wait)"))
                            return (wait, began.duration(to: clock.now))
                        }
                    }
                    return await asking.reduce(into: [:]) { $0[$1.0] = $1.1 }
                }
            }
        }
        #expect(took.count == 5)
        #expect(took.allSatisfy { $0.key == $0.value })
    }

    @Test("lets no-cache see no stored answer and no flight that began before it, and stores its answer")
    func noCache() throws {
        let (got, later, calls) = try simulate(seed: 6) { _, clock in
            let scene = Scene(clock) { number, _ in SimUpstream.answer("x\(number)", after: .milliseconds(100)) }
            return try await scene.running {
                let got = await withTaskGroup(of: (Int, Scene.Got).self) { callers in
                    callers.addTask { (0, await scene.ask(scene.request())) }
                    callers.addTask {
                        try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(50)))
                        return (1, await scene.ask(scene.request { $0.noCache = true }))
                    }
                    callers.addTask {
                        try? await clock.sleep(until: clock.now.advanced(by: .milliseconds(60)))
                        return (2, await scene.ask(scene.request()))
                    }
                    return await callers.reduce(into: [:]) { $0[$1.0] = $1.1 }
                }
                return (got, await scene.ask(scene.request()), scene.upstream.attempts.count)
            }
        }
        #expect(got[0] == .answered("x1", .miss))
        #expect(got[1] == .answered("x2", .miss))
        #expect(got[2] == .answered("x2", .coalesced))
        #expect(later == .answered("x2", .l1Hit))
        #expect(calls == 2)
    }

    @Test("flies no-store alone, and stores nothing of it")
    func noStore() throws {
        let (got, calls, entries) = try simulate(seed: 7) { _, clock in
            let scene = Scene(clock) { number, _ in SimUpstream.answer("x\(number)") }
            return try await scene.running {
                let got = await withTaskGroup(of: Scene.Got.self) { callers in
                    for _ in 0..<3 { callers.addTask { await scene.ask(scene.request { $0.noStore = true }) } }
                    return await callers.reduce(into: []) { $0.append($1) }
                }
                return (got, scene.upstream.attempts.count, scene.pipeline.l1.fill.count)
            }
        }
        #expect(got.allSatisfy { if case .answered(_, .bypass) = $0 { true } else { false } })
        #expect(calls == 3)
        #expect(entries == 0)
    }

    @Test("answers only-if-cached from L1 or L2, or not at all, and never calls")
    func onlyIfCached() throws {
        let (got, calls) = try simulate(seed: 8) { _, clock in
            let scene = Scene(clock, withStore: true) { _, _ in SimUpstream.answer("x") }
            let cached = scene.request { $0.onlyIfCached = true }
            return try await scene.running {
                let before = await scene.ask(cached)
                _ = await scene.ask(scene.request())
                let after = await scene.ask(cached)
                // L2 is written after the answer has gone out.
                try await clock.sleep(until: clock.now.advanced(by: .seconds(1)))
                scene.pipeline.l1.remove(cached.key)
                return ([before, after, await scene.ask(cached)], scene.upstream.attempts.count)
            }
        }
        #expect(got == [.failed(.notCached), .answered("x", .l1Hit), .answered("x", .l2Hit)])
        #expect(calls == 1)
    }

    @Test("ends only the caller whose own deadline passes")
    func callersDeadline() throws {
        let (hurried, patient, calls) = try simulate(seed: 9) { _, clock in
            let scene = Scene(clock) { _, _ in SimUpstream.answer("x", after: .seconds(5)) }
            return try await scene.running {
                let caller = Caller()
                async let hurried = scene.ask(scene.request(), as: caller)
                async let patient = scene.ask(scene.request())
                try await clock.sleep(until: clock.now.advanced(by: .seconds(1)))
                caller.hangUp(.deadline)
                return (await hurried, await patient, scene.upstream.attempts.count)
            }
        }
        #expect(hurried == .failed(.deadline))
        guard case .answered("x", _) = patient else {
            Issue.record("\(patient)")
            return
        }
        #expect(calls == 1)
    }

    @Test("lets an expired answer stand in when the upstream is busy or down, and only then")
    func standIn() throws {
        let route = Route(upstreams: ["sim"], ttl: .seconds(1), staleTTL: .seconds(100))
        let got = try simulate(seed: 10) { _, clock in
            let scene = Scene(clock, route: route) { number, _ in
                switch number {
                case 1: SimUpstream.answer("x")
                case 2: [.fail(.refused(.init(status: 503, contentType: nil, body: [], retryAfter: nil)))]
                case 3: [.fail(.refused(.init(status: 401, contentType: nil, body: [], retryAfter: nil)))]
                default: [.fail(.unreachable(reason: "r"))]
                }
            }
            return try await scene.running {
                var got = [await scene.ask(scene.request())]
                try await clock.sleep(until: clock.now.advanced(by: .seconds(5)))
                got.append(await scene.ask(scene.request()))
                got.append(await scene.ask(scene.request()))
                got.append(await scene.ask(scene.request { $0.noCache = true }))
                got.append(await scene.ask(scene.request { $0.maxStale = .seconds(50) }))
                return got
            }
        }
        #expect(got[0] == .answered("x", .miss))
        #expect(got[1] == .answered("x", .stale))
        #expect(got[2] == .failed(.refused(.init(status: 401, contentType: nil, body: [], retryAfter: nil))))
        #expect(got[3] == .failed(.unreachable(reason: "r")))
        #expect(got[4] == .answered("x", .stale))
    }

    @Test("takes an answer of L2 for all whom it will do for, and calls for whom it is too old")
    func secondCache() throws {
        let (got, calls) = try simulate(seed: 11) { _, clock in
            let scene = Scene(clock, withStore: true) { _, _ in SimUpstream.answer("new") }
            let old = Answer(
                recording: Recording(form: .body, usageAsked: false, chunks: [Chunk(bytes: Array("old".utf8))]),
                model: "m",
                createdAt: clock.wallNow, generationTime: .zero, usage: nil, ttl: .seconds(3_600), staleTTL: .zero)
            scene.store.put(scene.request().key, old, bornAt: clock.now.advanced(by: .seconds(-100)))
            return try await scene.running {
                let got = await withTaskGroup(of: (Int, Scene.Got).self) { callers in
                    callers.addTask { (0, await scene.ask(scene.request())) }
                    callers.addTask { (1, await scene.ask(scene.request { $0.maxAge = .seconds(10) })) }
                    return await callers.reduce(into: [:]) { $0[$1.0] = $1.1 }
                }
                return (got, scene.upstream.attempts.count)
            }
        }
        #expect(
            got[0] == .answered("old", .l2Hit) || got[0] == .answered("old", .l1Hit)
                || got[0] == .answered("new", .coalesced))
        #expect(got[1] == .answered("new", .miss))
        #expect(calls == 1)
    }

    @Test("keeps what is cut by length for nobody, says so, and stops looking for it in L2 for a while")
    func lasting() throws {
        let (got, reasons, gets) = try simulate(seed: 12) { _, clock in
            let scene = Scene(clock, withStore: true) { number, _ in SimUpstream.answer("x\(number)", finish: "length")
            }
            return try await scene.running {
                let got = [await scene.ask(scene.request()), await scene.ask(scene.request())]
                return (got, scene.metrics.notStored[.length].current, scene.store.getCount)
            }
        }
        #expect(got == [.answered("x1", .miss), .answered("x2", .miss)])
        #expect(reasons == 2)
        #expect(gets == 1)
    }

    @Test("asks once more without the usage option when an upstream refuses it, and never asks for it again")
    func usageRefused() throws {
        let (got, asked) = try simulate(seed: 13) { _, clock in
            let scene = Scene(clock, usageChunk: .ask) { _, attempt in
                attempt.includeUsage
                    ? [
                        .fail(
                            .refused(
                                .init(
                                    status: 400, contentType: nil, body: Array("stream_options?".utf8), retryAfter: nil)
                            ))
                    ]
                    : SimUpstream.stream(["a"])
            }
            return try await scene.running {
                let got = [
                    await scene.ask(scene.request("one", stream: true)),
                    await scene.ask(scene.request("two", stream: true)),
                ]
                return (got, scene.upstream.attempts.map(\.includeUsage))
            }
        }
        #expect(got == [.answered("a[DONE]", .miss), .answered("a[DONE]", .miss)])
        #expect(asked == [true, false, false])
    }

    @Test("asks for the form that the leader asked for, or always for a stream")
    func form() throws {
        let forms = try simulate(seed: 14) { _, clock in
            let asAsked = Scene(clock) { _, _ in SimUpstream.answer("x") }
            let always = Scene(clock, alwaysStreams: true) { _, _ in SimUpstream.stream(["x"]) }
            _ = try await asAsked.running { await asAsked.ask(asAsked.request()) }
            _ = try await always.running { await always.ask(always.request()) }
            return (asAsked.upstream.attempts + always.upstream.attempts).map(\.form)
        }
        #expect(forms == [.body, .stream])
    }

    @Test("keeps an answer no longer than anyone in its flight asked for")
    func shortestTTL() throws {
        let got = try simulate(seed: 15) { _, clock in
            let scene = Scene(clock) { number, _ in SimUpstream.answer("x\(number)", after: .milliseconds(100)) }
            return try await scene.running {
                async let one = scene.ask(scene.request())
                async let other = scene.ask(scene.request(members: #","cache":{"ttl":5}"#))
                _ = await (one, other)
                try await clock.sleep(until: clock.now.advanced(by: .seconds(6)))
                return await scene.ask(scene.request())
            }
        }
        #expect(got == .answered("x2", .miss))
    }

    @Test("cuts a follower that reads too slowly, and nobody else")
    func lagging() throws {
        var settings = Pipeline.Settings()
        settings.flightLimits.followerLagMax = 50
        let (slow, quick) = try simulate(seed: 16) { [settings] _, clock in
            let scene = Scene(clock, settings: settings) { _, _ in
                SimUpstream.stream(Array(repeating: "0123456789", count: 400))
            }
            return try await scene.running {
                async let slow = scene.ask(scene.request(stream: true), readingSlowly: .milliseconds(200))
                async let quick = scene.ask(scene.request(stream: true))
                return (await slow, await quick)
            }
        }
        guard case .broke(_, .lagged) = slow, case .answered(let text, _) = quick else {
            Issue.record("\(slow), \(quick)")
            return
        }
        #expect(text.count == 4_006)
    }

    @Test("refuses one flight and one follower too many, by the limit's name")
    func limits() throws {
        var settings = Pipeline.Settings(flightsMax: 2)
        settings.flightLimits.followersMax = 3
        let got: [Scene.Got] = try simulate(seed: 17) { [settings] _, clock in
            let scene = Scene(clock, settings: settings) { _, _ in SimUpstream.answer("x", after: .seconds(1)) }
            return try await scene.running {
                await withTaskGroup(of: Scene.Got.self) { callers in
                    for _ in 0..<5 { callers.addTask { await scene.ask(scene.request("same")) } }
                    for prompt in ["b", "c"] { callers.addTask { await scene.ask(scene.request(prompt)) } }
                    return await callers.reduce(into: []) { $0.append($1) }
                }
            }
        }
        #expect(got.contains(.failed(.limited(limit: "flight_followers_max", retryAfter: .seconds(1)))))
        #expect(got.contains(.failed(.limited(limit: "flights_max", retryAfter: .seconds(1)))))
    }

    @Test("tells those who still wait that the process is leaving")
    func givesUp() throws {
        let got = try simulate(seed: 18) { _, clock in
            let scene = Scene(clock) { _, _ in SimUpstream.answer("x", after: .seconds(2)) }
            return try await scene.running {
                async let asked = scene.ask(scene.request())
                try await clock.sleep(until: clock.now.advanced(by: .seconds(1)))
                scene.pipeline.giveUp()
                return await asked
            }
        }
        #expect(got == .failed(.draining))
    }

    @Test("counts what followers and hits saved")
    func saved() throws {
        let prices = PriceTable(prices: [
            "m": .init(inputMicroUSDPerMillion: 1_000_000, outputMicroUSDPerMillion: 1_000_000)
        ])
        let metrics = try simulate(seed: 19) { _, clock in
            let scene = Scene(clock, settings: Pipeline.Settings(prices: prices)) { _, _ in SimUpstream.stream(["a"]) }
            return try await scene.running {
                async let one = scene.ask(scene.request())
                async let other = scene.ask(scene.request(stream: true))
                _ = await (one, other)
                _ = await scene.ask(scene.request())
                return scene.metrics
            }
        }
        #expect(metrics.savedPromptTokens.current == 6)
        #expect(metrics.savedCompletionTokens.current == 8)
        #expect(metrics.savedMicroUSD.current == 14)
    }
}
