import SamovarCore
import Testing

@testable import SamovarClient

@Suite("Dialing")
struct DialingTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test("tries once at a time, and not while there is a connection")
    func once() {
        var dialing = Dialing(waitMin: .milliseconds(20), waitMax: .seconds(1))

        let first = dialing.wanted(at: start)
        let second = dialing.wanted(at: start)
        dialing.connected()
        let third = dialing.wanted(at: start)

        #expect(first)
        #expect(!second)
        #expect(!third)
    }

    @Test("waits longer and longer after tries that fail, at most the longest wait")
    func backsOff() {
        var dialing = Dialing(waitMin: .milliseconds(20), waitMax: .seconds(1))
        var now = start
        var waits: [Int64] = []

        for _ in 0..<8 {
            _ = dialing.wanted(at: now)
            dialing.ended(hasServed: false, jitter: 0.5, at: now)
            let isTooEarly = dialing.wanted(at: now)
            #expect(!isTooEarly)
            waits.append(now.duration(to: dialing.wakeAt).milliseconds)
            now = dialing.wakeAt
        }

        #expect(waits == [10, 20, 40, 80, 160, 320, 500, 500])
    }

    @Test("tries at once after a connection that has served")
    func served() {
        var dialing = Dialing(waitMin: .milliseconds(20), waitMax: .seconds(1))
        _ = dialing.wanted(at: start)
        dialing.connected()

        dialing.ended(hasServed: true, jitter: 0.5, at: start)
        let again = dialing.wanted(at: start)

        #expect(again)
    }

    @Test("takes a connection that only greeted for a failed try")
    func useless() {
        var dialing = Dialing(waitMin: .milliseconds(20), waitMax: .seconds(1))
        _ = dialing.wanted(at: start)
        dialing.connected()

        dialing.ended(hasServed: false, jitter: 0.5, at: start)
        let again = dialing.wanted(at: start)

        #expect(!again)
        #expect(dialing.wakeAt == start.advanced(by: .milliseconds(10)))
    }
}
