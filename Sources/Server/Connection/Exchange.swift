import SamovarCore
import SamovarEngine
import SamovarWire

/// Where parts of replies go: to the driver of a connection, from any task or thread.
protocol ReplyPort: AnyObject, Sendable {
    /// Carries the part to the connection. In order; after the connection has closed, nowhere.
    func submit(_ part: ReplyPart, of exchange: Exchange)
}

/// One request in service and the way to answer it, from any task.
///
/// Pieces run ahead of the connection only so far (`queuedByteMax`): then whoever writes waits until the socket has
/// taken what there is.
final class Exchange: Sendable {
    private struct State {
        var queuedByteCount = 0
        var isClosed = false
        var writer: CheckedContinuation<Bool, Never>?
    }

    let handover: Handover
    let caller: Caller
    /// Where it came in.
    let front: DataFront
    /// Which lane serves it.
    let lane: Int
    private let port: any ReplyPort
    private let state = Lock(State())

    private static let queuedByteMax = 128 << 10

    init(_ handover: Handover, at front: DataFront, lane: Int, port: any ReplyPort) {
        self.front = front
        self.handover = handover
        self.lane = lane
        self.port = port
        caller = Caller(lane: lane)
    }

    var startedAt: Instant { handover.startedAt }
    var hidesCredential: Bool { handover.hidesCredential }

    /// Sends a whole answer.
    func finish(_ facts: AnswerFacts, _ body: [UInt8]) { port.submit(.answer(facts, body), of: self) }

    /// Says what came of an order.
    func finish(_ done: Done) { port.submit(.done(done), of: self) }

    /// Sends what an administrator asked to see.
    func finish(text: [UInt8]) { port.submit(.text(text), of: self) }

    /// Sends an error: as the whole reply, or as the end of one that has begun.
    func fail(_ reply: FailedReply) { port.submit(.failed(reply), of: self) }

    func begin(_ facts: AnswerFacts) { port.submit(.begin(facts), of: self) }

    func begin(_ reply: PassReply) { port.submit(.passed(reply), of: self) }

    /// Sends a piece and waits until the connection takes more. False when the caller has gone.
    func write(_ bytes: [UInt8]) async -> Bool {
        let isOpen = state.withLock { state in
            state.queuedByteCount += bytes.count
            return !state.isClosed
        }
        guard isOpen else { return false }
        port.submit(.piece(bytes), of: self)
        return await room()
    }

    private func room() async -> Bool {
        await withCheckedContinuation { writer in
            let isOpen: Bool? = state.withLock { state in
                if state.isClosed { return false }
                guard state.queuedByteCount > Self.queuedByteMax else { return true }
                state.writer = writer
                return nil
            }
            if let isOpen { writer.resume(returning: isOpen) }
        }
    }

    /// - Parameter isCut: the answer did not come to its end.
    func end(isCut: Bool) { port.submit(.end(isCut: isCut), of: self) }

    // MARK: The driver's side

    /// The socket has taken everything that was submitted so far up to `count` bytes of pieces.
    func taken(_ count: Int) {
        let writer = state.withLock { state in
            state.queuedByteCount -= count
            return state.queuedByteCount > Self.queuedByteMax / 4 ? nil : state.writer.take()
        }
        writer?.resume(returning: true)
    }

    /// Nothing more will be sent.
    func closed() {
        let writer = state.withLock { state in
            state.isClosed = true
            return state.writer.take()
        }
        writer?.resume(returning: false)
    }

    /// The caller has gone, or waits no longer.
    func hangUp() { caller.hangUp(.deadline) }
}
