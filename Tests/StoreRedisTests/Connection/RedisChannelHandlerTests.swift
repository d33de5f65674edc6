import NIOCore
import NIOEmbedded
import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite("A connection's handler")
struct RedisChannelHandlerTests {
    private let channel: EmbeddedChannel
    private let clock = SystemClock()

    init() throws {
        let handler = RedisChannelHandler(
            pipelineDepthMax: 10, replySizeMax: 1 << 20, reusesAfterTimeout: false, clock: clock
        ) { _, _ in }
        channel = EmbeddedChannel(handler: handler)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
    }

    private func write(_ command: String, canWait: Bool) {
        let request = RedisRequest(
            [[Array(command.utf8)]], deadline: clock.now.advanced(by: .seconds(60)), canWait: canWait
        ) { _ in }
        channel.pipeline.syncOperations.write(NIOAny(request), promise: nil)
        channel.embeddedEventLoop.run()
    }

    /// The commands that have gone out since the last time.
    private func sent() throws -> [String] {
        var commands: [String] = []
        while var bytes = try channel.readOutbound(as: ByteBuffer.self) {
            let words = bytes.readString(length: bytes.readableBytes)?.split(separator: "\r\n") ?? []
            commands.append(words.last.map(String.init) ?? "")
        }
        return commands
    }

    @Test("sends what can wait with what comes next, in order")
    func together() throws {
        write("SET", canWait: true)
        #expect(try sent() == [])
        write("GET", canWait: false)
        #expect(try sent() == ["SET", "GET"])
    }

    @Test("sends what can wait a moment later where nothing comes")
    func alone() throws {
        write("SET", canWait: true)
        write("SET2", canWait: true)
        #expect(try sent() == [])
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(try sent() == ["SET", "SET2"])
    }
}
