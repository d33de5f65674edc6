import NIOCore
import SamovarCore
import SamovarEngine
import SamovarWire

/// One request in service and the way to answer it, from any task.
///
/// Every method hops to the connection's event loop, where `FrontHandler` writes; what comes after the connection
/// has gone on or closed is dropped there.
final class Exchange: Sendable {
    enum Job: Sendable {
        case ask(Request)
        /// To this upstream: the one whose rule let it pass.
        case pass(PassRequest, to: String?)
    }

    let job: Job
    let caller: Caller
    /// The place of its event loop among the lanes.
    let lane: Int
    let startedAt: Instant
    /// An upstream's words about our own key are not for the caller.
    let hidesCredential: Bool
    private let eventLoop: any EventLoop
    private let handler: NIOLoopBound<FrontHandler>

    init(
        _ job: Job, hidesCredential: Bool, startedAt: Instant, lane: Int, handler: FrontHandler,
        eventLoop: any EventLoop
    ) {
        self.job = job
        self.lane = lane
        caller = Caller(lane: lane)
        self.hidesCredential = hidesCredential
        self.startedAt = startedAt
        self.eventLoop = eventLoop
        self.handler = NIOLoopBound(handler, eventLoop: eventLoop)
    }

    /// Sends the whole reply, or what is left of it where the head has gone out.
    func finish(_ reply: FullReply) {
        eventLoop.execute { self.handler.value.finish(self, reply) }
    }

    func begin(status: Int, _ headers: ReplyFraming.Headers) {
        eventLoop.execute { self.handler.value.begin(self, status: status, headers) }
    }

    /// Sends a piece and waits until the connection takes more. False when the caller has gone.
    func write(_ bytes: [UInt8]) async -> Bool {
        let written = eventLoop.flatSubmit { self.handler.value.write(self, bytes) }
        do {
            try await written.get()
            return true
        } catch {
            return false
        }
    }

    /// - Parameter isCut: the answer did not come to its end; the connection is closed, so that nobody takes it for one.
    func end(isCut: Bool) {
        eventLoop.execute { self.handler.value.end(self, isCut: isCut) }
    }
}
