import SamovarCore
import Testing

@Suite("The watch on a leading pod")
struct LeaseWatchTests {
    @Test("counts from the last change that was seen, by the looker's own clock")
    func changes() {
        var watch = LeaseWatch(Scene.sight(), deadAfter: .milliseconds(4_500), at: Scene.at(100))
        let first = watch.deadAt
        watch.saw(Scene.sight(), at: Scene.at(2_000))
        let unchanged = watch.deadAt
        watch.saw(Scene.sight(heartbeat: 1), at: Scene.at(3_000))
        let beaten = watch.deadAt
        watch.stirred(at: Scene.at(4_000))

        #expect(first == Scene.at(4_600))
        #expect(unchanged == Scene.at(4_600))
        #expect(beaten == Scene.at(7_500))
        #expect(watch.deadAt == Scene.at(8_500))
        #expect(watch.sight == Scene.sight(heartbeat: 1))
    }

    @Test("takes a count that has gone back for no sign of life, but for what is compared with")
    func rolledBack() {
        var watch = LeaseWatch(Scene.sight(heartbeat: 3), deadAfter: .milliseconds(4_500), at: Scene.at(0))
        watch.saw(Scene.sight(heartbeat: 2), at: Scene.at(1_000))
        let rolledBack = watch
        watch.saw(Scene.sight(heartbeat: 3), at: Scene.at(2_000))

        #expect(rolledBack.deadAt == Scene.at(4_500))
        #expect(rolledBack.sight == Scene.sight(heartbeat: 2))
        #expect(watch.deadAt == Scene.at(6_500))
    }
}
