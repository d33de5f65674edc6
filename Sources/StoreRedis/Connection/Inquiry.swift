import NIOCore
import SamovarCore
import SamovarEngine

/// One question to one server, on a connection of its own that is closed after the answer.
enum Inquiry {
    /// Connects, greets, asks and closes. Takes `connectTimeout` at most to connect, and as long again at most for the
    /// rest.
    ///
    /// - Parameter command: nil where it is enough that the server takes the greeting well.
    static func ask(
        _ command: [[UInt8]]?, at settings: Line.Settings, on loop: any EventLoop, clock: any MonotonicClock
    ) async -> Result<RESPValue, ConnectionLoss> {
        let channel: any Channel
        do {
            channel = try await settings.endpoint.connect(on: loop) {
                RedisChannelHandler(
                    pipelineDepthMax: 1, replySizeMax: settings.replySizeMax, reusesAfterTimeout: false, clock: clock
                ) { _, _ in }
            }.get()
        } catch {
            return .failure(ConnectionLoss(error))
        }
        let greeting = settings.greeting
        let commands = greeting.commands + (command.map { [$0] } ?? [])
        let deadline = clock.now.advanced(by: settings.endpoint.connectTimeout)
        let waiter = ReplyWaiter()
        let outcome = await waiter.sleep {
            let written = channel.write(RedisRequest(commands, deadline: deadline) { waiter.settle($0) })
            // A connection that has ended has nobody on it any more who would say so.
            written.whenFailure { _ in waiter.settle(.failure(.notConnected)) }
        }
        channel.triggerUserOutboundEvent(RedisChannelHandler.Close(loss: .shutDown), promise: nil)
        try? await channel.closeFuture.get()
        switch outcome {
        case .success(let replies):
            switch greeting.verdict(Array(replies.prefix(greeting.commands.count))) {
            case .live: return .success(replies.last ?? .null)
            case .refused(let loss): return .failure(loss)
            }
        case .failure(.lost(let loss)): return .failure(loss)
        case .failure(.timeout): return .failure(.overdue)
        case .failure: return .failure(.closedByServer)
        }
    }
}
