import SamovarCore
import Testing

@Suite("A flight that follows another pod")
struct LeaseMachineFollowingTests {
    @Test("delivers what comes, and is complete with as many chunks as the end counts")
    func complete() {
        var machine = LeaseMachine.following()

        let first = machine.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 20)
        let rest = machine.hears(
            .chunks(first: 1, Scene.stream, [Scene.chunk("b")]),
            .end(count: 2, Scene.stream, usage: nil, isStored: true), at: 30)

        #expect(first == ["begin", "deliver a"])
        #expect(rest == ["deliver b", "unfollow", "complete, stored"])
        #expect(machine.isOver)
    }

    @Test("fails with what the leading pod failed with, delivered or not, where no other try would help")
    func finalFailure() {
        var early = LeaseMachine.following()
        var late = LeaseMachine.following()
        _ = late.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 20)

        let ofEarly = early.hears(.failed(Scene.refusal, isRetryable: false), at: 30)
        let ofLate = late.hears(.failed(Scene.refusal, isRetryable: false), at: 30)

        #expect(ofEarly == ["unfollow", "fail: refused 400"])
        #expect(ofLate == ["unfollow", "fail: refused 400"])
    }

    @Test("asks for the lease again where another try may help and nothing was delivered, else it is cut")
    func retryableFailure() {
        var early = LeaseMachine.following()
        var late = LeaseMachine.following()
        _ = late.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 20)

        let ofEarly = early.hears(.failed(Scene.overload, isRetryable: true), at: 30)
        let ofLate = late.hears(.failed(Scene.overload, isRetryable: true), at: 30)

        #expect(ofEarly == ["unfollow", "acquire"])
        #expect(ofLate == ["unfollow", "fail: cut"])
    }

    @Test("lives to see three attempts fail, and no more")
    func attemptsMax() {
        var machine = LeaseMachine.following()
        _ = machine.hears(.failed(.draining, isRetryable: true), at: 20)
        _ = machine.replied(.follows(Scene.sight(8), nil), at: Scene.at(30))
        let second = machine.hears(.failed(.draining, isRetryable: true), at: 40)
        _ = machine.replied(.follows(Scene.sight(9), nil), at: Scene.at(50))
        let third = machine.hears(.failed(Scene.overload, isRetryable: true), at: 60)

        #expect(second == ["unfollow", "acquire"])
        #expect(third == ["unfollow", "fail: refused 503"])
    }

    @Test("never goes back to an attempt that was of no use: it goes alone")
    func spent() {
        var machine = LeaseMachine.following()
        let overflow = Failure.limited(limit: "publish_queue_size_max", retryAfter: .zero)

        let asks = machine.hears(.failed(overflow, isRetryable: true), at: 20)
        let alone = machine.replied(.follows(Scene.sight(heartbeat: 3), nil), at: Scene.at(21)).words

        #expect(asks == ["unfollow", "acquire"])
        #expect(alone == ["call alone: exhausted"])
    }

    // MARK: Death

    @Test("takes the lease from a pod of which one and a half leases long nothing was seen, if nothing has changed")
    func dead() {
        var machine = LeaseMachine.following()

        let due = machine.next
        let early = machine.tick(at: Scene.at(4_509)).words
        let steals = machine.tick(at: Scene.at(4_510)).words
        let won = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(4_511)).words

        #expect(due == Scene.at(4_510))
        #expect(early == [])
        #expect(steals == ["unfollow", "steal 7@0"])
        #expect(won == ["announce", "call"])
    }

    @Test("takes every beat and every chunk for a sign of life, and the same sight twice for none")
    func alive() {
        var machine = LeaseMachine.following()
        _ = machine.heard(.sight(Scene.sight(heartbeat: 1)), at: Scene.at(1_000))
        let afterBeat = machine.next
        _ = machine.heard(.sight(Scene.sight(heartbeat: 1)), at: Scene.at(2_000))
        let afterSame = machine.next
        _ = machine.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 3_000)
        _ = machine.tick(at: Scene.at(5_010))
        let afterChunk = machine.next

        #expect(afterBeat == Scene.at(5_010))  // to say again that it follows
        #expect(afterSame == Scene.at(5_010))
        #expect(afterChunk == Scene.at(7_500))
    }

    @Test("is cut where the pod died after something was delivered")
    func deadMidStream() {
        var machine = LeaseMachine.following()
        _ = machine.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 1_000)
        _ = machine.tick(at: Scene.at(5_010))

        let actions = machine.tick(at: Scene.at(5_500)).words

        #expect(actions.prefix(2) == ["unfollow", "fail: cut"])
        #expect(!machine.isOver)
        // Nobody is to follow the dead one any more: its lease is taken, and given back at once.
        let taken = machine.replied(.leads(Scene.sight(), nil), at: Scene.at(5_501)).words
        #expect(actions.count == 3 && actions[2].hasPrefix("steal"))
        #expect(taken.count == 1 && taken[0].hasPrefix("abort"))
        #expect(machine.isOver)
    }

    @Test("leaves the lease alone after a cut where somebody else has it by then")
    func deadMidStreamAndReplaced() {
        var machine = LeaseMachine.following()
        _ = machine.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 1_000)
        _ = machine.tick(at: Scene.at(5_010))
        _ = machine.tick(at: Scene.at(5_500))

        let actions = machine.replied(.follows(Scene.sight(9), nil), at: Scene.at(5_501)).words

        #expect(actions == [])
        #expect(machine.isOver)
    }

    @Test("follows the one who was faster, or the same one if it lives after all")
    func stealLost() {
        var faster = LeaseMachine.following()
        var alive = LeaseMachine.following()
        _ = faster.tick(at: Scene.at(4_510))
        _ = alive.tick(at: Scene.at(4_510))

        let another = faster.replied(.follows(Scene.sight(9), nil), at: Scene.at(4_511)).words
        let same = alive.replied(.follows(Scene.sight(heartbeat: 4), nil), at: Scene.at(4_511)).words

        #expect(another == ["follow 9"])
        #expect(same == ["follow 7"])
    }

    @Test("fails, and does not try it alone, after it has seen four pods die")
    func deadly() {
        var machine = LeaseMachine.following()
        var now = 10
        for number in UInt64(8)...10 {
            now += 4_500
            _ = machine.tick(at: Scene.at(now))
            _ = machine.replied(.follows(Scene.sight(number), nil), at: Scene.at(now))
        }

        let actions = machine.tick(at: Scene.at(now + 4_500)).words

        #expect(actions == ["unfollow", "fail: limited takeovers_max"])
    }

    // MARK: What is missing

    @Test("is cut at a gap, and where the end counts more than came")
    func gaps() {
        var gap = LeaseMachine.following()
        var short = LeaseMachine.following()
        _ = gap.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 20)
        _ = short.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 20)

        let ofGap = gap.hears(.chunks(first: 2, Scene.stream, [Scene.chunk("c")]), at: 30)
        let ofShort = short.hears(.end(count: 2, Scene.stream, usage: nil, isStored: true), at: 30)

        #expect(ofGap == ["unfollow", "fail: cut"])
        #expect(ofShort == ["unfollow", "fail: cut"])
    }

    @Test("waits for the end of a stream that has lost its beginning, for a while, and then finds the answer")
    func trimmed() {
        var near = LeaseMachine.following()
        var far = LeaseMachine.following()
        let late = near.hears(.chunks(first: 5, Scene.stream, [Scene.chunk("f")]), at: 20)
        _ = far.hears(.chunks(first: 5, Scene.stream, [Scene.chunk("f")]), at: 20)

        let ofNear = near.hears(.end(count: 6, Scene.stream, usage: nil, isStored: true), at: 30)
        let patience = far.next
        let ofFar = far.tick(at: Scene.at(2_020)).words

        #expect(late == [])
        #expect(ofNear == ["unfollow", "acquire"])
        #expect(patience == Scene.at(2_020))
        #expect(ofFar == ["unfollow", "call alone: trimmed"])
    }

    @Test("finds the answer where nothing was published of it")
    func unpublished() {
        var machine = LeaseMachine.following(needed: nil)

        let asks = machine.hears(.end(count: 3, Scene.stream, usage: nil, isStored: true), at: 30)

        // Whatever is stored by now was made since: a refresh does not refuse it.
        #expect(asks == ["unfollow", "acquire"])
    }

    @Test("waits a moment for the end where the lease is gone, then asks, or is cut where something was delivered")
    func gone() {
        var empty = LeaseMachine.following()
        var begun = LeaseMachine.following()
        _ = begun.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 20)
        let gone = empty.heard(.sight(nil), at: Scene.at(30)).words
        _ = begun.heard(.sight(nil), at: Scene.at(30))

        let until = empty.next
        let asks = empty.tick(at: Scene.at(130)).words
        let cut = begun.tick(at: Scene.at(130)).words

        #expect(gone == [])
        #expect(until == Scene.at(130))
        #expect(asks == ["unfollow", "acquire"])
        #expect(cut == ["unfollow", "fail: cut"])
    }

    @Test("reads on from a pod that has lost its lease to another, once something was delivered")
    func replaced() {
        var empty = LeaseMachine.following()
        var begun = LeaseMachine.following()
        _ = begun.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 20)
        _ = empty.heard(.sight(Scene.sight(9)), at: Scene.at(30))
        _ = begun.heard(.sight(Scene.sight(9)), at: Scene.at(30))

        let asks = empty.tick(at: Scene.at(130)).words
        let nothing = begun.tick(at: Scene.at(130)).words
        let readsOn = begun.hears(.chunks(first: 1, Scene.stream, [Scene.chunk("b")]), at: 140)

        #expect(asks == ["unfollow", "acquire"])
        #expect(nothing == [])
        #expect(readsOn == ["deliver b"])
    }

    @Test("goes alone where the stream cannot be read, and is cut where something was delivered")
    func unreadable() {
        for news in [FollowNews.unreadable, .unavailable] {
            var empty = LeaseMachine.following()
            var begun = LeaseMachine.following()
            _ = begun.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 20)

            let alone = empty.heard(news, at: Scene.at(30)).words
            let cut = begun.heard(news, at: Scene.at(30)).words

            #expect(alone.first == "unfollow")
            #expect(alone.last?.hasPrefix("call alone: un") == true)
            #expect(cut == ["unfollow", "fail: cut"])
        }
    }

    // MARK: Leaving

    @Test("says every five seconds that it follows, for as long as it does")
    func interest() {
        var machine = LeaseMachine.following()
        _ = machine.heard(.sight(Scene.sight(heartbeat: 1)), at: Scene.at(4_000))
        let again = machine.tick(at: Scene.at(5_010)).words
        let notYet = machine.tick(at: Scene.at(5_011)).words
        let left = machine.left(at: Scene.at(5_012)).words

        #expect(again == ["keep following"])
        #expect(notYet == [])
        #expect(left == ["unfollow"])
        #expect(machine.isOver)
    }

    @Test("ends at its own deadline, and hears nothing that comes after its end")
    func deadline() {
        var machine = LeaseMachine(deadline: 3_000)
        _ = machine.begin(at: Scene.at(0))
        _ = machine.replied(.follows(Scene.sight(), nil), at: Scene.at(10))

        let due = machine.next
        let ended = machine.tick(at: Scene.at(3_000)).words
        let late = machine.hears(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]), at: 3_001)

        #expect(due == Scene.at(3_000))
        #expect(ended == ["unfollow", "fail: timed out total"])
        #expect(late == [])
    }
}
