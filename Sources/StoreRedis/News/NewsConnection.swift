import Logging
import NIOCore
import SamovarCore
import SamovarEngine

/// The one connection of a process on which Redis speaks unasked. It comes back by itself; what was said meanwhile is
/// lost, so nothing may depend on it.
///
/// It listens to a fixed list of channels, whatever else is to be heard takes a place on that list; and to changes of
/// all names with some beginnings, which Redis redirects to this connection itself (`NewsState`).
final class NewsConnection: Sendable {
    private struct State {
        var machine = LineState()
        var channel: (any Channel)?
        var retry: Scheduled<Void>?
        var openCount = 0
        var hasTold = false
        var hasToldRefusal = false
        var shutdowns: [EventLoopPromise<Void>] = []
    }

    private let settings: Line.Settings
    private let channels: [[UInt8]]
    private let tracked: [[UInt8]]
    private let standing: @Sendable (NewsStanding) -> Void
    private let loop: any EventLoop
    private let clock: any MonotonicClock
    private let logger: Logger
    private let receive: @Sendable (_ channel: [UInt8], RESPValue) -> Void
    /// Touched on `loop` only, which it checks.
    private let state: NIOLoopBoundBox<State>
    private let liveness = Liveness()
    private let isStarted = Lock(false)

    /// - Parameters:
    ///   - tracked: what the names begin with whose changes are told.
    ///   - standing: told whether they are; on an event loop.
    ///   - receive: called on an event loop.
    init(
        settings: Line.Settings, channels: [[UInt8]], tracked: [[UInt8]], loop: any EventLoop,
        clock: any MonotonicClock, logger: Logger, standing: @escaping @Sendable (NewsStanding) -> Void,
        receive: @escaping @Sendable (_ channel: [UInt8], RESPValue) -> Void
    ) {
        self.settings = settings
        self.channels = channels
        self.tracked = tracked
        self.standing = standing
        self.loop = loop
        self.clock = clock
        self.logger = logger
        self.receive = receive
        state = NIOLoopBoundBox.makeBoxSendingValue(State(), eventLoop: loop)
    }

    /// Connects, in the background, for as long as it takes. Idempotent.
    func start() {
        let isFirst = isStarted.withLock { isStarted in
            defer { isStarted = true }
            return !isStarted
        }
        if isFirst { loop.execute { [self] in connect() } }
    }

    /// Waits until it listens. False when the task is cancelled or it is shut down before that.
    func listens() async -> Bool { await liveness.wait() }

    // MARK: Coming and going

    private func connect() {
        guard let attempt = state.value.machine.connects() else { return }
        state.value.openCount += 1
        let reports = NewsChannelHandler.Reports(
            live: { [self] isTracking in live(attempt, isTracking) },
            message: receive,
            lost: { [self] loss, hasServed in failed(attempt, loss, hasServed) })
        let channel = settings.endpoint.connect(on: loop) { [self] in
            NewsChannelHandler(
                greeting: settings.greeting, channels: channels, tracked: tracked, clock: clock, reports: reports)
        }
        channel.assumeIsolated().whenComplete { [self] result in
            switch result {
            case .success(let channel):
                channel.closeFuture.assumeIsolated().whenComplete { _ in self.closed() }
                guard state.value.machine.opened(attempt) else { return channel.close(promise: nil) }
                state.value.channel = channel
            case .failure(let error):
                failed(attempt, ConnectionLoss(error), false)
                closed()
            }
        }
    }

    private func live(_ attempt: LineState.Attempt, _ isTracking: Bool) {
        guard state.value.machine.greeted(attempt) else { return }
        state.value.hasTold = false
        standing(isTracking ? .tracking : .refused)
        if !isTracking, !state.value.hasToldRefusal {
            state.value.hasToldRefusal = true
            logger.warning(
                "redis: does not let us hear of changes (CLIENT TRACKING), L1 serves what it has by its own lifetime")
        }
        liveness.rose()
    }

    private func failed(_ attempt: LineState.Attempt, _ loss: ConnectionLoss, _ hasServed: Bool) {
        let jitter = Double.random(in: 0..<1)
        guard let action = state.value.machine.failed(attempt, hasServed: hasServed, jitter: jitter) else { return }
        if action.wasLive {
            liveness.fell()
            standing(.lost)
        }
        state.value.channel = nil
        tell(loss)
        let wait = TimeAmount.nanoseconds(action.retryAfter.nanoseconds)
        state.value.retry = loop.assumeIsolated().scheduleTask(in: wait) { [self] in connect() }
    }

    /// What only an operator can mend, once. That the server is away is told by those who need it.
    private func tell(_ loss: ConnectionLoss) {
        guard loss.needsOperator, !state.value.hasTold else { return }
        state.value.hasTold = true
        logger.warning("redis: tells no news, so sharing calls between processes takes longer: \(loss.description)")
    }

    // MARK: The end

    /// Closes the connection and waits until it is closed. Idempotent.
    func shutdown() async {
        liveness.shut()
        let promise = loop.makePromise(of: Void.self)
        loop.execute { [self] in
            if state.value.machine.shut() { liveness.fell() }
            state.value.shutdowns.append(promise)
            state.value.retry?.cancel()
            state.value.channel?.close(promise: nil)
            finishShutdown()
        }
        try? await promise.futureResult.get()
    }

    private func closed() {
        state.value.openCount -= 1
        finishShutdown()
    }

    private func finishShutdown() {
        guard state.value.machine.phase == .shut, state.value.openCount == 0 else { return }
        for promise in state.value.shutdowns { promise.succeed() }
        state.value.shutdowns.removeAll()
    }
}
