import NIOCore
import Testing

@testable import provider

@Suite("who is let in")
struct DoorTests {
    private let noon = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let hello = Result<Ask?, Refusal>.success(.text(Scene.ask()))
    private let stream = Result<Ask?, Refusal>.success(.text(Scene.ask { $0.stream = true }))

    private func ruling(_ settings: Settings, _ ask: Result<Ask?, Refusal>) -> Door.Admission.Ruling {
        var door = Door(settings)
        return door.arrived(Visit(), asking: ask, at: noon).ruling
    }

    private func status(_ ruling: Door.Admission.Ruling) -> Int {
        switch ruling {
        case .serve: 200
        case .redirect: 302
        case .refuse(let refusal): refusal.status
        }
    }

    @Test("attempts are numbered from one, refused or not")
    func attempts() {
        var door = Door(Settings())

        let alice = door.arrived(Visit(), asking: hello, at: noon)
        let mallory = door.arrived(Visit(), asking: .failure(.unauthorized), at: noon)
        let bob = door.arrived(Visit(), asking: hello, at: noon)

        #expect([alice, mallory, bob].map(\.attempt) == [1, 2, 3])
        #expect([alice, mallory, bob].map { status($0.ruling) } == [200, 401, 200])
    }

    private func embedding(_ inputs: [String]) -> Result<Ask?, Refusal> {
        .success(
            .embedding(
                EmbeddingAsk(
                    model: "m", inputs: inputs, digests: inputs.map { Digest(of: Array($0.utf8)) }, promptTokenCount: 1,
                    dimensions: 1, asBase64: false)))
    }

    @Test("one input of several is refused by its place, or by a text in it")
    func refusedInput() {
        let byPlace = Scene.settings { $0.refuseInput = 1 }
        let byText = Scene.settings { $0.refuseInputText = "bad" }

        #expect(ruling(byPlace, embedding(["a", "b"])) == .refuse(.invalidInput(at: 1)))
        #expect(ruling(byPlace, embedding(["a"])) == .serve)
        #expect(ruling(byText, embedding(["a", "b", "a bad one"])) == .refuse(.invalidInput(at: 2)))
        #expect(ruling(byText, embedding(["a", "b"])) == .serve)
        #expect(Refusal.invalidInput(at: 2).param == "input[2]")
    }

    @Test("no more at once than the limit, and again one when one has left")
    func concurrency() {
        var door = Door(Scene.settings { $0.concurrentMax = 2 })

        let entered = (0..<3).map { _ in status(door.arrived(Visit(), asking: hello, at: noon).ruling) }
        door.ended(cancelled: true)
        let next = status(door.arrived(Visit(), asking: hello, at: noon).ruling)

        #expect(entered == [200, 200, 503])
        #expect(next == 200)
        #expect(door.ledger.concurrent == 2)
        #expect(door.ledger.cancelledCount == 1)
    }

    @Test("above the rate it is 429, with the seconds to wait rounded up")
    func rate() {
        var door = Door(Scene.settings { $0.capacityPerSecond = 0.4 })

        let first = door.arrived(Visit(), asking: hello, at: noon)
        let second = door.arrived(Visit(), asking: hello, at: noon)

        #expect(first.ruling == .serve)
        #expect(second.ruling == .refuse(.throttled(retryAfter: 3)))
        #expect(second.remaining == 0)
    }

    @Test("a wrong body is not charged against the rate")
    func wrongBody() {
        var door = Door(Scene.settings { $0.capacityPerSecond = 1 })

        let wrong = door.arrived(Visit(), asking: .failure(.invalid("no")), at: noon)
        let right = door.arrived(Visit(), asking: hello, at: noon)

        #expect(status(wrong.ruling) == 400)
        #expect(right.ruling == .serve)
    }

    @Test("a change of rate fills the bucket, any other change leaves it")
    func changeOfRate() throws {
        var door = Door(Scene.settings { $0.capacityPerSecond = 1 })
        _ = door.arrived(Visit(), asking: hello, at: noon)

        try door.change([JSON.Member(name: "tokens", value: .number(5))])
        let same = status(door.arrived(Visit(), asking: hello, at: noon).ruling)
        try door.change([JSON.Member(name: "capacity_per_second", value: .number(2))])
        let other = status(door.arrived(Visit(), asking: hello, at: noon).ruling)

        #expect(same == 429)
        #expect(other == 200)
    }

    @Test("errors are drawn by the seed: the same for the same, about as many as told")
    func errors() {
        func run(seed: Int) -> [Int] {
            var door = Door(
                Scene.settings {
                    $0.errorRate = 0.25
                    $0.errorStatus = 502
                    $0.seed = seed
                })
            return (0..<1_000).map { _ in status(door.arrived(Visit(), asking: hello, at: noon).ruling) }
        }
        let first = run(seed: 1)

        #expect(first == run(seed: 1))
        #expect(first != run(seed: 2))
        #expect((200...300).contains(first.count { $0 == 502 }))
    }

    @Test("an ordered status goes before all but a missing key")
    func orderedStatus() {
        let settings = Scene.settings {
            $0.status = 503
            $0.retryAfter = 4
        }

        #expect(ruling(settings, hello) == .refuse(.ordered(status: 503, retryAfter: 4)))
        #expect(status(ruling(settings, .failure(.invalid("no")))) == 503)
        #expect(ruling(settings, .failure(.unauthorized)) == .refuse(.unauthorized))
    }

    @Test("streams and their options are refused when told, others are not")
    func refusedStreams() {
        let options = Result<Ask?, Refusal>.success(
            .text(
                Scene.ask {
                    $0.stream = true
                    $0.hasStreamOptions = true
                }))
        let noStreams = Scene.settings { $0.refuseStream = true }
        let noOptions = Scene.settings { $0.refuseStreamOptions = true }

        #expect(status(ruling(noStreams, stream)) == 400)
        #expect(ruling(noStreams, hello) == .serve)
        #expect(status(ruling(noOptions, options)) == 400)
        #expect(ruling(noOptions, stream) == .serve)
    }

    @Test("a redirect is for everybody")
    func redirect() {
        #expect(ruling(Scene.settings { $0.redirectTo = "http://x/" }, hello) == .redirect(to: "http://x/"))
    }
}
