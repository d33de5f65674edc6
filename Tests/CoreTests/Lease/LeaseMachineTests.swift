import SamovarCore
import Testing

@Suite("A flight's way through the lease")
struct LeaseMachineTests {
    @Test("begins with the question for the lease, with how fresh an answer must be")
    func begins() {
        var usual = LeaseMachine()
        var noCache = LeaseMachine(needed: nil, mayFollow: false)

        let asked = usual.begin(at: Scene.at(0)).words
        let askedAgain = usual.begin(at: Scene.at(1)).words
        let ofNoCache = noCache.begin(at: Scene.at(0)).words

        #expect(asked == ["acquire"])
        #expect(askedAgain == [])
        #expect(ofNoCache == ["acquire whatever is stored"])
    }

    @Test("ends with an answer that is there")
    func hit() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))

        let actions = machine.replied(.hit(Scene.stored()), at: Scene.at(1)).words

        #expect(actions == ["hit"])
        #expect(machine.isOver)
    }

    @Test("takes the lease where the answer that is there does not do, and keeps that for when all else fails")
    func unsuited() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))

        let first = machine.replied(.hit(Scene.stored()), suits: false, at: Scene.at(1)).words
        let second = machine.replied(.hit(Scene.stored()), suits: false, at: Scene.at(2)).words

        #expect(first == ["keep", "acquire whatever is stored"])
        #expect(second == ["keep", "call alone: exhausted"])
    }

    @Test("asks no second time when the time of the shared cache is up")
    func stageTimeout() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))

        let actions = machine.replied(.hit(Scene.stored()), suits: false, at: Scene.at(50)).words

        #expect(actions == ["keep", "call alone: exhausted"])
    }

    @Test("calls with the lease, and listens for pods that want to follow; a stale answer is kept")
    func leads() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))

        let actions = machine.replied(.leads(Scene.sight(1), Scene.stored()), at: Scene.at(1)).words
        let call = machine.calls(progressUntil: Scene.at(5_000), at: Scene.at(2)).words

        #expect(actions == ["keep", "announce", "call"])
        #expect(call == ["go"])
        #expect(machine.standing == .leads)
    }

    @Test("goes alone where Redis says nothing, stores its answer, and gives back what it may have got unknowingly")
    func unavailable() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))

        let actions = machine.replied(.unavailable, at: Scene.at(50)).words
        let call = machine.calls(progressUntil: Scene.at(5_000), at: Scene.at(60)).words
        let chunk = machine.receives("a", at: 100)
        let end = machine.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(200)).words

        #expect(actions == ["call alone: unavailable"])
        #expect(call == ["go"])
        #expect(chunk == [])
        #expect(end == ["set"])
        #expect(!machine.isOver)
        // Whoever finds no lease any more is to find the answer.
        #expect(machine.wasSet(at: Scene.at(201)).words == ["abort"])
        #expect(machine.isOver)
    }

    @Test("stores nothing that was invalidated while it was made")
    func invalidated() {
        var alone = LeaseMachine(needed: nil, mayFollow: false)
        _ = alone.begin(at: Scene.at(0))
        _ = alone.replied(.follows(Scene.sight(), nil), at: Scene.at(1))
        _ = alone.calls(progressUntil: Scene.at(5_000), at: Scene.at(2))
        var leading = LeaseMachine.calling()

        let ofAlone = alone.invalidated(at: Scene.at(100)).words
        _ = leading.invalidated(at: Scene.at(100))
        let endAlone = alone.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(200)).words
        let endLeading = leading.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(200)).words

        #expect(ofAlone == [])
        #expect(endAlone == [])
        #expect(endLeading == ["withdraw"])
    }

    @Test("gives the lease of what was invalidated back at once, and goes on for those who read its stream")
    func givenBack() {
        var machine = LeaseMachine.calling()
        _ = machine.receives("a", at: 50)
        _ = machine.interested(at: Scene.at(60))
        _ = machine.published(true, at: Scene.at(61))

        let back = machine.invalidated(at: Scene.at(100)).words
        let again = machine.invalidated(at: Scene.at(101)).words
        let renewal = machine.tick(at: Scene.at(1_100)).words
        let chunk = machine.receives("b", at: 1_200)
        let end = machine.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(1_300)).words
        let last = machine.published(true, at: Scene.at(1_301)).words

        #expect(back == ["give back"])
        #expect(again == [])
        #expect(renewal == [])
        #expect(chunk == [])
        #expect(end == ["publish 1:b"])
        #expect(last == ["publish end 2", "withdraw"])
        #expect(machine.isOver)
    }

    @Test("leads nobody where it was invalidated before the call, and calls for its own callers")
    func invalidatedBeforeCall() {
        var whileAsking = LeaseMachine()
        _ = whileAsking.begin(at: Scene.at(0))
        var whileWaiting = LeaseMachine()
        _ = whileWaiting.begin(at: Scene.at(0))
        _ = whileWaiting.replied(.leads(Scene.sight(1), nil), at: Scene.at(1))
        var whileRenewing = LeaseMachine()
        _ = whileRenewing.begin(at: Scene.at(0))
        _ = whileRenewing.replied(.leads(Scene.sight(1), nil), at: Scene.at(1))
        _ = whileRenewing.calls(progressUntil: Scene.at(9_000), at: Scene.at(2_500))

        let asking = whileAsking.invalidated(at: Scene.at(1)).words
        let leads = whileAsking.replied(.leads(Scene.sight(1), nil), at: Scene.at(2)).words
        let waiting = whileWaiting.invalidated(at: Scene.at(2)).words
        let call = whileWaiting.calls(progressUntil: Scene.at(9_000), at: Scene.at(3)).words
        let renewing = whileRenewing.invalidated(at: Scene.at(2_501)).words
        let renewed = whileRenewing.renewed(.renewed(isFollowed: true), at: Scene.at(2_502)).words

        #expect(asking == [])
        #expect(leads == ["abort, cut, try again", "call alone: invalidated"])
        #expect(waiting == ["withdraw", "abort, cut, try again"])
        #expect(call == ["go"])
        #expect(renewing == [])
        #expect(renewed == ["withdraw", "abort, cut, try again", "call alone: invalidated"])
        #expect(whileWaiting.standing == .alone(.invalidated))
    }

    @Test("fails a request that has outlived too many pods, and calls nobody for it")
    func poisoned() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))

        let actions = machine.replied(.poisoned, at: Scene.at(1)).words

        #expect(actions == ["fail: limited takeovers_max"])
        #expect(machine.isOver)
    }

    @Test("follows nobody who began before a caller that wants nothing older than itself")
    func newer() {
        var machine = LeaseMachine(needed: nil, mayFollow: false)
        _ = machine.begin(at: Scene.at(0))

        let actions = machine.replied(.follows(Scene.sight(), Scene.stored()), at: Scene.at(1)).words

        #expect(actions == ["keep", "call alone: newer"])
    }

    @Test("gives the lease back when the callers have left during the question")
    func leftWhileAsking() {
        var leads = LeaseMachine()
        var lost = LeaseMachine()
        var follows = LeaseMachine()
        for machine in [0, 1, 2] {
            switch machine {
            case 0: _ = leads.begin(at: Scene.at(0)) + leads.left(at: Scene.at(1))
            case 1: _ = lost.begin(at: Scene.at(0)) + lost.left(at: Scene.at(1))
            default: _ = follows.begin(at: Scene.at(0)) + follows.left(at: Scene.at(1))
            }
        }

        let ofLeading = leads.replied(.leads(Scene.sight(1), nil), at: Scene.at(2)).words
        let ofLost = lost.replied(.unavailable, at: Scene.at(50)).words
        let ofFollowing = follows.replied(.follows(Scene.sight(), nil), at: Scene.at(2)).words

        #expect(ofLeading == ["abort, cut, try again"])
        #expect(ofLost == ["abort"])
        #expect(ofFollowing == [])
        #expect(leads.isOver && lost.isOver && follows.isOver)
    }

    @Test("gives the lease back when the callers have left before the call")
    func leftBeforeCall() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))
        _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(1))

        let actions = machine.left(at: Scene.at(2)).words
        let call = machine.calls(progressUntil: Scene.at(5_000), at: Scene.at(3)).words

        #expect(actions == ["cancel", "abort, cut, try again", "withdraw"])
        #expect(call == [])
        #expect(machine.isOver)
    }
}
