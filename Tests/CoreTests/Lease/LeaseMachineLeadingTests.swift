import SamovarCore
import Testing

@Suite("A flight that leads")
struct LeaseMachineLeadingTests {
    // MARK: Before the call

    @Test("renews a lease that has become too old before the call, and calls when it still has it")
    func tooOld() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))
        _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(1))

        let late = machine.calls(progressUntil: Scene.at(9_000), at: Scene.at(2_400)).words
        let renewed = machine.renewed(.renewed(isFollowed: false), at: Scene.at(2_401)).words
        let call = machine.calls(progressUntil: Scene.at(9_000), at: Scene.at(2_402)).words

        #expect(late == ["renew"])
        #expect(renewed == ["call"])
        #expect(call == ["go"])
    }

    @Test("calls up to four fifths of the lease after the question was sent")
    func justInTime() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))
        _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(2_300))

        let call = machine.calls(progressUntil: Scene.at(9_000), at: Scene.at(2_399)).words

        #expect(call == ["go"])
    }

    @Test("asks anew where the lease was lost before the call, and goes alone where nobody says")
    func lostBeforeCall() {
        func paused() -> LeaseMachine {
            var machine = LeaseMachine()
            _ = machine.begin(at: Scene.at(0))
            _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(1))
            _ = machine.calls(progressUntil: Scene.at(9_000), at: Scene.at(5_000))
            return machine
        }
        var lost = paused()
        var unknown = paused()

        let before = lost.attempt
        let ofLost = lost.renewed(.lost, at: Scene.at(5_001)).words
        let after = lost.attempt
        let followed = lost.replied(.follows(Scene.sight(), nil), at: Scene.at(5_002)).words
        let ofUnknown = unknown.renewed(.unavailable, at: Scene.at(5_025)).words

        #expect(ofLost == ["withdraw", "acquire"])
        // Else it would look to others just as the lost one did.
        #expect(before != after)
        #expect(followed == ["follow 7"])
        #expect(ofUnknown == ["withdraw", "call alone: unavailable"])
    }

    @Test("keeps the lease while the call waits for its turn, and calls when that comes")
    func waiting() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))
        _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(1))
        machine.waits(until: Scene.at(10_000), at: Scene.at(2))

        var words: [[String]] = []
        for second in 1...6 {
            words.append(machine.tick(at: Scene.at(second * 1_000)).words)
            _ = machine.renewed(.renewed(isFollowed: true), at: Scene.at(second * 1_000 + 5))
        }
        let call = machine.calls(progressUntil: Scene.at(15_000), at: Scene.at(6_500)).words

        #expect(words == Array(repeating: ["renew"], count: 6))
        #expect(call == ["go"])
    }

    @Test("does not keep the lease for a call that waits beyond its time")
    func waitingInVain() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))
        _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(1))
        machine.waits(until: Scene.at(1_500), at: Scene.at(2))

        let first = machine.tick(at: Scene.at(1_000)).words
        _ = machine.renewed(.renewed(isFollowed: false), at: Scene.at(1_005))
        let second = machine.tick(at: Scene.at(2_000)).words

        #expect(first == ["renew"])
        #expect(second == [])
    }

    @Test("asks before the call whether the lease is still its own that was lost while the call waited")
    func lostWhileWaiting() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))
        _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(1))
        machine.waits(until: Scene.at(10_000), at: Scene.at(2))
        _ = machine.tick(at: Scene.at(1_000))
        _ = machine.renewed(.lost, at: Scene.at(1_005))

        let call = machine.calls(progressUntil: Scene.at(9_000), at: Scene.at(1_010)).words
        let then = machine.renewed(.lost, at: Scene.at(1_020)).words

        #expect(call == ["renew"])
        #expect(then == ["withdraw", "acquire"])
    }

    @Test("whoever is not let through to the upstream lets another pod try")
    func notLetThrough() {
        var machine = LeaseMachine()
        _ = machine.begin(at: Scene.at(0))
        _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(1))
        machine.waits(until: Scene.at(10_000), at: Scene.at(2))

        let refused = Failure.limited(limit: "queue_timeout", retryAfter: .seconds(3))
        let words = machine.ended(.failed(refused), at: Scene.at(3_000)).words

        #expect(words == ["abort, limited queue_timeout, try again", "withdraw"])
        #expect(machine.isOver)
    }

    // MARK: While the upstream answers

    @Test("renews at each third of the lease, counted from the question")
    func renews() {
        var machine = LeaseMachine.calling()

        let early = machine.tick(at: Scene.at(999)).words
        let due = machine.next
        let first = machine.tick(at: Scene.at(1_000)).words
        let whileUnderWay = machine.tick(at: Scene.at(2_500)).words
        let replied = machine.renewed(.renewed(isFollowed: false), at: Scene.at(2_501)).words
        let second = machine.tick(at: Scene.at(2_502)).words

        #expect(early == [])
        #expect(due == Scene.at(1_000))
        #expect(first == ["renew"])
        #expect(whileUnderWay == [])
        #expect(replied == [])
        #expect(second == ["renew"])
    }

    @Test("publishes nothing while nobody follows, and says no end")
    func quiet() {
        var machine = LeaseMachine.calling()

        let chunk = machine.receives("a", at: 100)
        let end = machine.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(200)).words
        let over = machine.committed(.stored, at: Scene.at(201)).words

        #expect(chunk == [])
        #expect(end == ["commit"])
        #expect(over == ["withdraw"])
        #expect(machine.isOver)
    }

    @Test("publishes all so far to the first that follows, then what comes, then the end with the commit")
    func published() {
        var machine = LeaseMachine.calling()
        _ = machine.receives("a", at: 100)
        _ = machine.receives("b", at: 110)

        let prefix = machine.interested(at: Scene.at(200)).words
        let taken = machine.published(true, at: Scene.at(201)).words
        let collected = machine.receives("c", at: 210)
        let due = machine.next
        let live = machine.tick(at: Scene.at(230)).words
        _ = machine.published(true, at: Scene.at(231))
        let end = machine.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(300)).words

        #expect(prefix == ["publish 0:a,b"])
        #expect(taken == [])
        #expect(collected == [])
        #expect(due == Scene.at(230))
        #expect(live == ["publish 2:c"])
        #expect(end == ["commit, end 3 stored"])
    }

    @Test("learns of followers from a renewal, where the word of them got lost")
    func followedByRenewal() {
        var machine = LeaseMachine.calling()
        _ = machine.receives("a", at: 100)
        _ = machine.tick(at: Scene.at(1_000))

        let actions = machine.renewed(.renewed(isFollowed: true), at: Scene.at(1_001)).words

        #expect(actions == ["publish 0:a"])
    }

    @Test("publishes what is left before the end, one after the other")
    func rest() {
        var machine = LeaseMachine.calling()
        _ = machine.receives("a", at: 100)
        _ = machine.interested(at: Scene.at(101))
        _ = machine.receives("b", at: 102)

        let whileBusy = machine.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(103)).words
        let afterFirst = machine.published(true, at: Scene.at(104)).words
        let afterRest = machine.published(true, at: Scene.at(105)).words

        #expect(whileBusy == [])
        #expect(afterFirst == ["publish 1:b"])
        #expect(afterRest == ["commit, end 2 stored"])
    }

    @Test("shows nothing to those who come while the upstream is silent beyond its budget")
    func silent() {
        var machine = LeaseMachine.calling()
        _ = machine.receives("a", at: 100)

        let tooLate = machine.interested(at: Scene.at(3_100)).words
        let renewal = machine.tick(at: Scene.at(3_100)).words
        let idle = machine.next
        let again = machine.receives("b", at: 6_000)
        let beats = machine.tick(at: Scene.at(6_000)).words

        #expect(tooLate == [])
        #expect(renewal == [])
        #expect(idle == .never)
        #expect(again == ["publish 0:a,b"])
        #expect(beats == ["renew"])
    }

    @Test("goes on for those who read its stream when the lease is lost, stores nothing, and tells them the end")
    func lost() {
        var machine = LeaseMachine.calling()
        _ = machine.receives("a", at: 100)
        _ = machine.interested(at: Scene.at(101))
        _ = machine.published(true, at: Scene.at(102))
        _ = machine.tick(at: Scene.at(1_000))

        let heard = machine.renewed(.lost, at: Scene.at(1_001)).words
        let next = machine.next
        let end = machine.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(1_500)).words

        #expect(heard == [])
        #expect(next == .never)
        #expect(end == ["publish end 1", "withdraw"])
        #expect(machine.isOver)
    }

    @Test("tells those who read its stream the end where the commit was refused, or nobody knows")
    func refusedCommit() {
        for reply in [CommitReply.lost, .unavailable] {
            var machine = LeaseMachine.calling()
            _ = machine.receives("a", at: 100)
            _ = machine.interested(at: Scene.at(101))
            _ = machine.published(true, at: Scene.at(102))
            _ = machine.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(200))

            let end = machine.committed(reply, at: Scene.at(201)).words

            #expect(end == ["publish end 1", "withdraw"])
        }
    }

    // MARK: How it ends

    @Test(
        "says whether another pod is to try: not after a refusal, once after trouble, twice after a cut or a drain"
    )
    func retryable() {
        func abort(_ failure: Failure, after failures: [Failure]) -> [String] {
            var machine = LeaseMachine()
            _ = machine.begin(at: Scene.at(0))
            for (number, failure) in failures.enumerated() {
                _ = machine.replied(.follows(Scene.sight(UInt64(10 + number)), nil), at: Scene.at(1))
                _ = machine.heard(.entries([.failed(failure, isRetryable: true)]), at: Scene.at(2))
            }
            _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(3))
            _ = machine.calls(progressUntil: Scene.at(5_000), at: Scene.at(4))
            return machine.ended(.failed(failure), at: Scene.at(5)).words
        }

        #expect(abort(Scene.refusal, after: []) == ["abort, refused 400", "withdraw"])
        #expect(abort(Scene.overload, after: []) == ["abort, refused 503, try again", "withdraw"])
        #expect(abort(Scene.overload, after: [Scene.overload]) == ["abort, refused 503", "withdraw"])
        #expect(abort(.timedOut(.firstToken), after: []) == ["abort, timed out first_token, try again", "withdraw"])
        #expect(abort(.draining, after: [.draining]) == ["abort, draining, try again", "withdraw"])
        #expect(abort(.cut, after: [.cut, .cut]) == ["abort, cut", "withdraw"])
        #expect(abort(.tooLarge(limit: "answer_size_max"), after: []).first?.hasSuffix("try again") == false)
    }

    @Test("cancels the upstream with its last caller, unless another pod follows, until that has gone too")
    func left() {
        var unfollowed = LeaseMachine.calling()
        var followed = LeaseMachine.calling()
        _ = followed.interested(at: Scene.at(100))

        let cancelled = unfollowed.left(at: Scene.at(200)).words
        let goesOn = followed.left(at: Scene.at(200)).words
        _ = followed.tick(at: Scene.at(1_000))
        let stillFollowed = followed.renewed(.renewed(isFollowed: true), at: Scene.at(1_001)).words
        _ = followed.tick(at: Scene.at(2_000))
        let nobody = followed.renewed(.renewed(isFollowed: false), at: Scene.at(2_001)).words
        let end = followed.ended(.failed(.cut), at: Scene.at(2_002)).words

        #expect(cancelled == ["cancel"])
        #expect(goesOn == [])
        #expect(stillFollowed == [])
        #expect(nobody == ["cancel"])
        #expect(end == ["abort, cut, try again", "withdraw"])
    }

    @Test("takes no renewal for a sign that nobody follows which was sent before somebody came")
    func followedMeanwhile() {
        var machine = LeaseMachine.calling()
        _ = machine.tick(at: Scene.at(1_000))
        _ = machine.interested(at: Scene.at(1_001))
        _ = machine.left(at: Scene.at(1_002))

        let actions = machine.renewed(.renewed(isFollowed: false), at: Scene.at(1_003)).words

        #expect(actions == [])
    }

    @Test("finishes for the cache's sake where the route says so")
    func finishWhenLeft() {
        var machine = LeaseMachine.calling(finishWhenLeft: true)

        let left = machine.left(at: Scene.at(200)).words
        let end = machine.ended(.whole(stores: true, Scene.stream, usage: nil), at: Scene.at(300)).words

        #expect(left == [])
        #expect(end == ["commit"])
    }

    @Test(
        "gives the lease back without an answer that is not to be stored, and tells those who follow that it is whole")
    func notStored() {
        var machine = LeaseMachine.calling()
        _ = machine.receives("a", at: 100)
        _ = machine.interested(at: Scene.at(101))
        _ = machine.published(true, at: Scene.at(102))

        let end = machine.ended(.whole(stores: false, Scene.stream, usage: nil), at: Scene.at(200)).words

        #expect(end == ["release, end 1"])
    }
}
