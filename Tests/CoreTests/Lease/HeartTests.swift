import SamovarCore
import Testing

@Suite("A leading pod's heart")
struct HeartTests {
    @Test("stops where the upstream is silent for too long, and beats at once when it speaks again")
    func holds() {
        var heart = Heart(every: .seconds(1), acquiredAt: Scene.at(0), progressUntil: Scene.at(2_500))
        let first = heart.beat(at: Scene.at(1_000))
        _ = heart.replied(.renewed(isFollowed: false))
        let second = heart.beat(at: Scene.at(2_000))
        _ = heart.replied(.renewed(isFollowed: false))
        let third = heart.beat(at: Scene.at(3_000))
        let holding = heart.next
        heart.progressed(until: Scene.at(9_000))
        let fourth = heart.beat(at: Scene.at(3_500))

        #expect(first && second)
        #expect(!third)
        #expect(holding == .never)
        #expect(fourth)
    }

    @Test("tries again after a renewal of which nothing was heard, and never after one that was refused")
    func replies() {
        var heart = Heart(every: .seconds(1), acquiredAt: Scene.at(0), progressUntil: Scene.at(60_000))
        _ = heart.beat(at: Scene.at(1_000))
        let sentAt = heart.replied(.unavailable)
        let again = heart.beat(at: Scene.at(2_000))
        _ = heart.replied(.lost)
        let never = heart.beat(at: Scene.at(9_000))

        #expect(sentAt == Scene.at(1_000))
        #expect(again)
        #expect(!never)
        #expect(heart.isLost)
        #expect(heart.next == .never)
    }
}
