import Testing

@testable import SamovarCore

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite("A part of what an upstream takes")
struct DispatcherFleetTests {
    private func dispatcher(_ limits: UpstreamLimits) -> Dispatcher { Dispatcher([limits], at: .zero) }

    /// How many of so many go at once.
    private func granted(_ dispatcher: inout Dispatcher, _ count: Int, at now: Instant) -> Int {
        (0..<count).count { _ in
            let (ticket, moves) = dispatcher.submit(asking(at: now), at: now, jitter: 0)
            return moves.granted.contains { $0.ticket == ticket }
        }
    }

    private func asking(at now: Instant) -> Asking {
        Asking(
            upstreams: ["one"], tenant: .listener("t"), model: "m", deadline: now.advanced(by: .seconds(10)),
            latestDeadline: now.advanced(by: .seconds(10)), retriesUntil: now.advanced(by: .seconds(60)), bodySize: 100)
    }

    private func share(_ part: Double, isSpent: Bool = false, openFor: Duration? = nil) -> [FleetPart] {
        [FleetPart(upstream: "one", part: part, isSpent: isSpent, openFor: openFor)]
    }

    @Test("scales rate and burst, and what was spent stays spent when the part grows again")
    func rate() {
        var one = dispatcher(UpstreamLimits(name: "one", requestsPerSecond: 10, burst: 8))
        _ = one.share(share(0.5), at: at(0), jitter: 0)
        #expect(one.status(at: at(0))[0].requestsPerSecond == 5)
        #expect(one.status(at: at(0))[0].fleetPart == 0.5)
        #expect(granted(&one, 8, at: at(0)) == 4)
        let moves = one.share(share(1), at: at(0), jitter: 0)
        #expect(moves.granted.isEmpty)
        #expect(one.look(at: at(100), jitter: 0).granted.count == 1)
    }

    @Test("is nothing at once where it may have been spent by others")
    func spent() {
        var one = dispatcher(UpstreamLimits(name: "one", requestsPerSecond: 10, burst: 8))
        _ = one.share(share(0.5, isSpent: true), at: at(0), jitter: 0)
        #expect(granted(&one, 2, at: at(0)) == 0)
        #expect(one.look(at: at(200), jitter: 0).granted.count == 1)
    }

    @Test("scales the number at once, never to none, and gives back what was learned of it")
    func concurrency() {
        var one = dispatcher(UpstreamLimits(name: "one", concurrencyMax: 8))
        _ = one.share(share(0.25), at: at(0), jitter: 0)
        #expect(granted(&one, 8, at: at(0)) == 2)
        _ = one.share(share(0.001), at: at(0), jitter: 0)
        #expect(one.status(at: at(0))[0].concurrencyLimit == 1)
        #expect(one.share(share(1), at: at(0), jitter: 0).granted.count == 6)
        #expect(one.unshare(at: at(0), jitter: 0).granted.isEmpty)
        #expect(one.status(at: at(0))[0].fleetPart == nil)
    }

    @Test("is waited for before the first flight goes, where there are limits")
    func awaited() {
        var limited = dispatcher(UpstreamLimits(name: "one", requestsPerSecond: 10))
        limited.awaitShares()
        #expect(granted(&limited, 3, at: at(0)) == 0)
        #expect(limited.share(share(1), at: at(40), jitter: 0).granted.count == 3)
        var free = dispatcher(UpstreamLimits(name: "one"))
        free.awaitShares()
        #expect(granted(&free, 3, at: at(0)) == 3)
    }

    @Test("is wished for by those that come and those that wait, and less when nobody does any more")
    func wishes() {
        var one = dispatcher(UpstreamLimits(name: "one", requestsPerSecond: 10, burst: 10))
        _ = one.wishes(at: at(0))
        let count = granted(&one, 50, at: at(100))
        let wish = one.wishes(at: at(250))[0]
        #expect(wish.requestsPerSecond == 10)
        #expect(wish.demand > Double(50 - count) + 100)
        var (now, last) = (Int64(250), wish.demand)
        for _ in 0..<8 {
            now += 250
            _ = one.look(at: at(now), jitter: 0)
            last = one.wishes(at: at(now))[0].demand
        }
        // Those who wait go in their time.
        #expect(last < 35 && last > 10)
    }

    @Test("reload keeps the part")
    func reload() {
        var one = dispatcher(UpstreamLimits(name: "one", requestsPerSecond: 10))
        _ = one.share(share(0.5), at: at(0), jitter: 0)
        let limits = UpstreamLimits(name: "one", requestsPerSecond: 40)
        _ = one.configure([limits], settings: AdmissionSettings(), at: at(0))
        #expect(one.status(at: at(0))[0].requestsPerSecond == 20)
    }
}

@Suite("A breaker that hears of another's opening")
struct BreakerHearsayTests {
    @Test("opens for as long where it has seen a failure itself of late")
    func confirmed() {
        var breaker = Breaker(settings: .upstream)
        breaker.report(.failed, wasProbe: false, at: at(0), jitter: 0)
        breaker.heardOpen(for: .seconds(3), at: at(4_000))
        #expect(breaker.state(at: at(6_999)) == .open)
        #expect(breaker.ask(at: at(6_999)) == .skip)
        #expect(breaker.ask(at: at(7_000)) == .probe)
    }

    @Test("tries once alone where it has not, and one good answer is enough")
    func unconfirmed() {
        var breaker = Breaker(settings: .upstream)
        breaker.report(.failed, wasProbe: false, at: at(0), jitter: 0)
        breaker.heardOpen(for: .seconds(3), at: at(5_001))
        #expect(breaker.state(at: at(5_001)) == .halfOpen)
        #expect(breaker.ask(at: at(5_001)) == .probe)
        #expect(breaker.ask(at: at(5_002)) == .skip)
        breaker.report(.succeeded, wasProbe: true, at: at(5_100), jitter: 0)
        #expect(breaker.state(at: at(5_100)) == .closed)
        #expect(breaker.ask(at: at(5_100)) == .ask)
    }

    @Test("opens when that one fails, and says so to the others; what it has only heard it does not pass on")
    func tells() {
        var breaker = Breaker(settings: .upstream)
        breaker.report(.failed, wasProbe: false, at: at(0), jitter: 0)
        breaker.heardOpen(for: .seconds(3), at: at(100))
        #expect(breaker.state(at: at(100)) == .open && breaker.openFor(at: at(100)) == nil)
        #expect(breaker.ask(at: at(3_100)) == .probe)
        breaker.report(.failed, wasProbe: true, at: at(3_200), jitter: 0)
        #expect(breaker.openFor(at: at(3_200)) == .seconds(1))
    }

    @Test("that is not closed goes on by what it found itself, and no opening lasts longer than its own would")
    func own() {
        var breaker = Breaker(settings: .upstream)
        for _ in 0..<20 { breaker.report(.failed, wasProbe: false, at: at(0), jitter: 0) }
        breaker.heardOpen(for: .seconds(20), at: at(0))
        #expect(breaker.openFor(at: at(0)) == .seconds(1))
        var other = Breaker(settings: .upstream)
        other.report(.failed, wasProbe: false, at: at(0), jitter: 0)
        other.heardOpen(for: .seconds(10_000), at: at(0))
        #expect(other.probesAt == at(30_000))
    }
}
