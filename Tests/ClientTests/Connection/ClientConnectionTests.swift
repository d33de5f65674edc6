import SamovarCore
import SamovarWire
import Testing

@testable import SamovarClient

@Suite("A client's connection")
struct ClientConnectionTests {
    // MARK: Greeting

    @Test("greets first, and takes no request before it is greeted")
    func greeting() throws {
        let stage = Stage()
        let greeted = try Stage.greeted()

        #expect(stage.sent.starts(with: Magic.bytes))
        #expect(stage.heard.map(\.opcode) == [.hello])
        #expect(!stage.connection.hasPlace)
        #expect(greeted.connection.hasPlace)
    }

    @Test("gives up a server that does not greet in time")
    func noGreeting() {
        var stage = Stage()

        stage.pass(.seconds(4))
        let isWaiting = !stage.connection.isOver
        stage.pass(.seconds(1))

        #expect(isWaiting)
        #expect(stage.connection.failure?.code == .connectionLost)
    }

    @Test("says why it was refused")
    func refusedGreeting() {
        var stage = Stage()

        stage.refuse(0, .connectionsMax)

        #expect(stage.connection.failure?.code == .connectionsMax)
        #expect(stage.connection.failure?.isRetryable == true)
    }

    @Test(
        "believes no server that answers another greeting, or another protocol",
        arguments: [
            { (reply: inout HelloReply) in reply.window = 1 << 30 },
            { $0.version = 2 }, { $0.inflightMax = 0 }, { $0.chunkSize = 1 << 24 },
            { $0.features = Features(rawValue: 0x100) },
        ] as [@Sendable (inout HelloReply) -> Void])
    func strangeGreeting(change: @Sendable (inout HelloReply) -> Void) throws {
        let settings = ClientConnection.Settings(hello: Hello(features: [.digest, .events], window: 65_536))

        let stage = try Stage.greeted(settings, change)
        var http = Stage(settings)
        http.receive("HTTP/1.1 400 Bad Request\r\n".utf8)

        #expect(stage.connection.failure?.code == .protocolBreach)
        #expect(http.connection.failure?.code == .protocolBreach)
    }

    @Test("tells a stranger by the first byte that no sidecar sends", arguments: Array(0..<16))
    func strangers(place: Int) throws {
        var stage = Stage()
        var bytes = stage.firstReply
        if place >= 3 { bytes[place] ^= 0x44 }

        stage.receive(bytes.prefix(place))
        let isFine = !stage.connection.isOver
        stage.receive(bytes[place...place])

        #expect(isFine)
        #expect(stage.connection.isOver == (place >= 3))
    }

    @Test("takes a first frame as large as one may be")
    func largeFirstFrame() throws {
        var stage = Stage()
        var error = ErrorFrame(.unauthenticated, message: "no")
        error.body += Array(repeating: 0x20, count: 1 << 20)

        stage.serve { error.append(id: 0, to: &$0) }

        #expect(stage.connection.failure?.code == .unauthenticated)
    }

    // MARK: Replies

    @Test("gathers an answer from its frames, and has the id's place free again")
    func gathered() throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask())

        stage.answer(id, "Hel", total: 5, isLast: false)
        let newsBefore = stage.news
        stage.data(id, "lo", flags: .end)

        #expect(newsBefore == [])
        #expect(stage.news.map(\.event.text) == ["Hello"])
        #expect(stage.connection.inflightCount == 0)
    }

    @Test("tells replies apart, in whatever order they come")
    func interleaved() throws {
        var stage = try Stage.greeted()
        let (ann, bob) = (try stage.send(.ask()), try stage.send(.ask()))

        stage.answer(bob, "B", isLast: false)
        stage.answer(ann, "A", isLast: false)
        stage.data(bob, "ob", flags: .end)
        stage.data(ann, "nn", flags: .end)

        #expect(stage.news.map(\.id) == [bob, ann])
        #expect(stage.news.map(\.event.text) == ["Bob", "Ann"])
    }

    @Test("hands a stream over piece by piece, and says where events end")
    func pieces() throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask(reading: .pieces))

        stage.answer(id, "", form: .stream, isLast: false)
        stage.data(id, "data: 1\n\n", flags: .eventEnd)
        stage.data(id, "data: 2", flags: [])
        stage.data(id, "", flags: .end)

        #expect(stage.news(of: id).map(\.text) == [nil, "data: 1\n\n", "data: 2", nil])
        #expect(stage.news(of: id).last == .ended)
        #expect(stage.news(of: id)[1] == .piece(Array("data: 1\n\n".utf8), endsEvent: true))
    }

    @Test("takes an answer of other bytes than announced for a broken one")
    func cut() throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask())

        stage.answer(id, "abc", total: 5)

        #expect(stage.ends(of: id).map(\.code) == [.answerCut])
        #expect(!stage.connection.isOver)
    }

    @Test("fails an answer that breaks off, and keeps nothing of it")
    func brokenOff() throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask())

        stage.answer(id, "abc", isLast: false)
        stage.refuse(id, .upstreamCut)

        #expect(stage.news(of: id).map(\.code) == [.upstreamCut])
    }

    @Test("keeps an error's status, what to wait, and an unknown code")
    func errors() throws {
        var stage = try Stage.greeted()
        let (ann, bob) = (try stage.send(.ask()), try stage.send(.ask()))
        var unknown = ErrorFrame(.limited, message: "new")
        unknown.rawCode = 999
        var refused = ErrorFrame(.upstreamRefused, message: "slow down", retryAfter: .seconds(3))
        (refused.status, refused.upstreamStatus, refused.isRetryable) = (429, 429, true)

        stage.serve { refused.append(id: ann, to: &$0) }
        stage.serve { unknown.append(id: bob, to: &$0) }

        guard case .failed(let failure)? = stage.ends(of: ann).first else {
            Issue.record("no failure")
            return
        }
        #expect(failure.code == .upstreamRefused)
        #expect(failure.status == 429)
        #expect(failure.upstreamStatus == 429)
        #expect(failure.isRetryable)
        #expect(failure.retryAfter == .seconds(3))
        #expect(failure.message == "slow down")
        #expect(stage.ends(of: bob).map(\.code) == [SamovarClient.Failure.Code("code_999")])
    }

    @Test("gathers statistics, and tells DONE and PONG to those who asked")
    func operations() throws {
        var stage = try Stage.greeted()
        let (stats, invalidate) = (try stage.send(.stats), try stage.send(.invalidate))
        let ping = try stage.send(.ping)

        stage.data(stats, "{\"a\"")
        stage.serve { Frames.append(.pong, cookie: PingCookie(ping), to: &$0) }
        stage.serve { Done(.invalidated, count: 3).append(id: invalidate, to: &$0) }
        stage.data(stats, ":1}", flags: .end)

        #expect(stage.news.map(\.id) == [ping, invalidate, stats])
        #expect(stage.ends(of: ping) == [.pong])
        #expect(stage.ends(of: invalidate) == [.done(Done(.invalidated, count: 3))])
        #expect(stage.ends(of: stats).map(\.text) == ["{\"a\":1}"])
    }

    @Test("answers the server's PING")
    func pong() throws {
        var stage = try Stage.greeted()
        stage.forget()

        stage.serve { Frames.append(.ping, cookie: PingCookie(77), to: &$0) }

        #expect(stage.heard.map(\.opcode) == [.pong])
        #expect(stage.heard.first?.payload == [77, 0, 0, 0, 0, 0, 0, 0])
    }

    // MARK: Digests

    @Test("asks by digest first, and sends the body with it under the same id where it is needed")
    func digestFirst() throws {
        var stage = try Stage.greeted()
        let digest = SentBodyDigest(bytes: Array(repeating: 7, count: 32))
        stage.forget()
        let known = try stage.send(.ask("{\"known\":1}", digest: digest))
        let unknown = try stage.send(.ask("{\"unknown\":1}", digest: digest))

        stage.answer(known, "yes")
        stage.serve { Frames.appendBodyNeeded(id: unknown, to: &$0) }
        stage.answer(unknown, "now")

        #expect(stage.heard.map(\.opcode) == [.askDigest, .askDigest, .ask])
        #expect(stage.heard.last?.id == unknown)
        let payload = stage.heard.last?.payload ?? []
        let (ask, body) = try Ask.read(payload.span.bytes, features: .events, limits: BinaryLimits())
        #expect(ask.metadata.bodyDigest == digest)
        #expect(Array(payload[body]) == Array("{\"unknown\":1}".utf8))
        #expect(stage.news.map(\.event.text) == ["yes", "now"])
    }

    @Test("sends the body at once to a server that takes no digests")
    func noDigests() throws {
        var stage = try Stage.greeted { $0.features = .events }
        stage.forget()

        _ = try stage.send(.ask(digest: SentBodyDigest(bytes: Array(repeating: 7, count: 32))))

        #expect(stage.heard.map(\.opcode) == [.ask])
    }

    // MARK: Credit

    @Test("gives a stream's credit back only as it is read, and believes no server that sends more")
    func credit() throws {
        let settings = ClientConnection.Settings(hello: Hello(features: [.digest, .events], window: 1_024))
        var stage = try Stage.greeted(settings)
        let id = try stage.send(.ask(reading: .pieces))
        stage.answer(id, "", form: .stream, isLast: false)
        stage.forget()

        stage.data(id, String(repeating: "x", count: 1_024))
        let withoutReader = stage.heard
        stage.consumed(id, 600)
        let afterReader = stage.heard
        stage.data(id, String(repeating: "y", count: 600))
        let isFine = !stage.connection.isOver
        stage.data(id, "z")

        #expect(withoutReader == [])
        #expect(afterReader == [Stage.Heard(opcode: .window, id: id, payload: [0x58, 2, 0, 0])])
        #expect(isFine)
        #expect(stage.connection.failure?.code == .protocolBreach)
        #expect(stage.ends(of: id).map(\.code) == [.protocolBreach])
    }

    @Test("gives credit by itself for what it gathers, once half the window is used")
    func gatheredCredit() throws {
        let settings = ClientConnection.Settings(hello: Hello(window: 1_024))
        var stage = try Stage.greeted(settings) { $0.features = [] }
        let id = try stage.send(.ask())
        stage.forget()

        stage.answer(id, String(repeating: "x", count: 511), isLast: false)
        let below = stage.heard
        stage.data(id, "y")

        #expect(below == [])
        #expect(stage.heard == [Stage.Heard(opcode: .window, id: id, payload: [0, 2, 0, 0])])
    }

    @Test("stops an answer that outgrows its bound, and goes on with the others")
    func tooLarge() throws {
        var settings = ClientConnection.Settings()
        settings.answerSizeMax = 10
        var stage = try Stage.greeted(settings)
        let (large, small) = (try stage.send(.ask()), try stage.send(.ask()))
        stage.forget()

        stage.answer(large, "0123456789", isLast: false)
        stage.data(large, "x")
        stage.data(large, "more")
        stage.answer(small, "fine")
        stage.refuse(large, .cancelled)

        #expect(stage.heard.map(\.opcode) == [.cancel])
        #expect(stage.ends(of: large).map(\.code) == [.answerTooLarge])
        #expect(stage.ends(of: small).map(\.text) == ["fine"])
        #expect(stage.connection.inflightCount == 0)
    }

    @Test("sends nothing that the server would close the connection over")
    func oversized() throws {
        var stage = try Stage.greeted { $0.frameSizeMax = 100 }
        stage.forget()
        let body = String(repeating: "x", count: 85)

        #expect(throws: SamovarClient.Failure.self) { try stage.send(.ask(body)) }
        let fits = try stage.send(.ask(String(repeating: "x", count: 84)))

        #expect(stage.heard.map(\.id) == [fits])
    }

    // MARK: Ends

    @Test("tells a caller who cancels at once, and keeps the id until the server has confirmed")
    func cancel() throws {
        var stage = try Stage.greeted()
        let (gone, staying) = (try stage.send(.ask(reading: .pieces)), try stage.send(.ask()))
        stage.answer(gone, "a", form: .stream, isLast: false)
        stage.forget()

        stage.cancel(gone)
        stage.cancel(gone)
        let told = stage.ends(of: gone)
        stage.data(gone, "late")
        let held = stage.connection.inflightCount
        stage.refuse(gone, .cancelled)
        stage.answer(staying, "here")

        #expect(told.map(\.code) == [.cancelled])
        #expect(stage.news(of: gone).count == 1)
        #expect(stage.heard.map(\.opcode) == [.cancel])
        #expect(held == 2)
        #expect(stage.connection.inflightCount == 0)
        #expect(stage.ends(of: staying).map(\.text) == ["here"])
    }

    @Test("believes no server that never ends what was cancelled")
    func endlessCancel() throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask())
        stage.cancel(id)

        for _ in 0..<29 {
            stage.pass(.seconds(1))
            stage.serve { Frames.append(.pong, cookie: PingCookie(0), to: &$0) }
        }
        let isWaiting = !stage.connection.isOver
        stage.pass(.seconds(1))

        #expect(isWaiting)
        #expect(stage.connection.failure?.code == .protocolBreach)
    }

    @Test("tells the server a deadline in what is left of it, and keeps it by itself too")
    func deadline() throws {
        var stage = try Stage.greeted()
        let deadline = stage.now.advanced(by: .milliseconds(1_500))
        stage.pass(.milliseconds(300))
        stage.forget()
        let id = try stage.send(.ask(deadline: deadline))
        let bytes = stage.heard.first?.payload ?? []
        let (ask, _) = try Ask.read(bytes.span.bytes, features: [], limits: BinaryLimits())

        stage.pass(.milliseconds(1_199))
        let before = stage.news
        stage.pass(.milliseconds(1))
        stage.refuse(id, .deadline)

        #expect(ask.deadlineMilliseconds == 1_200)
        #expect(before == [])
        #expect(stage.news(of: id).map(\.code) == [.deadline])
        #expect(stage.heard.map(\.opcode) == [.ask, .cancel])
        #expect(stage.connection.inflightCount == 0)
    }

    @Test("after GOAWAY takes no request, finishes what it has, and is over")
    func goAway() throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask())

        stage.goAway()
        let (hasPlace, isLeaving) = (stage.connection.hasPlace, stage.connection.isLeaving)
        stage.answer(id, "whole")

        #expect(!hasPlace)
        #expect(isLeaving)
        #expect(stage.ends(of: id).map(\.text) == ["whole"])
        #expect(stage.connection.isOver)
        #expect(stage.connection.failure == nil)
    }

    @Test("asks nothing anew once the server leaves")
    func bodyNeededWhileLeaving() throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask(digest: SentBodyDigest(bytes: Array(repeating: 7, count: 32))))
        stage.goAway()
        stage.forget()

        stage.serve { Frames.appendBodyNeeded(id: id, to: &$0) }

        #expect(stage.heard == [])
        #expect(stage.ends(of: id).map(\.code) == [.draining])
        #expect(stage.connection.isOver)
    }

    @Test("says of what a leaving server dropped without a word that it may be asked again, and of nothing else")
    func droppedWhileLeaving() throws {
        var stage = try Stage.greeted()
        let (begun, unheard) = (try stage.send(.ask()), try stage.send(.ask()))
        let ping = try stage.send(.ping)
        stage.answer(begun, "beg", isLast: false)

        stage.goAway()
        stage.end()

        #expect(stage.ends(of: begun).map(\.code) == [.connectionLost])
        #expect(stage.ends(of: unheard).map(\.code) == [.draining])
        #expect(stage.ends(of: ping).map(\.code) == [.draining])
    }

    @Test("takes a frame without bytes for the end of no event")
    func emptyEventEnd() throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask(reading: .pieces))

        let nothing: [UInt8] = []
        stage.serve {
            AnswerHead(.miss, form: .stream).append(id: id, flags: .eventEnd, bytes: nothing.span.bytes, to: &$0)
        }
        stage.data(id, "data: 1\n\n", flags: .eventEnd)
        stage.data(id, "", flags: [.end, .eventEnd])

        #expect(stage.news(of: id).map(\.text) == [nil, "data: 1\n\n", nil])
    }

    @Test("tells everyone once when it is lost, in the order in which they asked")
    func lost() throws {
        var stage = try Stage.greeted()
        let ids = try (0..<5).map { _ in try stage.send(.ask()) }
        let ping = try stage.send(.ping)
        stage.cancel(ids[2])
        stage.forget()

        stage.end()
        stage.end()

        #expect(stage.news.map(\.id) == [ids[0], ids[1], ids[3], ids[4], ping])
        #expect(stage.news.allSatisfy { $0.event.code == .connectionLost })
        #expect(stage.connection.isOver)
    }

    @Test("takes a server's breach for the end of all", arguments: Breach.allCases)
    func breach(kind: Breach) throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask())
        let other = try stage.send(.stats)

        kind.commit(&stage, id, other)

        #expect(stage.connection.failure?.code == .protocolBreach)
        #expect(stage.ends(of: id).map(\.code) == [.protocolBreach])
    }

    enum Breach: CaseIterable {
        case nobody, dataFirst, secondHead, doneToAsk, headToStats, endWithoutHead, duplicate, bodyNeeded, greetedTwice
        case largeFrame

        func commit(_ stage: inout Stage, _ id: UInt64, _ stats: UInt64) {
            switch self {
            case .nobody: stage.answer(99, "x")
            case .dataFirst: stage.data(id, "x")
            case .secondHead:
                stage.answer(id, "x", isLast: false)
                stage.answer(id, "y")
            case .doneToAsk: stage.serve { Done(.stored, count: 1).append(id: id, to: &$0) }
            case .headToStats: stage.answer(stats, "x")
            case .endWithoutHead: stage.data(id, "", flags: .end)
            case .duplicate: stage.refuse(id, .duplicateID)
            case .bodyNeeded: stage.serve { Frames.appendBodyNeeded(id: id, to: &$0) }
            case .greetedTwice: stage.receive(stage.firstReply)
            case .largeFrame: stage.answer(id, String(repeating: "x", count: (16 << 10) + 1))
            }
        }
    }

    // MARK: Places and time

    @Test("has as many places as both sides allow")
    func places() throws {
        var settings = ClientConnection.Settings()
        settings.inflightMax = 3
        var mine = try Stage.greeted(settings)
        var servers = try Stage.greeted { $0.inflightMax = 2 }

        for _ in 0..<3 { _ = try mine.send(.ask()) }
        for _ in 0..<2 { _ = try servers.send(.ask()) }
        let full = (mine.connection.hasPlace, servers.connection.hasPlace)
        servers.answer(1, "done")

        #expect(full == (false, false))
        #expect(servers.connection.hasPlace)
    }

    @Test("sends PING at a third of the server's idle timeout, whatever comes in between")
    func keepAlive() throws {
        var stage = try Stage.greeted()
        stage.forget()

        stage.pass(.seconds(19))
        let before = stage.heard
        stage.pass(.seconds(1))
        stage.serve { Frames.append(.pong, cookie: PingCookie(0), to: &$0) }
        stage.pass(.seconds(19))
        let between = stage.heard.count
        stage.pass(.seconds(1))

        #expect(before == [])
        #expect(between == 1)
        #expect(stage.heard.map(\.opcode) == [.ping, .ping])
    }

    @Test("notices a server that says nothing for its idle timeout, with requests or without")
    func silence() throws {
        var stage = try Stage.greeted()
        let id = try stage.send(.ask())

        for _ in 0..<59 { stage.pass(.seconds(1)) }
        let isWaiting = !stage.connection.isOver
        stage.pass(.seconds(1))

        #expect(isWaiting)
        #expect(stage.heard.filter { $0.opcode == .ping }.count == 2)
        #expect(stage.ends(of: id).map(\.code) == [.connectionLost])
    }

    @Test("after a long stop of its own process asks once more before it gives the server up")
    func stopped() throws {
        var stage = try Stage.greeted()

        stage.pass(.seconds(3_600))
        let isWaiting = !stage.connection.isOver
        stage.serve { Frames.append(.pong, cookie: PingCookie(0), to: &$0) }
        stage.pass(.seconds(1))

        #expect(isWaiting)
        #expect(!stage.connection.isOver)
    }

    @Test("never wants to be woken at a time that has passed")
    func wakes() throws {
        var stage = try Stage.greeted()
        _ = try stage.send(.ask(deadline: stage.now.advanced(by: .seconds(5))))
        var isAhead = true

        for _ in 0..<200 where !stage.connection.isOver {
            stage.pass(stage.now.duration(to: stage.connection.wakeAt))
            isAhead = isAhead && (stage.connection.isOver || stage.connection.wakeAt > stage.now)
        }

        #expect(isAhead)
        #expect(stage.connection.isOver)
    }
}

extension Stage {
    /// A HELLO_REPLY as it was sent first.
    var firstReply: [UInt8] {
        var bytes: [UInt8] = []
        try? HelloReply(
            to: Hello(features: [.digest, .events]), offered: [.digest, .events], isAdmin: true,
            limits: BinaryLimits(), idleTimeout: .seconds(60)
        ).append(to: &bytes)
        return bytes
    }
}
