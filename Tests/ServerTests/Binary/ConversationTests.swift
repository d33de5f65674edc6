import SamovarCore
import SamovarWire
import Testing

@testable import SamovarServer

@Suite("A binary connection's requests")
struct ConversationTests {
    @Test("are answered out of memory in the turn in which they came, in one write")
    func hit() {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(500)]))
        let bytes = BinaryPeer.asking(7, "hit") + BinaryPeer.asking(8, "hit") + BinaryPeer.pinging(1)
        peer.connection.receive(bytes)

        #expect(peer.frames.dropFirst().map(\.opcode) == [.answer, .answer, .pong])
        #expect(peer.frames.dropFirst().map(\.id) == [7, 8, 0])
        #expect(peer.bytes(of: 7) == Sample.bytes(Sample.body(500)))
        #expect(peer.frames(of: 7).first?.head?.total == 500)
        #expect(peer.frames(of: 7).first?.isEnd == true)
        #expect(peer.connection.hitCount == 2)
        #expect(peer.connection.handovers.isEmpty)
    }

    @Test("come back in whatever order they are ready")
    func anyOrder() throws {
        let peer = BinaryPeer()
        let numbers = try (1...3).map { try #require(peer.ask($0, "m")) }
        for (id, number) in zip(1..., numbers).reversed() {
            peer.connection.reply(.answer(.init(.miss, .body), [UInt8(id)]), to: number)
        }

        #expect(peer.frames.dropFirst().map(\.id) == [3, 2, 1])
        #expect((1...3).allSatisfy { peer.ends(of: UInt64($0)) == 1 })
    }

    @Test("are refused under an id that is in flight, without its end, and the first goes on")
    func duplicate() throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(5, "m"))
        #expect(peer.ask(5, "m") == nil)

        #expect(peer.frames(of: 5).map(\.code) == [.duplicateID])
        #expect(peer.ends(of: 5) == 0)
        peer.connection.reply(.answer(.init(.miss, .body), [1, 2]), to: number)
        #expect(peer.bytes(of: 5) == [1, 2])
        #expect(peer.ends(of: 5) == 1)
    }

    @Test("are duplicates before anything else about them is wrong")
    func duplicateFirst() throws {
        let peer = BinaryPeer()
        _ = try #require(peer.ask(5, "m"))
        for (opcode, version) in [(Opcode.ask, UInt8(9)), (.answer, 1), (.stats, 1)] {
            var bytes: [UInt8] = []
            FrameHeader(opcode, id: 5, length: opcode == .stats ? 0 : 16, version: version).append(to: &bytes)
            bytes += [UInt8](repeating: 0xFF, count: opcode == .stats ? 0 : 16)
            peer.connection.receive(bytes)
        }
        #expect(peer.frames(of: 5).map(\.code) == [.duplicateID, .duplicateID, .duplicateID])
    }

    @Test("may use an id again after its end")
    func reuse() throws {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(5)]))
        for _ in 0..<3 { peer.ask(5, "hit") }
        let number = try #require(peer.ask(5, "m"))
        peer.connection.reply(.failed(FailedReply(.upstreamCut)), to: number)
        peer.ask(5, "hit")

        #expect(peer.ends(of: 5) == 5)
        #expect(peer.frames(of: 5).count == 5)
    }

    @Test("beyond inflight_max are refused, retryable, and room comes back with an end")
    func inflightMax() throws {
        let peer = BinaryPeer { $0.limits.inflightMax = 16 }
        let numbers = try (1...16).map { try #require(peer.ask($0, "m")) }
        #expect(peer.ask(17, "m") == nil)
        #expect(peer.code(of: 17) == .inflightMax)
        #expect(peer.frames(of: 17).first?.error?.isRetryable == true)

        peer.connection.reply(.answer(.init(.miss, .body), []), to: numbers[0])
        #expect(peer.ask(17, "m") != nil)
    }

    @Test("of an administrator need the token")
    func admin() {
        let peer = BinaryPeer()
        #expect(peer.stats(3) == nil)
        #expect(peer.code(of: 3) == .forbidden)

        let admin = BinaryPeer(isAdmin: true)
        let number = admin.stats(3)
        #expect(number != nil)
        admin.connection.reply(.text(Array("{}".utf8)), to: number ?? 0)
        #expect(admin.frames(of: 3).map(\.opcode) == [.data])
        #expect(admin.ends(of: 3) == 1)
    }

    @Test("by digest are answered where the body is remembered, and need it elsewhere")
    func digests() {
        let service = ScriptedService(["hit": Sample.body(9)])
        let known = SentBodyDigest(bytes: [UInt8](repeating: 1, count: 32))
        let served = SentBodyDigest(bytes: [UInt8](repeating: 2, count: 32))
        service.remember(known, Sample.question("hit"))
        service.remember(served, Sample.question("m"))
        let peer = BinaryPeer(service)
        for (id, digest) in [(1, known), (2, served), (3, SentBodyDigest(bytes: [UInt8](repeating: 3, count: 32)))] {
            var bytes: [UInt8] = []
            Ask(.chat).append(.askDigest, id: UInt64(id), body: digest.bytes.span.bytes, to: &bytes)
            peer.connection.receive(bytes)
        }

        #expect(peer.frames.dropFirst().map(\.opcode) == [.answer, .bodyNeeded, .bodyNeeded])
        #expect(peer.frames.dropFirst().allSatisfy { $0.isEnd })
        #expect(peer.connection.handovers.isEmpty)
    }

    @Test("end with an error that cuts them, where an answer that has begun fails")
    func errorAfterBegin() throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(1, "m", stream: true))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: number)
        peer.connection.reply(.piece(Sample.event(0, 40)), to: number)
        peer.connection.reply(.failed(FailedReply(.upstreamCut)), to: number)

        #expect(peer.frames(of: 1).map(\.opcode) == [.answer, .data, .error])
        #expect(peer.ends(of: 1) == 1)
        #expect(peer.code(of: 1) == .upstreamCut)
        #expect(peer.connection.hangUps.isEmpty)
    }

    @Test("have an end of their own for whatever was ordered", arguments: [Done.Outcome.stored, .invalidated])
    func done(outcome: Done.Outcome) throws {
        let peer = BinaryPeer(isAdmin: true)
        let number = try #require(peer.stats(4))
        peer.connection.reply(.done(Done(outcome, count: 3)), to: number)

        #expect(peer.frames(of: 4).map(\.opcode) == [.done])
        #expect(peer.ends(of: 4) == 1)
    }

    @Test("are told their own deadline, and nobody else's")
    func deadline() throws {
        let peer = BinaryPeer()
        let first = try #require(peer.ask(1, "m", deadline: 500))
        _ = try #require(peer.ask(2, "m", deadline: 5_000))
        peer.connection.pass(.milliseconds(499))
        #expect(peer.connection.hangUps.isEmpty)
        peer.connection.pass(.milliseconds(1))
        #expect(peer.connection.hangUps == [first])
        peer.connection.reply(.failed(FailedReply(.deadline)), to: first)
        #expect(peer.code(of: 1) == .deadline)
        #expect(peer.ends(of: 2) == 0)
    }
}

@Suite("CANCEL")
struct CancelTests {
    @Test("before the answer ends the request as cancelled, and what comes later goes nowhere")
    func before() throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(1, "m"))
        peer.cancel(1)
        #expect(peer.code(of: 1) == .cancelled)
        #expect(peer.connection.hangUps == [number])

        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: number)
        peer.cancel(1)
        #expect(peer.frames(of: 1).count == 1)
    }

    @Test("after the end is nothing")
    func after() throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(1, "m"))
        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: number)
        peer.cancel(1)
        peer.cancel(99)

        #expect(peer.frames(of: 1).map(\.opcode) == [.answer])
        #expect(peer.connection.hangUps.isEmpty)
        #expect(peer.connectionFrames.isEmpty)
    }

    @Test("in the middle of an answer cuts it, whatever of it waits")
    func between() throws {
        let peer = BinaryPeer(window: 1_024)
        let number = try #require(peer.ask(1, "m"))
        peer.connection.reply(.answer(.init(.miss, .body), Sample.text(5_000)), to: number)
        #expect(peer.bytes(of: 1).count == 1_024)
        peer.cancel(1)

        #expect(peer.code(of: 1) == .cancelled)
        #expect(peer.ends(of: 1) == 1)
        #expect(peer.ask(1, "m") != nil)
    }

    @Test("in the segment that asks leaves one end")
    func atOnce() {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(100)]))
        peer.connection.receive(BinaryPeer.asking(1, "m") + BinaryPeer.cancelling(1))
        peer.connection.receive(BinaryPeer.asking(2, "hit") + BinaryPeer.cancelling(2))

        #expect(peer.ends(of: 1) == 1)
        #expect(peer.code(of: 1) == .cancelled)
        #expect(peer.ends(of: 2) == 1)
        #expect(peer.frames(of: 2).map(\.opcode) == [.answer])
    }

    @Test("while nothing can be sent still leaves one end, and the id is in flight until then")
    func blocked() throws {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(10)]))
        let number = try #require(peer.ask(1, "m"))
        let large = try #require(peer.ask(2, "m"))
        peer.connection.block()
        peer.connection.reply(.answer(.init(.miss, .body), Sample.text(200_000)), to: large)
        peer.connection.reply(.answer(.init(.miss, .body), Sample.text(10)), to: number)
        peer.cancel(1)
        peer.ask(1, "hit")
        peer.connection.drain()

        #expect(peer.frames(of: 1).map(\.code) == [.duplicateID, .cancelled])
        #expect(peer.ends(of: 1) == 1)
        #expect(peer.bytes(of: 2).count == 200_000)
    }
}
