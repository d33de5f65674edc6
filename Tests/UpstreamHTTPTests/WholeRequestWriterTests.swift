import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import SamovarUpstreamHTTP

@Suite("A writer of whole requests")
struct WholeRequestWriterTests {
    /// Counts how often the socket would be written to.
    private final class FlushCounter: ChannelOutboundHandler {
        typealias OutboundIn = Any
        var count = 0

        func flush(context: ChannelHandlerContext) {
            count += 1
            context.flush()
        }
    }

    private let channel = EmbeddedChannel()
    private let counter = FlushCounter()
    private let head = HTTPRequestHead(
        version: .http1_1, method: .POST, uri: "/", headers: ["host": "h", "content-length": "4"])

    init() throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandlers(counter, HTTPRequestEncoder())
        try WholeRequestWriter.install(on: channel)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
    }

    private func send(_ part: HTTPClientRequestPart) {
        channel.pipeline.syncOperations.writeAndFlush(NIOAny(part), promise: nil)
    }

    /// What has gone out so far.
    private func sent() throws -> String {
        var text = ""
        while var bytes = try channel.readOutbound(as: ByteBuffer.self) {
            text += bytes.readString(length: bytes.readableBytes) ?? ""
        }
        return text
    }

    @Test("sends head, body and end in one write")
    func whole() throws {
        send(.head(head))
        send(.body(.byteBuffer(ByteBuffer(string: "body"))))
        #expect(counter.count == 0)
        send(.end(nil))
        #expect(counter.count == 1)
        #expect(try sent().hasSuffix("\r\n\r\nbody"))
        channel.embeddedEventLoop.run()
        #expect(counter.count == 1)
    }

    @Test("sends what there is at the end of the turn, whole or not")
    func notWhole() throws {
        send(.head(head))
        #expect(try sent().isEmpty)
        channel.embeddedEventLoop.run()
        #expect(try sent().hasPrefix("POST / HTTP/1.1\r\n"))
        send(.body(.byteBuffer(ByteBuffer(string: "bo"))))
        channel.embeddedEventLoop.run()
        #expect(try sent() == "bo")
        send(.body(.byteBuffer(ByteBuffer(string: "dy"))))
        send(.end(nil))
        #expect(try sent() == "dy")
        #expect(counter.count == 3)
    }

    @Test("holds the next request back as well")
    func next() throws {
        for count in 1...3 {
            send(.head(head))
            send(.body(.byteBuffer(ByteBuffer(string: "body"))))
            send(.end(nil))
            #expect(counter.count == count)
        }
        channel.embeddedEventLoop.run()
        #expect(counter.count == 3)
    }
}
