import NIOCore
import SamovarCore

/// One command, or several that belong together, on the way to the server in one write.
struct RedisRequest: Sendable {
    typealias Outcome = Result<[RESPValue], CommandFailure>

    /// In Redis's protocol.
    let payload: ByteBuffer
    /// How many commands the payload holds.
    let replyCount: Int
    let deadline: Instant
    /// Nobody is held up by it: it goes out with what comes next, or a little later by itself.
    let canWait: Bool
    /// Called exactly once, mostly on the connection's event loop.
    let settled: @Sendable (Outcome) -> Void

    init(
        _ commands: [[[UInt8]]], deadline: Instant, canWait: Bool = false,
        settled: @escaping @Sendable (Outcome) -> Void
    ) {
        var payload = ByteBuffer()
        for command in commands { payload.writeCommand(command) }
        self.init(payload, replyCount: commands.count, deadline: deadline, canWait: canWait, settled: settled)
    }

    private init(
        _ payload: ByteBuffer, replyCount: Int, deadline: Instant, canWait: Bool,
        settled: @escaping @Sendable (Outcome) -> Void
    ) {
        self.payload = payload
        self.replyCount = replyCount
        self.deadline = deadline
        self.canWait = canWait
        self.settled = settled
    }

    /// The same, with something to be done before it is settled.
    func beforeSettled(_ body: @escaping @Sendable () -> Void) -> RedisRequest {
        RedisRequest(payload, replyCount: replyCount, deadline: deadline, canWait: canWait) { [settled] outcome in
            body()
            settled(outcome)
        }
    }
}
