import SamovarCore
import SamovarWire
import Testing

@testable import SamovarServer

@Suite("An HTTP connection")
struct HTTPConnectionTests {
    private let service = ScriptedService([
        "hit": Sample.body(500), "large": Sample.body(100_000), "stream": Sample.stream(5, of: 50),
    ])

    @Test("answers hits in the turn in which they came, however many were pipelined")
    func hits() {
        let peer = HTTPPeer(service)
        peer.connection.receive((0..<20).flatMap { _ in HTTPPeer.asking("hit") })
        #expect(peer.statuses == [Int](repeating: 200, count: 20))
        #expect(peer.replies.allSatisfy { $0.body == Sample.text(500) })
        #expect(peer.connection.handovers.isEmpty)
    }

    @Test("answers in the order of the questions, one at a time")
    func order() throws {
        let peer = HTTPPeer(service)
        peer.connection.receive(HTTPPeer.asking("m") + HTTPPeer.asking("hit") + HTTPPeer.asking("m"))
        #expect(peer.connection.handovers.count == 1)
        #expect(peer.connection.sent.isEmpty)
        let first = try #require(peer.connection.handovers.first)
        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: first.number)
        #expect(peer.replies.map(\.body.count) == [1, 500])
        #expect(peer.connection.handovers.count == 2)
        peer.connection.reply(.answer(.init(.miss, .body), [1, 2]), to: first.number)
        #expect(peer.replies.count == 2, "what comes late to the first is no answer to the second")
        peer.connection.reply(.answer(.init(.miss, .body), [1, 2, 3]), to: peer.connection.handovers[1].number)
        #expect(peer.replies.map(\.body.count) == [1, 500, 3])
    }

    @Test("means the same wherever its bytes are split")
    func everySplit() {
        let bytes =
            HTTPPeer.asking("hit") + HTTPPeer.asking("stream", stream: true)
            + Array("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
            + Array(
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
            + Array("1a\r\n{\"model\":\"hit\",\"messages\":\r\n3\r\n[]}\r\n0\r\n\r\n".utf8)
            + HTTPPeer.asking("hit", headers: ["Connection: close"])
        func bodies(_ pieces: [ArraySlice<UInt8>]) -> [[UInt8]] {
            let peer = HTTPPeer(service)
            var served = 0
            for piece in pieces {
                peer.connection.receive(piece)
                while peer.connection.handovers.count > served {
                    peer.connection.reply(
                        .answer(.init(.miss, .body), [7]), to: peer.connection.handovers[served].number)
                    served += 1
                }
            }
            #expect(peer.isEnding)
            return peer.replies.map(\.body)
        }
        let whole = bodies([bytes[...]])
        #expect(whole.map(\.count) == [500, 250, 1, 500, 500])
        #expect(bodies(bytes.indices.map { bytes[$0...$0] }) == whole)
        for split in 1..<bytes.count {
            let isSame = bodies([bytes[..<split], bytes[split...]]) == whole
            #expect(isSame, "split at \(split)")
        }
    }

    @Test("tells a stream in chunks, and its end")
    func stream() throws {
        let peer = HTTPPeer(service)
        let number = try #require(peer.ask("m", stream: true))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: number)
        for index in 0..<3 { peer.connection.reply(.piece(Sample.event(index, 40)), to: number) }
        #expect(peer.replies.first?.isWhole == false)
        peer.connection.reply(.end(isCut: false), to: number)
        #expect(peer.replies.first?.isWhole == true)
        #expect(peer.replies.first?.body == (0..<3).flatMap { Sample.event($0, 40) })
        #expect(peer.ask("m") != nil)
    }

    @Test("ends a stream that fails with an error event and the connection, without the last chunk")
    func errorAfterBegin() throws {
        let peer = HTTPPeer(service)
        let number = try #require(peer.ask("m", stream: true))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: number)
        peer.connection.reply(.failed(FailedReply(.upstreamCut)), to: number)
        #expect(peer.replies.first?.isWhole == false)
        let body = peer.replies.first?.body ?? []
        #expect(body.starts(with: Array("data: {\"error\":".utf8)))
        #expect(peer.connection.isClosed)
    }

    @Test("never lets what was cut look whole")
    func cut() throws {
        let peer = HTTPPeer(service)
        let number = try #require(peer.ask("m", stream: true))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: number)
        peer.connection.reply(.end(isCut: true), to: number)
        #expect(peer.replies.first?.isWhole == false)
        #expect(peer.connection.isClosed)
    }

    @Test("speaks HTTP/1.0 without chunks, and closes behind the reply")
    func oldVersion() throws {
        let peer = HTTPPeer(service)
        let number = try #require(peer.ask("m", stream: true, version: "1.0"))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: number)
        peer.connection.reply(.piece(Sample.event(0, 40)), to: number)
        peer.connection.reply(.end(isCut: false), to: number)
        #expect(!peer.text.lowercased().contains("transfer-encoding"))
        #expect(peer.replies.first?.body == Sample.event(0, 40))
        #expect(peer.connection.isClosed)
    }

    @Test("keeps an HTTP/1.0 connection where the caller wants that and the length is known")
    func oldKeepAlive() {
        let peer = HTTPPeer(service)
        peer.ask("hit", version: "1.0", headers: ["Connection: keep-alive"])
        peer.ask("hit", version: "1.0")
        #expect(peer.statuses == [200, 200])
        #expect(peer.connection.isClosed)
    }

    @Test("closes behind the reply where that is asked for, and answers nothing behind it")
    func close() {
        let peer = HTTPPeer(service)
        peer.connection.receive(HTTPPeer.asking("hit", headers: ["Connection: close"]) + HTTPPeer.asking("hit"))
        #expect(peer.statuses == [200])
        #expect(peer.connection.isClosed)
    }

    @Test("tells HEAD a length and no body")
    func head() throws {
        let peer = HTTPPeer(service)
        peer.receive("HEAD /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        let number = try #require(peer.connection.handovers.first?.number)
        peer.connection.reply(.failed(FailedReply(ErrorCode.noRoute)), to: number)
        #expect(peer.text.hasSuffix("\r\n\r\n"))
        #expect(peer.text.contains("content-length: "))
        #expect(!peer.isEnding)
    }

    @Test("tells a caller that expects it to go on, once, and takes the body")
    func expects() {
        let peer = HTTPPeer(service)
        let request = HTTPPeer.asking("hit", headers: ["Expect: 100-continue"])
        let body = Sample.question("hit").count
        peer.connection.receive(request.dropLast(body))
        #expect(peer.text == "HTTP/1.1 100 Continue\r\n\r\n")
        peer.connection.receive(request.suffix(body).prefix(5))
        peer.connection.receive(request.suffix(body).dropFirst(5))
        #expect(peer.statuses == [200])
        #expect(peer.text.components(separatedBy: "100 Continue").count == 2)
    }

    @Test("answers what it must refuse, then reads on for a while so that the reply is not lost, then closes")
    func lingers() {
        let peer = HTTPPeer(service)
        peer.receive("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        #expect(peer.statuses == [400])
        #expect(peer.connection.outputIsShut)
        #expect(peer.wantsRead)
        peer.connection.receive([UInt8](repeating: 0, count: 100_000))
        #expect(!peer.connection.isClosed)
        peer.connection.pass(.seconds(1))
        #expect(peer.connection.isClosed)
        #expect(peer.statuses == [400])
    }

    @Test("reads on behind a refusal only so much")
    func lingersSoMuch() {
        let peer = HTTPPeer(service)
        peer.receive("nonsense\r\n\r\n")
        for _ in 0..<300 where !peer.connection.isClosed {
            peer.connection.receive([UInt8](repeating: 0, count: 64 << 10))
        }
        #expect(peer.connection.isClosed)
    }

    @Test("closes at once when the caller stops sending behind a refusal")
    func lingersNoLonger() {
        let peer = HTTPPeer(service)
        peer.receive("nonsense\r\n\r\n")
        peer.connection.endInput()
        #expect(peer.connection.isClosed)
    }

    @Test("gives up what is served when the caller goes", arguments: [false, true])
    func gone(isReset: Bool) throws {
        let peer = HTTPPeer(service)
        let number = try #require(peer.ask("m"))
        if isReset { peer.connection.close() } else { peer.connection.endInput() }
        #expect(peer.connection.hangUps == [number])
        #expect(peer.connection.isClosed || isReset)
        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: number)
        #expect(peer.connection.sent.isEmpty)
    }

    @Test("leaves after the reply, and says so")
    func leaving() throws {
        let peer = HTTPPeer(service)
        let number = try #require(peer.ask("m"))
        peer.connection.leave()
        #expect(!peer.isEnding)
        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: number)
        #expect(peer.statuses == [200])
        #expect(peer.text.contains("connection: close"))
        #expect(peer.connection.isClosed)
    }

    @Test("leaves at once where nothing is asked, and after the request where a part of one has come")
    func leavingIdle() {
        let idle = HTTPPeer(service)
        idle.connection.leave()
        #expect(idle.connection.isClosed)

        let peer = HTTPPeer(service)
        let request = HTTPPeer.asking("hit")
        peer.connection.receive(request.prefix(30))
        peer.connection.leave()
        #expect(!peer.isEnding)
        peer.connection.receive(request.dropFirst(30))
        #expect(peer.statuses == [200])
        #expect(peer.connection.isClosed)
    }
}

@Suite("An HTTP connection's time")
struct HTTPTimeTests {
    @Test("a head has header_timeout from its first byte, wherever it stops", arguments: [1, 20, 60])
    func head(byteCount: Int) {
        let peer = HTTPPeer()
        peer.connection.pass(.seconds(50))
        peer.connection.receive(HTTPPeer.asking("m").prefix(byteCount))
        peer.connection.pass(.milliseconds(4_999))
        #expect(peer.connection.sent.isEmpty)
        peer.connection.pass(.milliseconds(1))
        #expect(peer.statuses == [408])
        peer.connection.pass(.seconds(1))
        #expect(peer.connection.isClosed)
    }

    @Test("a body has its rate, and what came quickly is waited for longer")
    func body() {
        let peer = HTTPPeer()
        peer.receive("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        peer.connection.receive([UInt8](repeating: 0x20, count: 100 << 10))
        let wakeCount = peer.connection.pass(.seconds(104))
        #expect(wakeCount < 5)
        #expect(peer.connection.sent.isEmpty)
        peer.connection.pass(.seconds(2))
        #expect(peer.statuses == [408])
    }

    @Test("between requests it is idle, and closed without a word")
    func idle() {
        let peer = HTTPPeer(ScriptedService(["hit": Sample.body(5)]))
        peer.connection.pass(.seconds(30))
        peer.ask("hit")
        let count = peer.connection.sent.count
        peer.connection.pass(.milliseconds(59_999))
        #expect(!peer.connection.isClosed)
        peer.connection.pass(.milliseconds(1))
        #expect(peer.connection.isClosed)
        #expect(peer.connection.sent.count == count)
    }

    @Test("a request being served is not idle")
    func serving() throws {
        let peer = HTTPPeer()
        let number = try #require(peer.ask("m"))
        peer.connection.pass(.seconds(10_000))
        peer.connection.reply(.answer(.init(.miss, .body), [1]), to: number)
        #expect(peer.statuses == [200])
    }

    @Test("a streaming caller gets a sign of life every keep_alive_interval, before the answer and within it")
    func keepAlive() throws {
        let peer = HTTPPeer()
        let number = try #require(peer.ask("m", stream: true))
        peer.connection.pass(.seconds(25))
        #expect(peer.replies.first?.body == Array(": keep-alive\n\n: keep-alive\n\n".utf8))
        peer.connection.reply(.begin(.init(.miss, .stream)), to: number)
        peer.connection.reply(.piece(Sample.event(0, 30)), to: number)
        peer.connection.pass(.milliseconds(9_999))
        let count = peer.connection.sent.count
        peer.connection.pass(.milliseconds(1))
        #expect(peer.connection.sent.count > count)
        peer.connection.reply(.end(isCut: false), to: number)
        #expect(peer.replies.count == 1)
        #expect(peer.replies.first?.isWhole == true)
    }

    @Test("signs of life do not pile up for a caller who does not read")
    func keepAliveBlocked() throws {
        let limits = HTTPConnection<ScriptedService>.Limits(
            writeTimeout: .seconds(3_600), keepAliveInterval: .seconds(1))
        let peer = HTTPPeer(limits: limits)
        _ = try #require(peer.ask("m", stream: true))
        peer.connection.block()
        peer.connection.pass(.seconds(1_000))
        #expect(peer.connection.unsentCount < 1_000)
    }

    @Test("the caller's own deadline hangs up, once, and the error is told")
    func deadline() throws {
        let peer = HTTPPeer()
        let number = try #require(peer.ask("m", headers: ["X-Samovar-Timeout: 2s"]))
        peer.connection.pass(.seconds(10))
        #expect(peer.connection.hangUps == [number])
        peer.connection.reply(.failed(FailedReply(.deadline)), to: number)
        #expect(peer.statuses == [504])
    }

    @Test("a caller that takes nothing for write_timeout is gone, and one that takes a little is not")
    func blocked() throws {
        let service = ScriptedService(["large": Sample.body(1 << 20)])
        let peer = HTTPPeer(service)
        peer.connection.block()
        peer.ask("large")
        peer.connection.pass(.milliseconds(29_999))
        peer.connection.drain(10)
        peer.connection.pass(.milliseconds(29_999))
        #expect(!peer.connection.isClosed)
        peer.connection.pass(.milliseconds(1))
        #expect(peer.connection.isClosed)
    }

    @Test("the last reply has as long as the caller goes on taking it")
    func slowEnd() {
        let peer = HTTPPeer(ScriptedService(["large": Sample.body(1 << 20)]))
        peer.connection.block()
        peer.ask("large", headers: ["Connection: close"])
        for _ in 0..<20 {
            peer.connection.pass(.seconds(20))
            peer.connection.drain(20_000)
        }
        #expect(!peer.connection.isClosed)
        peer.connection.drain()
        #expect(peer.replies.first?.body.count == 1 << 20)
        #expect(peer.connection.isClosed)
    }
}

@Suite("An HTTP caller that does not read")
struct HTTPBacklogTests {
    @Test("is answered only so far, and the rest as it reads")
    func pipelined() {
        let peer = HTTPPeer(ScriptedService(["hit": Sample.body(50_000)]))
        peer.connection.block()
        peer.connection.receive((0..<100).flatMap { _ in HTTPPeer.asking("hit") })
        #expect(peer.connection.unsentCount < 400_000)
        var most = 0
        while peer.connection.unsentCount > 0 {
            most = max(most, peer.connection.unsentCount)
            peer.connection.drain(100_000)
        }
        #expect(most < 400_000)
        #expect(peer.statuses == [Int](repeating: 200, count: 100))
    }

    @Test("is read ahead of only so far, while it is served and while it does not read", arguments: [false, true])
    func readAhead(isServed: Bool) {
        let peer = HTTPPeer(ScriptedService(["hit": Sample.body(50_000)]))
        if isServed {
            peer.ask("m")
        } else {
            peer.connection.block()
            peer.ask("hit")
        }
        var sent = 0
        while peer.wantsRead, sent < 10 << 20 {
            let request = HTTPPeer.asking("hit")
            peer.connection.receive(request)
            sent += request.count
        }
        #expect(((64 << 10)..<(66 << 10)).contains(sent))
    }
}
