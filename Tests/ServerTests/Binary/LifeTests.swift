import SamovarCore
import SamovarWire
import Testing

@testable import SamovarServer

@Suite("A binary connection's life")
struct LifeTests {
    private func isDone(_ peer: BinaryPeer, within time: Duration = .seconds(1)) -> Bool {
        peer.connection.pass(time)
        return peer.connection.isClosed
    }

    @Test("does not begin without magic and HELLO in header_timeout", arguments: [0, 3, 8, 20])
    func greeting(byteCount: Int) {
        let peer = BinaryPeer(greets: false)
        peer.connection.receive(BinaryPeer.greeting().prefix(byteCount))
        peer.connection.pass(.milliseconds(4_999))
        #expect(peer.connection.sent.isEmpty)
        peer.connection.pass(.milliseconds(1))
        #expect(peer.code(of: 0) == .tooSlow)
        #expect(isDone(peer))
    }

    @Test("ends with a token that is wrong")
    func wrongToken() {
        let peer = BinaryPeer(greets: false)
        var bytes = Magic.bytes
        var hello = Hello()
        hello.metadata.set(.adminToken, "guessed")
        hello.append(to: &bytes)
        peer.connection.receive(bytes + BinaryPeer.asking(1, "m"))

        #expect(peer.frames.map(\.code) == [.unauthenticated])
        #expect(peer.connection.handovers.isEmpty)
        #expect(isDone(peer))
    }

    @Test("ends idle with GOAWAY, when not a byte has come for idle_timeout")
    func idle() {
        let peer = BinaryPeer()
        peer.connection.pass(.seconds(40))
        peer.connection.receive(BinaryPeer.pinging(1))
        peer.connection.pass(.milliseconds(59_999))
        #expect(peer.connectionFrames.map(\.opcode) == [.pong])
        peer.connection.pass(.milliseconds(1))
        #expect(peer.connectionFrames.map(\.opcode) == [.pong, .goAway])
        #expect(peer.connectionFrames.last?.payload.first == GoAway.idle)
        #expect(peer.connection.outputIsShut)
        #expect(isDone(peer))
    }

    @Test("asks a silent client with requests whether it lives, at half of idle_timeout, and then gives it up")
    func silence() throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(1, "m"))
        peer.connection.pass(.milliseconds(29_999))
        #expect(peer.connectionFrames.isEmpty)
        peer.connection.pass(.milliseconds(1))
        #expect(peer.connectionFrames.map(\.opcode) == [.ping])
        peer.connection.pass(.milliseconds(29_999))
        #expect(peer.connection.hangUps.isEmpty)
        peer.connection.pass(.milliseconds(1))
        #expect(peer.connection.isClosed)
        #expect(peer.connection.hangUps == [number])
        #expect(peer.connectionFrames.map(\.opcode) == [.ping])
    }

    @Test("goes on as long as anything comes from a client that waits")
    func patience() throws {
        let peer = BinaryPeer()
        _ = try #require(peer.ask(1, "m"))
        for _ in 0..<20 {
            peer.connection.pass(.seconds(45))
            var bytes: [UInt8] = []
            Frames.append(.pong, cookie: PingCookie(0), to: &bytes)
            peer.connection.receive(bytes)
        }
        #expect(!peer.connection.isClosed)
        #expect(peer.connectionFrames.allSatisfy { $0.opcode == .ping })
        #expect(peer.connectionFrames.count == 20)
    }

    @Test("ends where a header or a payload dribbles", arguments: [4, 15, 16, 30])
    func dribble(byteCount: Int) {
        let peer = BinaryPeer()
        peer.connection.receive(BinaryPeer.asking(1, "m").prefix(byteCount))
        peer.connection.pass(.seconds(6))
        #expect(peer.code(of: 0) == .tooSlow)
        #expect(isDone(peer))
    }

    @Test("ends where a refused payload dribbles that is only skipped")
    func dribbleSkipped() {
        let peer = BinaryPeer()
        var bytes: [UInt8] = []
        FrameHeader(.answer, id: 5, length: 100_000).append(to: &bytes)
        peer.connection.receive(bytes)
        for _ in 0..<20 where peer.standing.ending == .open {
            peer.connection.pass(.seconds(1))
            peer.connection.receive([0])
        }
        #expect(peer.code(of: 0) == .tooSlow)
    }

    @Test("sleeps while a large payload is paid for that has stopped coming, and ends when it is due")
    func stalledPayload() {
        let peer = BinaryPeer()
        var bytes: [UInt8] = []
        FrameHeader(.ask, id: 5, length: 1 << 20).append(to: &bytes)
        peer.connection.receive(bytes)
        peer.connection.receive([UInt8](repeating: 0x20, count: 200 << 10))
        let wakeCount = peer.connection.pass(.seconds(190))
        #expect(wakeCount < 10)
        #expect(peer.standing.ending == .open)
        peer.connection.pass(.seconds(20))
        #expect(peer.code(of: 0) == .tooSlow)
    }

    @Test("ends without a word where a frame is cut by the end of the stream", arguments: [0, 1, 8, 15, 16, 40])
    func cut(byteCount: Int) throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(1, "m"))
        peer.connection.receive(BinaryPeer.asking(2, "m").prefix(byteCount))
        peer.connection.endInput()
        if byteCount == 0 {
            #expect(peer.standing.ending == .open)
            #expect(peer.connectionFrames.map(\.opcode) == [.ping])
        } else {
            #expect(peer.connection.isClosed)
            #expect(peer.connection.hangUps == [number])
            #expect(peer.connectionFrames.isEmpty)
        }
    }

    @Test("finishes what was asked before a half-close, and pings meanwhile")
    func halfClose() throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(1, "m"))
        peer.connection.endInput()
        #expect(!peer.wantsRead)
        peer.connection.pass(.seconds(100))
        #expect(peer.connectionFrames.count { $0.opcode == .ping } == 11)
        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: number)

        #expect(peer.bytes(of: 1) == [1])
        #expect(peer.connection.isClosed)
        #expect(peer.connection.hangUps.isEmpty)
    }

    @Test("keeps a request's deadline behind a half-close")
    func halfCloseDeadline() throws {
        let peer = BinaryPeer()
        let number = try #require(peer.ask(1, "m", deadline: 300))
        peer.connection.endInput()
        peer.connection.pass(.milliseconds(300))
        #expect(peer.connection.hangUps == [number])
    }

    @Test("is over with a half-close where nothing is in flight")
    func halfCloseIdle() {
        let peer = BinaryPeer()
        peer.connection.endInput()
        #expect(peer.connection.isClosed)
    }

    @Test("finishes what was asked before a half-close although it had to wait for room")
    func halfCloseBehindBacklog() {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(10_000)]))
        peer.connection.block()
        peer.connection.receive((1...300).flatMap { BinaryPeer.asking(UInt64($0), "hit") })
        peer.connection.endInput()
        #expect(!peer.connection.isClosed)
        peer.connection.drain()

        #expect((1...300).allSatisfy { peer.ends(of: UInt64($0)) == 1 })
        #expect(peer.connection.isClosed)
    }

    @Test("says GOAWAY, finishes what is in flight, refuses what is new, and ends")
    func draining() throws {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(5)]))
        let number = try #require(peer.ask(1, "m"))
        peer.connection.leave()
        peer.connection.leave()
        peer.ask(2, "hit")
        peer.ask(3, "m")

        #expect(peer.connectionFrames.map(\.opcode) == [.goAway])
        #expect(peer.connectionFrames.first?.payload.first == GoAway.draining)
        #expect(peer.code(of: 2) == .draining)
        #expect(peer.code(of: 3) == .draining)
        #expect(peer.frames(of: 3).first?.error?.isRetryable == true)
        #expect(peer.standing.ending == .open)
        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: number)
        #expect(peer.ends(of: 1) == 1)
        #expect(peer.connection.outputIsShut)
        #expect(isDone(peer))
    }

    @Test("says GOAWAY and ends where nothing is in flight")
    func drainingIdle() {
        let peer = BinaryPeer()
        peer.connection.leave()
        #expect(peer.connectionFrames.map(\.opcode) == [.goAway])
        #expect(peer.connection.outputIsShut)
        peer.connection.endInput()
        #expect(peer.connection.isClosed)
    }

    @Test("ends where the client that is told GOAWAY waits without giving credit")
    func drainingStarved() {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(5_000)]), window: 1_024)
        peer.ask(1, "hit")
        peer.connection.leave()
        peer.connection.pass(.seconds(32))
        #expect(peer.code(of: 1) == .lagged)
        #expect(peer.connection.isClosed)
    }

    @Test("gives up everything when the connection is gone, once")
    func gone() throws {
        let peer = BinaryPeer()
        let numbers = try (1...3).map { try #require(peer.ask($0, "m")) }
        peer.connection.close()
        peer.connection.close()
        #expect(Set(peer.connection.hangUps) == Set(numbers))
        #expect(peer.connection.hangUps.count == 3)
    }
}

@Suite("A binary client that does not read")
struct BacklogTests {
    private let peer = BinaryPeer(ScriptedService(["hit": Sample.body(10_000)])) { $0.idleTimeout = .seconds(600) }

    @Test("is read no more at output_size_max, and again at half of it")
    func stopsReading() {
        peer.connection.block()
        var id: UInt64 = 0
        while peer.wantsRead, id < 10_000 {
            id += 1
            peer.ask(id, "hit")
        }
        #expect(((1 << 20)...(1 << 20) + 11_000).contains(peer.connection.unsentCount))
        peer.connection.drain(400_000)
        #expect(!peer.wantsRead)
        peer.connection.drain(200_000)
        #expect(peer.wantsRead)
    }

    @Test("pipelines as much as it likes: no more is answered than that, and the rest when it reads")
    func pipeline() {
        peer.connection.block()
        for start in stride(from: 1, to: 1_000, by: 100) {
            peer.connection.receive((start..<start + 100).flatMap { BinaryPeer.asking(UInt64($0), "hit") })
        }
        #expect(peer.connection.unsentCount <= (1 << 20) + 11_000)
        while peer.connection.unsentCount > 0 { peer.connection.drain(100_000) }
        peer.connection.drain()

        #expect(peer.frames.dropFirst().map(\.id) == Array(1...1_000))
        #expect(peer.connection.hitCount == 1_000)
    }

    @Test("and takes nothing for write_timeout is gone")
    func blocked() {
        peer.connection.block()
        peer.ask(1, "hit")
        peer.connection.pass(.milliseconds(29_999))
        #expect(!peer.connection.isClosed)
        peer.connection.pass(.milliseconds(1))
        #expect(peer.connection.isClosed)
    }

    @Test("but takes a little now and then is not gone", arguments: [false, true])
    func slow(isBacklogged: Bool) throws {
        let peer = BinaryPeer(ScriptedService(["hit": Sample.body(10_000)]))
        let number = try #require(peer.ask(9_999, "m"))
        peer.connection.block()
        peer.connection.receive((1...(isBacklogged ? 200 : 20)).flatMap { BinaryPeer.asking(UInt64($0), "hit") })
        for _ in 0..<10 {
            let wakeCount = peer.connection.pass(.seconds(20))
            #expect(wakeCount < 5)
            if !isBacklogged { peer.connection.receive(BinaryPeer.pinging(1)) }
            peer.connection.drain(1_000)
        }
        #expect(!peer.connection.isClosed)
        #expect(peer.connection.hangUps.isEmpty)
        peer.connection.drain()
        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: number)
        #expect(peer.ends(of: 9_999) == 1)
    }

    @Test("has its last words for as long as it takes them")
    func slowEnd() {
        peer.connection.block()
        peer.connection.receive((1...50).flatMap { BinaryPeer.asking(UInt64($0), "hit") })
        peer.connection.endInput()
        for _ in 0..<10 {
            peer.connection.pass(.seconds(20))
            peer.connection.drain(10_000)
        }
        #expect(!peer.connection.isClosed)
        peer.connection.pass(.seconds(30))
        #expect(peer.connection.isClosed)
    }
}
