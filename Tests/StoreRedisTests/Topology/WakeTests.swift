import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite("Wake", .timeLimit(.minutes(1)))
struct WakeTests {
    private let clock = SystemClock()

    @Test("what wakes it while it is busy is not lost, however often only once")
    func early() async {
        let wake = Wake(clock: clock)
        wake.now()
        wake.now()
        let first = await wake.sleep(until: .never)
        wake.end()
        let second = await wake.sleep(until: .never)
        #expect(first && !second)
    }

    @Test("it wakes when the time has come, also where another one had been waited for")
    func timers() async {
        let wake = Wake(clock: clock)
        wake.now()
        let early = await wake.sleep(until: clock.now.advanced(by: .seconds(3_600)))
        let late = await wake.sleep(until: clock.now.advanced(by: .milliseconds(1)))
        let again = await wake.sleep(until: clock.now.advanced(by: .milliseconds(1)))
        #expect(early && late && again)
    }

    @Test("who sleeps when it ends is woken")
    func end() async {
        let wake = Wake(clock: clock)
        async let slept = wake.sleep(until: .never)
        wake.end()
        let isOn = await slept
        #expect(!isOn)
    }
}
