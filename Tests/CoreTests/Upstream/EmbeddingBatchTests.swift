import Testing

@testable import SamovarCore

@Suite("A batch of embeddings")
struct EmbeddingBatchTests {
    private let alice = EmbeddingBatch.Member(number: 1)
    private let bob = EmbeddingBatch.Member(number: 2)
    private let carol = EmbeddingBatch.Member(number: 3)
    private let small = EmbeddingBatch.Size(textSize: 10, restSize: 20)

    private func batch(_ limits: EmbeddingBatch.Limits = .init(sizeMax: 3), bodySizeMax: Int = 1_000) -> EmbeddingBatch
    {
        EmbeddingBatch(limits, bodySizeMax: bodySizeMax)
    }

    private func gone() -> EmbeddingBatch {
        var batch = batch()
        for member in [alice, bob, carol] { _ = batch.join(member, small) }
        batch.call()
        _ = batch.go()
        return batch
    }

    @Test("takes as many as it may, in the order in which they come")
    func joins() {
        var batch = batch(.init(sizeMax: 2))
        let joined = [alice, bob, carol].map { batch.join($0, small) }
        #expect(joined == [true, true, false])
        #expect(batch.isFull)
        let going = batch.go()
        #expect(going == [alice, bob])
    }

    @Test("is no larger than a body may be: one rest, the texts, commas and brackets")
    func bodySize() {
        // 20 + 2 brackets + 10 and a comma each.
        var fits = batch(bodySizeMax: 44)
        var isTooLarge = batch(bodySizeMax: 43)
        let first = [fits.join(alice, small), fits.join(bob, small)]
        let second = [isTooLarge.join(alice, small), isTooLarge.join(bob, small)]
        #expect(first == [true, true])
        #expect(second == [true, false])
    }

    @Test("asks for no more tokens than one call may have, at four bytes each")
    func tokens() {
        let size = EmbeddingBatch.Size(textSize: 42, restSize: 0)
        var fits = batch(.init(tokensMax: 20))
        var isTooMuch = batch(.init(tokensMax: 19))
        let first = [fits.join(alice, size), fits.join(bob, size)]
        let second = [isTooMuch.join(alice, size), isTooMuch.join(bob, size)]
        #expect(first == [true, true])
        #expect(second == [true, false])
    }

    @Test("always has room for the first, however large")
    func first() {
        var batch = batch(.init(tokensMax: 1), bodySizeMax: 1)
        let joined = batch.join(alice, .init(textSize: 100, restSize: 100))
        #expect(joined)
    }

    @Test("who leaves before the call is not asked for; the last one takes the batch with it")
    func leavesEarly() {
        var batch = batch()
        _ = batch.join(alice, small)
        _ = batch.join(bob, small)
        let alices = batch.leave(alice)
        batch.call()
        let tooLate = batch.join(carol, small)
        let going = batch.go()
        #expect(alices == .takenOut)
        #expect(!tooLate)
        #expect(going == [bob])

        var other = self.batch()
        _ = other.join(alice, small)
        other.call()
        let last = other.leave(alice)
        #expect(last == .over)
    }

    @Test("who leaves during the call is asked for with the others, and the call ends with the last of them")
    func leavesLate() {
        var batch = gone()
        let actions = [bob, alice, carol].map { batch.leave($0) }
        #expect(actions == [.stays, .stays, .over])
    }

    @Test("without one that is refused by its place the others go again, less those who have left; once")
    func refused() {
        var batch = gone()
        _ = batch.leave(alice)
        // Places are those of the call, whoever has left since.
        let first = batch.refuse(at: 1)
        let again = batch.go()
        let second = batch.refuse(at: 0)
        #expect(first == .init(refused: bob, goesAgain: true, givenUp: []))
        #expect(again == [carol])
        #expect(second == .init(refused: carol, goesAgain: false, givenUp: []))

        var other = gone()
        _ = other.refuse(at: 2)
        _ = other.go()
        let last = other.refuse(at: 0)
        #expect(last == .init(refused: alice, goesAgain: false, givenUp: [bob]))
    }

    @Test("a place that is none refuses nobody", arguments: [-1, 3])
    func refusedNobody(place: Int) {
        var batch = gone()
        let action = batch.refuse(at: place)
        let going = batch.go()
        #expect(action == nil)
        #expect(going == [alice, bob, carol])
    }
}
