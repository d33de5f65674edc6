import TestSupport
import Testing

@testable import SamovarCore

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

private func kin(
    route: String = "r", tenant: String = "t", authorization: String? = nil, project: String? = nil,
    model: String = "m",
    upstreams: [String] = ["u"]
) throws -> EmbeddingBoard.Kin {
    let body = try CanonicalBody(Array(#"{"model":"\#(model)","input":"x"}"#.utf8))
    var headers = KeyedHeaders()
    headers["openai-project"] = project
    return EmbeddingBoard.Kin(
        route: Route(name: route, upstreams: upstreams), tenant: .listener(tenant),
        authorization: authorization.map(Secret.init), headers: headers,
        rest: try #require(EmbeddingInput(of: body)).rest)
}

@Suite("Which embeddings are asked for together")
struct EmbeddingBoardTests {
    private let small = EmbeddingBatch.Size(textSize: 10, restSize: 20)
    private let limits = EmbeddingBatch.Limits(sizeMax: 3, window: .milliseconds(5))
    private var board = EmbeddingBoard()

    private func submit(
        _ board: inout EmbeddingBoard, _ kin: EmbeddingBoard.Kin, hasRoom: Bool = false, at now: Instant = at(0)
    ) -> EmbeddingBoard.SubmitAction {
        board.submit(small, of: kin, limits: limits, hasRoom: hasRoom, at: now)
    }

    @Test("who finds room goes alone, at once")
    func alone() throws {
        var board = board
        let action = submit(&board, try kin(), hasRoom: true)
        #expect(action == .init(member: nil, called: []))
        #expect(board.next == .never)
    }

    @Test("who finds none waits for others until the window of the first has passed")
    func window() throws {
        var board = board
        let alice = submit(&board, try kin(), at: at(0)).member
        let bob = submit(&board, try kin(), at: at(4)).member
        let next = board.next
        let early = board.tick(at: at(4))
        let called = board.tick(at: at(5))
        let going = board.go(try #require(called.first))
        #expect(next == at(5))
        #expect(early == [])
        #expect(called.count == 1)
        #expect(going == [alice, bob])
        #expect(board.next == .never)
    }

    @Test("a batch that is full goes at once, and the next one begins anew")
    func full() throws {
        var board = board
        let actions = try (0..<4).map { _ in submit(&board, try kin()) }
        #expect(actions.map(\.called.count) == [0, 0, 1, 0])
        #expect(board.gathering.count == 1)
    }

    @Test("one for whom there is no room beside the others sends them off, and is the first of the next")
    func noRoomInside() throws {
        var board = EmbeddingBoard(bodySizeMax: 44)
        let actions = try (0..<3).map { _ in submit(&board, try kin()) }
        let going = board.go(try #require(actions[2].called.first))
        #expect(actions.map(\.called.count) == [0, 0, 1])
        #expect(going == [actions[0].member, actions[1].member])
        #expect(board.gathering.map { board.members(of: $0) } == [[try #require(actions[2].member)]])
    }

    @Test("once there is room, who comes takes those with him who wait")
    func roomOnArrival() throws {
        var board = board
        let alice = submit(&board, try kin()).member
        let bob = submit(&board, try kin(), hasRoom: true)
        let going = board.go(try #require(bob.called.first))
        #expect(going == [alice, bob.member])
    }

    @Test("those who differ in anything but the input are never asked for together")
    func strangers() throws {
        let kins = [
            try kin(), try kin(route: "other"), try kin(tenant: "other"), try kin(authorization: "a"),
            try kin(authorization: "b"), try kin(project: "p"), try kin(model: "n"), try kin(upstreams: ["v"]),
        ]
        var board = board
        for kin in kins + kins { _ = submit(&board, kin) }
        #expect(board.gathering.count == kins.count)
        for ticket in board.gathering { #expect(board.members(of: ticket).count == 2) }
    }

    @Test("what was called counts until it goes, for the upstreams that may answer it")
    func calledCount() throws {
        var board = board
        _ = submit(&board, try kin())
        _ = submit(&board, try kin(upstreams: ["v"]))
        let called = board.tick(at: at(5))
        let before = [["u"], ["v"], ["w"]].map { board.calledCount(of: $0) }
        _ = board.go(called[0])
        board.end(called[1])
        let after = [["u"], ["v"]].map { board.calledCount(of: $0) }
        #expect(before == [1, 1, 0])
        #expect(after == [0, 0])
    }

    @Test("the last one who leaves takes the batch with him, wherever it is")
    func leaving() throws {
        var board = board
        let alice = try #require(submit(&board, try kin()).member)
        let whileGathering = board.leave(alice)
        let twice = board.leave(alice)
        let isEmpty = board.gathering.isEmpty

        let bob = try #require(submit(&board, try kin()).member)
        let carol = try #require(submit(&board, try kin()).member)
        let ticket = try #require(board.tick(at: at(5)).first)
        _ = board.go(ticket)
        let bobs = board.leave(bob)
        let carols = board.leave(carol)
        let again = board.go(ticket)

        #expect(whileGathering != nil)
        #expect(twice == nil)
        #expect(isEmpty)
        #expect(bobs == nil)
        #expect(carols == ticket)
        #expect(again == [])
    }

    /// Everything that can happen, at random, beside a list of who is where.
    @Test(
        "over random histories nobody is lost, asked for twice or among strangers",
        arguments: 0...99 as ClosedRange<UInt64>)
    func histories(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let kins = try (0..<3).map { try kin(model: "m\($0)") }
        let limits = EmbeddingBatch.Limits(sizeMax: 4, window: .milliseconds(5), tokensMax: 60)
        var board = EmbeddingBoard(bodySizeMax: 200)
        var now = at(0)
        var waiting: [EmbeddingBatch.Member: (kin: Int, size: EmbeddingBatch.Size, since: Instant)] = [:]
        var called: [EmbeddingBoard.Ticket] = []
        var gone: [EmbeddingBoard.Ticket: [EmbeddingBatch.Member]] = [:]
        var everGone: Set<EmbeddingBatch.Member> = []
        for _ in 0..<400 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let which = Int.random(in: 0..<kins.count, using: &random)
                let size = EmbeddingBatch.Size(
                    textSize: Int.random(in: 3...120, using: &random), restSize: Int.random(in: 10...60, using: &random)
                )
                let hasRoom = Int.random(in: 0..<8, using: &random) == 0
                let action = board.submit(size, of: kins[which], limits: limits, hasRoom: hasRoom, at: now)
                if let member = action.member { waiting[member] = (which, size, now) }
                called += action.called
            case 5:
                now = now.advanced(by: .milliseconds(Int.random(in: 0...3, using: &random)))
                called += board.tick(at: now)
                for ticket in board.gathering {
                    for member in board.members(of: ticket) {
                        let since = try #require(waiting[member]).since
                        #expect(now < since.advanced(by: limits.window))
                    }
                }
            case 6:
                if let ticket = board.gathering.randomElement(using: &random), board.call(ticket) {
                    called.append(ticket)
                }
            case 7:
                guard !called.isEmpty else { continue }
                let ticket = called.remove(at: Int.random(in: 0..<called.count, using: &random))
                let members = board.go(ticket)
                for member in members {
                    #expect(waiting[member] != nil)
                    #expect(everGone.insert(member).inserted)
                }
                let all = members.compactMap { waiting[$0] }
                #expect(Set(all.map(\.kin)).count <= 1)
                #expect(members.count <= limits.sizeMax)
                if members.count > 1 {
                    let texts = all.reduce(0) { $0 + $1.size.textSize + 1 }
                    let bodySize = texts + (all.map(\.size.restSize).max() ?? 0) + 2
                    let tokenCount = all.reduce(0) { $0 + ($1.size.textSize + 1) / 4 }
                    #expect(bodySize <= 200)
                    #expect(tokenCount <= limits.tokensMax)
                }
                gone[ticket] = members
            case 8:
                guard let member = waiting.keys.sorted(by: { $0.number < $1.number }).randomElement(using: &random)
                else { continue }
                waiting[member] = nil
                let over = board.leave(member)
                if let over {
                    called.removeAll { $0 == over }
                    gone[over] = nil
                }
            default:
                guard let ticket = gone.keys.sorted().randomElement(using: &random) else { continue }
                if Bool.random(using: &random), let place = gone[ticket]?.indices.randomElement(using: &random),
                    let action = board.refuse(at: place, of: ticket), action.goesAgain
                {
                    #expect(action.refused == gone[ticket]?[place])
                    waiting[action.refused] = nil
                    let again = board.go(ticket)
                    #expect(again == gone[ticket]?.filter { $0 != action.refused && waiting[$0] != nil })
                    gone[ticket] = again
                } else {
                    for member in gone.removeValue(forKey: ticket) ?? [] { waiting[member] = nil }
                    board.end(ticket)
                }
            }
        }
        // All come to their end, and nothing is left behind.
        called += board.tick(at: now.advanced(by: limits.window))
        for ticket in called { gone[ticket] = board.go(ticket) }
        let left = Set(gone.values.joined())
        for ticket in gone.keys.sorted() { board.end(ticket) }
        #expect(left.isSuperset(of: waiting.keys))
        #expect(board.isEmpty)
    }
}
