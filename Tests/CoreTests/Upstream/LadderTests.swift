import Testing

@testable import SamovarCore

@Suite("The ladder")
struct LadderTests {
    private let busy = Ladder.Reason.failed(.refused(.init(status: 503, contentType: nil, body: [], retryAfter: nil)))
    private let stale = Freshness(bornAt: .zero, ttl: .seconds(10), staleTTL: .seconds(100))
    private func at(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

    private let whole = LadderSteps(
        answerWithin: .milliseconds(200),
        fallbacks: [Fallback(upstream: "a"), Fallback(upstream: "b", model: "light")],
        fixedAnswer: "later")

    private func answer(generationTime: Duration = .seconds(1)) -> Answer {
        Answer(
            recording: Recording(form: .body, usageAsked: false, chunks: []), model: "m",
            createdAt: WallTime(milliseconds: 0), generationTime: generationTime, usage: nil, ttl: .seconds(100),
            staleTTL: .seconds(100))
    }

    private func controls(_ change: (inout Controls) -> Void) -> Controls {
        var controls = Controls()
        change(&controls)
        return controls
    }

    @Test("goes from stale to each fallback to the fixed answer to the refusal, and takes each step once")
    func wholeWay() {
        var ladder = Ladder(whole, at: at(50))
        var steps: [Ladder.Step] = [ladder.next(after: busy, stored: stale, at: at(50))]
        for _ in 0..<5 { steps.append(ladder.next(after: busy, stored: nil, at: at(50))) }
        #expect(
            steps == [.stale, .fallback(0), .fallback(1), .fixedAnswer("later"), .refuse, .refuse])
    }

    @Test("ends in waiting on while the upstream may still answer, and does not begin anew when that fails")
    func late() {
        var ladder = Ladder(LadderSteps(answerWithin: .seconds(1), fallbacks: [Fallback(upstream: "a")]), at: at(50))
        #expect(ladder.lateAt == at(51))
        let first = ladder.next(after: .late, stored: nil, at: at(51))
        let second = ladder.next(after: .late, stored: nil, at: at(52))
        #expect(ladder.lateAt == nil)
        let last = ladder.next(after: busy, stored: nil, at: at(53))
        #expect([first, second, last] == [.fallback(0), .wait, .refuse])
    }

    @Test(
        "is not gone down for what is the caller's own matter, or ours",
        arguments: [
            Failure.refused(.init(status: 400, contentType: nil, body: [], retryAfter: nil)),
            .refused(.init(status: 401, contentType: nil, body: [], retryAfter: nil)),
            .refused(.init(status: 402, contentType: nil, body: [], retryAfter: nil)),
            .refused(.init(status: 403, contentType: nil, body: [], retryAfter: nil)),
            .refused(.init(status: 404, contentType: nil, body: [], retryAfter: nil)),
            .refused(
                .init(
                    status: 429, contentType: nil, body: Array(#"{"error":{"code":"insufficient_quota"}}"#.utf8),
                    retryAfter: nil)),
            .tooLarge(limit: "answer_size_max"), .limited(limit: "flights_max", retryAfter: .seconds(1)), .lagged,
            .notCached, .deadline, .draining,
        ])
    func notForThese(failure: Failure) {
        var ladder = Ladder(whole, at: at(50))
        #expect(ladder.next(after: .failed(failure), stored: stale, at: at(50)) == .refuse)
    }

    @Test(
        "is gone down for a busy or broken upstream, and for the limits before it",
        arguments: [
            Failure.refused(.init(status: 429, contentType: nil, body: [], retryAfter: nil)),
            .refused(.init(status: 500, contentType: nil, body: [], retryAfter: nil)), .erred(body: []), .cut,
            .unreachable(reason: "r"), .timedOut(.firstToken), .malformed(reason: "r"),
            .limited(limit: "queue_max", retryAfter: .seconds(1)),
            .limited(limit: "queue_timeout", retryAfter: .seconds(1)),
            .limited(limit: "breaker", retryAfter: .seconds(1)),
        ])
    func forThese(failure: Failure) {
        var ladder = Ladder(whole, at: at(50))
        #expect(ladder.next(after: .failed(failure), stored: stale, at: at(50)) == .stale)
    }

    @Test("has no stale answer for a caller that forbids it, nor for one whose answers are not stored")
    func callersWishes() {
        for forbids in [
            controls { $0.noCache = true }, controls { $0.maxAge = .seconds(20) },
            controls { $0.maxStale = .seconds(20) },
        ] {
            var ladder = Ladder(whole, forbids, at: at(50))
            #expect(ladder.next(after: busy, stored: stale, at: at(50)) == .fallback(0))
        }
        var alone = Ladder(whole, mayBeStored: false, at: at(50))
        #expect(alone.next(after: busy, stored: stale, at: at(50)) == .fallback(0))
    }

    @Test("has no words of the route's where those are no answer")
    func onlyText() {
        var ladder = Ladder(LadderSteps(fixedAnswer: "later"), mayBeFixed: false, at: at(50))
        #expect(ladder.next(after: busy, stored: nil, at: at(50)) == .refuse)
    }

    @Test("serves an expired answer while a new one is made only within the route's time, and where the caller lets it")
    func staleWhileRevalidate() {
        let stored = StoredAnswer(answer(), bornAt: .zero)
        let steps = LadderSteps(staleWhileRevalidate: .seconds(30))
        func look(_ seconds: Double, _ wishes: Controls = Controls(), _ steps: LadderSteps) -> Ladder.Look {
            Ladder.look(stored, wishes, steps, draw: 0, at: at(seconds))
        }
        #expect(look(99, Controls(), steps) == .fresh)
        #expect(look(100, Controls(), steps) == .staleWhileRevalidate)
        #expect(look(129, Controls(), steps) == .staleWhileRevalidate)
        #expect(look(130, Controls(), steps) == .nothing)
        #expect(look(100, Controls(), LadderSteps()) == .nothing)
        #expect(look(110, controls { $0.maxAge = .seconds(105) }, steps) == .nothing)
        #expect(look(110, controls { $0.maxStale = .seconds(5) }, steps) == .nothing)
        #expect(look(110, controls { $0.maxStale = .seconds(10) }, steps) == .staleWhileRevalidate)
        #expect(look(140, controls { $0.maxStale = .seconds(60) }, steps) == .stale)
    }

    @Test("has an answer made anew early only near its end, and where the dice say so")
    func early() {
        let stored = StoredAnswer(answer(), bornAt: .zero).refreshed(early: 1)
        let steps = LadderSteps()
        #expect(stored.freshness.quietUntil == at(92))
        #expect(Ladder.look(stored, Controls(), steps, draw: 1e9, at: at(91.9)) == .fresh)
        #expect(Ladder.look(stored, Controls(), steps, draw: 1.9, at: at(98)) == .fresh)
        #expect(Ladder.look(stored, Controls(), steps, draw: 2.1, at: at(98)) == .refreshEarly)
        #expect(Ladder.look(stored, Controls(), LadderSteps(earlyRefresh: 0), draw: 1e9, at: at(98)) == .fresh)
    }
}
