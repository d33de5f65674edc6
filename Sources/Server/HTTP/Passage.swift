import SamovarCore
import SamovarEngine
import SamovarWire

/// One request on its way through: neither stored nor shared, and given up when its caller goes or waits in vain.
///
/// Drives `AnswerDeadlines`, with the pieces of the reply for tokens.
final class Passage: Sendable {
    private struct State {
        var deadlines: AnswerDeadlines
        var hasBegun = false
    }

    private let exchange: Exchange
    private let clock: any MonotonicClock
    private let metrics: Metrics
    private let state: Lock<State>

    init(exchange: Exchange, clock: any MonotonicClock, metrics: Metrics, timeouts: AnswerDeadlines.Timeouts) {
        self.exchange = exchange
        self.clock = clock
        self.metrics = metrics
        state = Lock(State(deadlines: AnswerDeadlines(timeouts, startedAt: clock.now)))
    }

    /// Whether the head of the reply has gone out.
    var hasBegun: Bool { state.withLock { $0.hasBegun } }

    /// Passes the request on and the reply back. Nil: to its clean end.
    func run(_ request: PassRequest, through passThrough: any PassThrough) async -> Failure? {
        let (gone, leave) = AsyncStream<Never>.makeStream()
        exchange.caller.whenGone { leave.finish() }
        return await withTaskGroup(of: Failure?.self) { racing in
            racing.addTask { await self.pass(request, through: passThrough) }
            racing.addTask { await self.watch() }
            racing.addTask {
                for await _ in gone {}
                return .deadline
            }
            let first = await racing.next()
            racing.cancelAll()
            return first ?? .cut
        }
    }

    private func pass(_ request: PassRequest, through passThrough: any PassThrough) async -> Failure? {
        do {
            try await passThrough.pass(request) { reply in
                // What an upstream says about our own key is not for the caller.
                if self.exchange.hidesCredential, reply.status == 401 || reply.status == 403 {
                    throw Failure.refused(
                        .init(status: reply.status, contentType: nil, body: [], retryAfter: nil))
                }
                self.begin(reply)
            } piece: { bytes in
                self.state.withLock { $0.deadlines.sawToken(at: self.clock.now) }
                guard await self.exchange.write(bytes) else { throw Failure.deadline }
            }
            return nil
        } catch {
            return error as? Failure ?? .cut
        }
    }

    private func begin(_ reply: PassReply) {
        let now = clock.now
        state.withLock { state in
            state.deadlines.sawToken(at: now)
            state.hasBegun = true
        }
        metrics.requests[exchange.front][.bypass].add(1)
        metrics.firstTokens[.bypass].observe(exchange.startedAt.duration(to: now))
        exchange.begin(reply)
    }

    private func watch() async -> Failure? {
        while true {
            do {
                try await clock.sleep(until: state.withLock { $0.deadlines.lookAgain(after: clock.now) })
            } catch {
                return .draining
            }
            if let wait = state.withLock({ $0.deadlines.passed(at: clock.now) }) { return .timedOut(wait) }
        }
    }
}
