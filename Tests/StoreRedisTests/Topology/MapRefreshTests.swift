import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Map refresh")
struct MapRefreshTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    @Test("asks at once, then within ten seconds again")
    func pace() {
        var refresh = MapRefresh(at: at(0))
        let first = refresh.turn(at: at(0))
        refresh.ended(hasMap: true, at: at(10), jitter: 0)
        let second = refresh.turn(at: at(11))
        let third = refresh.turn(at: at(5_010))
        refresh.ended(hasMap: true, at: at(5_010), jitter: 0.5)
        let fourth = refresh.turn(at: at(5_011))
        #expect([first, second, third, fourth] == [.ask, .wait(until: at(5_010)), .ask, .wait(until: at(12_510))])
    }

    @Test("a thousand redirections cause one question, and the next not before a quarter of a second")
    func coalesced() {
        var refresh = MapRefresh(at: at(0))
        _ = refresh.turn(at: at(0))
        for _ in 0..<1_000 { refresh.wanted(at: at(1)) }
        refresh.ended(hasMap: true, at: at(10), jitter: 0.9)
        let after = refresh.turn(at: at(10))
        let again = refresh.turn(at: at(260))
        refresh.ended(hasMap: true, at: at(270), jitter: 0)
        for _ in 0..<1_000 { refresh.wanted(at: at(300)) }
        let limited = refresh.turn(at: at(300))
        let quiet = refresh.turn(at: at(520))
        #expect(after == .wait(until: at(260)) && again == .ask)
        #expect(limited == .wait(until: at(520)) && quiet == .ask)
    }

    @Test("wanted after a quiet while it asks at once")
    func atOnce() {
        var refresh = MapRefresh(at: at(0))
        _ = refresh.turn(at: at(0))
        refresh.ended(hasMap: true, at: at(10), jitter: 0)
        refresh.wanted(at: at(2_000))
        #expect(refresh.turn(at: at(2_000)) == .ask)
    }

    @Test("while nobody gives a map the wait grows, spread by chance")
    func backoff() {
        var refresh = MapRefresh(at: at(0), backoff: Backoff(waitMin: .seconds(1), waitMax: .seconds(4)))
        var now = at(0)
        var waits: [Duration] = []
        for _ in 0..<4 {
            _ = refresh.turn(at: now)
            refresh.ended(hasMap: false, at: now, jitter: 0.5)
            guard case .wait(let until) = refresh.turn(at: now) else { break }
            waits.append(now.duration(to: until))
            now = until
        }
        #expect(waits == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(2)])
    }
}
