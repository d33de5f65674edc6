import SamovarCore
import SamovarWire
import Testing

@testable import SamovarServer

@Suite("Credit and turns")
struct CreditTests {
    private static let chunkSize = BinaryLimits().chunkSize

    @Test("are no business of an answer as long as the window, wherever it comes from", arguments: [false, true])
    func exactlyTheWindow(events: Bool) throws {
        let stored = Sample.stream(64, of: 1_024)
        let peer = BinaryPeer(ScriptedService(["hit": stored]), window: 65_536)
        peer.ask(1, "hit", stream: true, events: events)
        let whole = try #require(peer.ask(2, "m"))
        peer.connection.reply(.answer(.init(.miss, .body), Sample.text(65_536)), to: whole)
        let live = try #require(peer.ask(3, "m", stream: true, events: events))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: live)
        for index in 0..<64 { peer.connection.reply(.piece(Sample.event(index, 1_024)), to: live) }
        peer.connection.reply(.end(isCut: false), to: live)

        for id in UInt64(1)...3 {
            #expect(peer.bytes(of: id).count == 65_536)
            #expect(peer.ends(of: id) == 1, "\(id)")
        }
    }

    @Test("hold an answer back at every byte they do not cover", arguments: [1, 1_023, 1_024, 16_384, 70_000])
    func heldBack(step: UInt32) throws {
        let stored = Sample.stream(100, of: 1_000)
        let peer = BinaryPeer(ScriptedService(["hit": stored]), window: 65_000)
        peer.ask(1, "hit", stream: true)
        var given = 65_000
        #expect(peer.bytes(of: 1).count == given)
        for _ in 0..<3 where given < 100_000 {
            peer.credit(1, step)
            given += Int(step)
            #expect(peer.bytes(of: 1).count == min(100_000, given))
        }
        peer.credit(1, 100_000)
        #expect(peer.bytes(of: 1) == Sample.bytes(stored))
        #expect(peer.ends(of: 1) == 1)
        #expect(peer.frames(of: 1).allSatisfy { $0.bytes.count <= Self.chunkSize })
    }

    @Test("add up, and are held below what 31 bits can say")
    func muchCredit() throws {
        let peer = BinaryPeer(window: 1_024)
        let number = try #require(peer.ask(1, "m"))
        for _ in 0..<10 { peer.credit(1, .max) }
        peer.connection.reply(.answer(.init(.miss, .body), Sample.text(300_000)), to: number)
        #expect(peer.ends(of: 1) == 1)
        #expect(peer.bytes(of: 1).count == 300_000)
    }

    @Test("for an id that is not in flight are nothing, and of 0 the end")
    func nobody() {
        let peer = BinaryPeer()
        peer.credit(9, 5)
        #expect(peer.connectionFrames.isEmpty)
        var bytes: [UInt8] = []
        FrameHeader(.window, id: 9, length: 4).append(to: &bytes)
        peer.connection.receive(bytes + [0, 0, 0, 0])
        #expect(peer.code(of: 0) == .malformedFrame)
    }

    @Test("let answers take turns, one frame each")
    func roundRobin() throws {
        let peer = BinaryPeer()
        peer.connection.block()
        for id in UInt64(1)...3 {
            let number = try #require(peer.ask(id, "m"))
            peer.connection.reply(.answer(.init(.miss, .body), Sample.text(100_000)), to: number)
        }
        peer.connection.drain()

        let order = peer.frames.filter { $0.id != 0 && !$0.bytes.isEmpty }.map(\.id)
        // What the first had sent before the others came is at most what waits in the output.
        let together = order.drop { $0 == 1 }
        #expect(order.count - together.count <= 5)
        // While all three have something, each three frames in a row are one of each.
        for start in 0..<3 { #expect(Set(together.dropFirst(start).prefix(3)) == [1, 2, 3], "\(order)") }
        #expect(zip(together.dropFirst(6), together.dropFirst(7)).prefix(6).allSatisfy { $0 != $1 }, "\(order)")
        #expect((1...3).allSatisfy { peer.bytes(of: UInt64($0)) == Sample.text(100_000) })
    }

    @Test("let a small answer pass a large one, behind 64 KiB of it at most")
    func smallPassesLarge() throws {
        let peer = BinaryPeer(ScriptedService(["small": Sample.body(200), "large": Sample.body(8 << 20)]))
        peer.connection.block()
        peer.ask(1, "large")
        peer.credit(1, 8 << 20)
        peer.ask(2, "small")
        let made = try #require(peer.ask(3, "m"))
        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: made)
        peer.connection.drain()

        let frames = peer.frames
        func before(_ id: UInt64) throws -> Int {
            let index = try #require(frames.firstIndex { $0.id == id })
            return frames[..<index].reduce(0) { $0 + $1.bytes.count }
        }
        #expect(try before(2) <= 64 << 10)
        #expect(try before(3) <= (64 << 10) + 2 * Self.chunkSize)
        #expect(peer.bytes(of: 1).count == 8 << 20)
        #expect(peer.ends(of: 1) == 1)
    }

    @Test("that never come end the answer after write_timeout, and only it")
    func starved() throws {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(5_000), "*": Sample.body(10)]), window: 1_024) {
            $0.idleTimeout = .seconds(600)
        }
        peer.ask(1, "hit")
        let number = try #require(peer.ask(2, "m", stream: true))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: number)
        peer.connection.reply(.piece(Sample.text(2_000)), to: number)
        _ = try #require(peer.ask(3, "m"))
        peer.connection.pass(.milliseconds(29_999))
        #expect(peer.ends(of: 1) + peer.ends(of: 2) == 0)

        peer.connection.pass(.milliseconds(1))
        #expect(peer.code(of: 1) == .lagged)
        #expect(peer.code(of: 2) == .lagged)
        #expect(peer.frames(of: 2).last?.error?.isRetryable == true)
        let words = String(decoding: peer.frames(of: 2).last?.error?.body ?? [], as: UTF8.self)
        #expect(words.contains("follower_lag_max"), "it says what is wrong: \(words)")
        #expect(peer.connection.hangUps == [number])
        #expect(peer.ends(of: 3) == 0)
        #expect(peer.service.counts.lagged == 2)
        #expect(peer.standing.ending == .open)
    }

    @Test("that never come are told as LAGGED once, even where nothing can be sent meanwhile")
    func starvedAndBlocked() throws {
        let peer = BinaryPeer(
            ScriptedService(["hit": Sample.body(5_000), "large": Sample.body(1 << 20)]), window: 1_024
        ) { $0.idleTimeout = .seconds(600) }
        peer.ask(1, "hit")
        peer.connection.pass(.seconds(20))
        peer.connection.block()
        let large = try #require(peer.ask(2, "m"))
        peer.credit(2, 1 << 20)
        peer.connection.reply(.answer(.init(.miss, .body), Sample.text(200_000)), to: large)
        #expect(peer.connection.unsentCount >= 64 << 10)
        let wakeCount = peer.connection.pass(.seconds(15))
        #expect(wakeCount < 10)
        peer.connection.drain()

        #expect(peer.code(of: 1) == .lagged)
        #expect(peer.ends(of: 1) == 1)
        #expect(peer.service.counts.lagged == 1)
    }

    @Test("that a live stream outruns by follower_lag_max end it at once")
    func outrun() throws {
        let peer = BinaryPeer(window: 1_024) { $0.followerLagMax = 8 << 10 }
        let number = try #require(peer.ask(1, "m", stream: true))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: number)
        var count = 0
        while peer.ends(of: 1) == 0, count < 100 {
            peer.connection.reply(.piece(Sample.event(count, 1_000)), to: number)
            count += 1
        }
        #expect(count == 10)
        #expect(peer.code(of: 1) == .lagged)
        #expect(peer.connection.hangUps == [number])
        peer.connection.reply(.end(isCut: false), to: number)
        #expect(peer.ends(of: 1) == 1)
    }
}

@Suite("Events")
struct EventTests {
    /// Every event in frames of its own, the last of them marked.
    private func expectEvents(_ frames: [Frame], _ wanted: [UInt8]) {
        var event: [UInt8] = []
        var all: [UInt8] = []
        for frame in frames where !frame.bytes.isEmpty || frame.endsEvent {
            event += frame.bytes
            all += frame.bytes
            let text = String(decoding: event, as: UTF8.self)
            #expect(text.hasSuffix("\n\n") == frame.endsEvent)
            #expect(text.components(separatedBy: "\n\n").count <= 2)
            if frame.endsEvent { event = [] }
        }
        #expect(all == wanted)
    }

    @Test("of a stored stream have frames of their own", arguments: [40, 1_000, 20_000, 50_000])
    func stored(size: Int) {
        let stream = Sample.stream(5, of: size)
        let peer = BinaryPeer(ScriptedService(["hit": stream]), window: 1_024)
        peer.ask(1, "hit", stream: true, events: true)
        for _ in 0..<1_000 where peer.ends(of: 1) == 0 { peer.credit(1, 777) }
        expectEvents(peer.frames(of: 1), Sample.bytes(stream))
        #expect(peer.ends(of: 1) == 1)
    }

    @Test("of a stream that is being made have frames of their own")
    func live() throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(1, "m", stream: true, events: true))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: number)
        let events = [10, 20_000, 30].enumerated().map { Sample.event($0.offset, $0.element) }
        for event in events { peer.connection.reply(.piece(event), to: number) }
        peer.connection.reply(.end(isCut: false), to: number)
        expectEvents(peer.frames(of: 1), events.flatMap { $0 })
        #expect(peer.ends(of: 1) == 1)
    }

    @Test("of a stream that comes whole have frames of their own")
    func whole() throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(1, "m", stream: true, events: true))
        let bytes = Sample.bytes(Sample.stream(7, of: 300))
        peer.connection.reply(.answer(.init(.coalesced, .stream), bytes), to: number)
        expectEvents(peer.frames(of: 1), bytes)
        #expect(peer.frames(of: 1).count { $0.endsEvent } == 7)
        #expect(peer.ends(of: 1) == 1)
    }

    @Test("of which nothing is to be shown have no frame: without payload a frame is the end")
    func emptyChunk() {
        let chunks = [
            Chunk(bytes: Array("data: 1\n\n".utf8)), Chunk(bytes: []), Chunk(bytes: Array("data: 2\n\n".utf8)),
        ]
        let stream = Recording(form: .stream, usageAsked: false, chunks: chunks)
        let peer = BinaryPeer(ScriptedService(["hit": stream]))
        peer.ask(1, "hit", stream: true, events: true)
        #expect(peer.frames(of: 1).flatMap(\.bytes) == Array("data: 1\n\ndata: 2\n\n".utf8))
        #expect(peer.ends(of: 1) == 1)
    }

    @Test("mean nothing where the answer is a body")
    func body() {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(40_000)]))
        peer.ask(1, "hit", events: true)
        #expect(peer.bytes(of: 1) == Sample.text(40_000))
        #expect(peer.frames(of: 1).allSatisfy { !$0.endsEvent })
    }
}
