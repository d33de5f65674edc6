import NIOCore
import NIOEmbedded
import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite("A connection on which the server speaks unasked")
struct NewsChannelHandlerTests {
    private let clock = HandClock()
    private let channel: EmbeddedChannel
    private let told = Told()

    init() throws {
        let reports = NewsChannelHandler.Reports(
            live: { [told] _ in told.add("live") },
            message: { [told] _, payload in told.add("message \(payload)") },
            lost: { [told] loss, hasServed in told.add("lost \(loss) \(hasServed)") })
        let handler = NewsChannelHandler(
            greeting: Greeting(user: nil, password: nil, database: 0), channels: [Array("here".utf8)], clock: clock,
            reports: reports)
        channel = EmbeddedChannel(handler: handler)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
    }

    private func say(_ text: String) throws {
        try channel.writeInbound(ByteBuffer(string: text))
    }

    private func pass(_ milliseconds: Int) {
        for _ in 0..<milliseconds {
            clock.advance(by: .milliseconds(1))
            channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        }
    }

    private func sent() throws -> String {
        var text = ""
        while var bytes = try channel.readOutbound(as: ByteBuffer.self) {
            text += bytes.readString(length: bytes.readableBytes) ?? ""
        }
        return text
    }

    private static let subscribed = "*3\r\n$9\r\nsubscribe\r\n$4\r\nhere\r\n:1\r\n"
    private static let pong = "*2\r\n$4\r\npong\r\n$0\r\n\r\n"

    @Test("it greets, subscribes and hands on what is said")
    func messages() throws {
        let first = try sent()
        try say("+OK\r\n+PO")
        try say("NG\r\n" + Self.subscribed)
        try say("*3\r\n$7\r\nmessage\r\n$4\r\nhere\r\n$2\r\nhi\r\n" + Self.pong)
        #expect(first.contains("SETNAME") && first.contains("SUBSCRIBE\r\n$4\r\nhere"))
        #expect(told.all == ["live", "message bulk([104, 105])"])
    }

    @Test("a quiet server is asked for a sign of life every 5 seconds, and kept as long as it gives one")
    func pings() throws {
        try say("+OK\r\n+PONG\r\n" + Self.subscribed)
        _ = try sent()
        var pings: [Bool] = []
        for _ in 0..<20 {
            pass(4_999)
            pings.append(try sent().contains("PING"))
            pass(1)
            pings.append(try sent().contains("PING"))
            try say(Self.pong)
        }
        #expect(pings == (0..<20).flatMap { _ in [false, true] })
        #expect(told.all == ["live"])
    }

    @Test("a refusal to answer pings is a sign of life")
    func mayNotPing() throws {
        try say("+OK\r\n+PONG\r\n" + Self.subscribed)
        for _ in 0..<5 {
            pass(5_000)
            try say("-NOPERM this user has no permissions to run the 'ping' command\r\n")
        }
        #expect(told.all == ["live"])
    }

    @Test("one that gives none is given up within 10 seconds of its last word")
    func halfOpen() throws {
        try say("+OK\r\n+PONG\r\n" + Self.subscribed)
        pass(8_999)
        let before = told.all
        pass(1_000)
        #expect(before == ["live"])
        #expect(told.all == ["live", "lost a reply was overdue false"])
        #expect(!channel.isActive)
    }

    @Test("one that never answers the greeting is given up as well")
    func silent() {
        pass(9_000)
        #expect(told.all == ["lost a reply was overdue false"])
    }

    @Test(
        "what is no news ends the connection, once",
        arguments: [
            "+OK\r\n", "*3\r\n$7\r\nmessage\r\n$5\r\nthere\r\n$2\r\nhi\r\n", ":1\r\n", "*0\r\n", "hello\r\n",
            "*2\r\n$7\r\nmessage\r\n$4\r\nhere\r\n", "*1\r\n$4\r\npong\r\n",
            "$70000\r\n" + String(repeating: "x", count: 70_000),
        ])
    func garbage(text: String) throws {
        try say("+OK\r\n+PONG\r\n" + Self.subscribed)
        try say(text)
        try say(text)
        #expect(told.all.count == 2 && told.all.last?.hasPrefix("lost") == true)
    }

    @Test("a refused subscription needs an operator")
    func refused() throws {
        try say("+OK\r\n+PONG\r\n-NOPERM this user has no permissions\r\n")
        #expect(told.all.count == 1)
        #expect(told.all.first?.contains("refused to tell news (NOPERM") == true)
    }

    private final class Told: Sendable {
        private let words = Lock<[String]>([])
        var all: [String] { words.withLock { $0 } }
        func add(_ word: String) { words.withLock { $0.append(word) } }
    }
}

/// A clock that stands still until it is put forward.
private final class HandClock: MonotonicClock {
    private let time = Lock(Instant.zero)
    var now: Instant { time.withLock { $0 } }
    var wallNow: WallTime { WallTime(milliseconds: now.nanoseconds / 1_000_000) }
    func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
    func sleep(until deadline: Instant) async throws {}
    func call(at instant: Instant, _ body: @escaping @Sendable () -> Void) {}
}
