import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Sentinel watch")
struct SentinelWatchTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
    private let anna = Endpoint.Address.tcp(host: "anna", port: 1)
    private let boris = Endpoint.Address.tcp(host: "boris", port: 1)

    /// Three sentinels that all name this one, who is a primary.
    private func settled(on address: Endpoint.Address, at now: Instant) -> SentinelWatch {
        var watch = SentinelWatch(sentinelCount: 3, at: now)
        _ = watch.step(at: now)
        watch.named(address, at: now, jitter: 0)
        _ = watch.checked(isPrimary: true, at: now, jitter: 0)
        return watch
    }

    @Test("asks a sentinel, checks whom it names, and then rests for some seconds")
    func round() {
        var watch = SentinelWatch(sentinelCount: 3, at: at(0))
        var steps = [watch.step(at: at(0))]
        watch.named(anna, at: at(1), jitter: 0)
        steps.append(watch.step(at: at(1)))
        let changed = watch.checked(isPrimary: true, at: at(2), jitter: 0.5)
        steps.append(watch.step(at: at(2)))
        let again = watch.step(at: at(3_752))
        #expect(steps == [.ask(sentinel: 0), .check(anna), .wait(until: at(3_752))])
        #expect(changed == anna)
        #expect(again == .ask(sentinel: 0))
    }

    @Test("the same primary again is no news")
    func same() {
        var watch = settled(on: anna, at: at(0))
        _ = watch.step(at: at(5_000))
        watch.named(anna, at: at(5_000), jitter: 0)
        #expect(watch.checked(isPrimary: true, at: at(5_000), jitter: 0) == nil)
        #expect(watch.primary == anna)
    }

    @Test("a silent sentinel is followed by the next one, and who has answered is asked first from then on")
    func silent() {
        var watch = SentinelWatch(sentinelCount: 3, at: at(0))
        _ = watch.step(at: at(0))
        watch.named(nil, at: at(1), jitter: 0)
        let second = watch.step(at: at(1))
        watch.named(anna, at: at(2), jitter: 0)
        _ = watch.checked(isPrimary: true, at: at(2), jitter: 0)
        #expect(second == .ask(sentinel: 1))
        #expect(watch.step(at: at(10_000)) == .ask(sentinel: 1))
    }

    @Test("who is named and says himself that he is a replica is refused, and is not checked twice in a round")
    func replica() {
        var watch = settled(on: anna, at: at(0))
        watch.troubled(at: at(1_000))
        var steps = [watch.step(at: at(1_000))]
        watch.named(anna, at: at(1_001), jitter: 0)
        let refused = watch.checked(isPrimary: false, at: at(1_002), jitter: 0)
        steps.append(watch.step(at: at(1_002)))
        watch.named(anna, at: at(1_003), jitter: 0)
        steps.append(watch.step(at: at(1_003)))
        watch.named(boris, at: at(1_004), jitter: 0)
        let changed = watch.checked(isPrimary: true, at: at(1_005), jitter: 0)
        #expect(steps == [.ask(sentinel: 0), .ask(sentinel: 1), .ask(sentinel: 2)])
        #expect(refused == nil && changed == boris && watch.primary == boris)
    }

    @Test("when nobody names a primary the old one stays, and the rounds come ever more seldom, spread by chance")
    func nobody() {
        var watch = SentinelWatch(
            sentinelCount: 2, at: at(0), backoff: Backoff(waitMin: .milliseconds(400), waitMax: .milliseconds(1_600)))
        var now = at(0)
        var waits: [Duration] = []
        while waits.count < 4 {
            switch watch.step(at: now) {
            case .wait(let until):
                waits.append(now.duration(to: until))
                now = until
            default: watch.named(nil, at: now, jitter: 0.5)
            }
        }
        #expect(waits == [.milliseconds(200), .milliseconds(400), .milliseconds(800), .milliseconds(800)])
    }

    @Test("a sentinel that tells of a failover is asked at once, and first")
    func heard() {
        var watch = settled(on: anna, at: at(0))
        watch.heard(from: 2, at: at(1_000))
        #expect(watch.step(at: at(1_000)) == .ask(sentinel: 2))
    }

    @Test("however much is heard, rounds keep their distance")
    func storm() {
        var watch = settled(on: anna, at: at(0))
        for _ in 0..<100 { watch.heard(from: 1, at: at(1)) }
        #expect(watch.step(at: at(1)) == .wait(until: at(100)))
        #expect(watch.step(at: at(100)) == .ask(sentinel: 1))
    }

    @Test("what is heard while a round is under way makes another one, with that sentinel first")
    func meanwhile() {
        var watch = settled(on: anna, at: at(0))
        watch.troubled(at: at(1_000))
        _ = watch.step(at: at(1_000))
        watch.heard(from: 1, at: at(1_001))
        watch.named(anna, at: at(1_002), jitter: 0)
        _ = watch.checked(isPrimary: true, at: at(1_003), jitter: 0)
        #expect(watch.step(at: at(1_003)) == .wait(until: at(1_103)))
        #expect(watch.step(at: at(1_103)) == .ask(sentinel: 1))
    }
}
