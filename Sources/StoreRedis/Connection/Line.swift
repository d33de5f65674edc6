import NIOCore
import SamovarCore
import SamovarEngine
import Synchronization

/// A place for one connection that comes back by itself. Drives `LineState`, on one event loop.
final class Line: Sendable {
    /// What a line tells about itself, on its event loop.
    struct Reports: Sendable {
        let live: @Sendable () -> Void
        let fell: @Sendable () -> Void
        let failed: @Sendable (ConnectionLoss) -> Void
    }

    struct Settings: Sendable {
        let endpoint: Endpoint
        let greeting: Greeting
        let pipelineDepthMax: Int
        let replySizeMax: Int
        let reusesAfterTimeout: Bool
    }

    private struct State {
        var machine = LineState()
        var channel: (any Channel)?
        var retry: Scheduled<Void>?
        /// Attempts under way and channels that are not closed yet.
        var openCount = 0
        /// Waiting for the last of it to be gone.
        var shutdowns: [EventLoopPromise<Void>] = []
    }

    private let loop: any EventLoop
    private let settings: Settings
    private let clock: any MonotonicClock
    private let reports: Reports
    /// Touched on `loop` only, which it checks.
    private let state: NIOLoopBoundBox<State>
    private let live = Atomic(false)
    private let load = Atomic(0)

    init(settings: Settings, loop: any EventLoop, clock: any MonotonicClock, reports: Reports) {
        self.settings = settings
        self.loop = loop
        self.clock = clock
        self.reports = reports
        state = NIOLoopBoundBox.makeBoxSendingValue(State(), eventLoop: loop)
    }

    /// Whether commands may be sent. A guess by the time it is read.
    var isLive: Bool { live.load(ordering: .acquiring) }
    /// Whether the caller runs on this line's event loop.
    var isHere: Bool { loop.inEventLoop }
    /// How many requests have been given to it and not been settled.
    var pendingCount: Int { load.load(ordering: .relaxed) }

    // MARK: Commands

    /// Sends a request, from any thread. It is settled in any case.
    func send(_ request: RedisRequest) {
        load.add(1, ordering: .relaxed)
        if loop.inEventLoop { write(request) } else { loop.execute { self.write(request) } }
    }

    private func write(_ request: RedisRequest) {
        let counted = request.beforeSettled { [self] in load.subtract(1, ordering: .relaxed) }
        // It may have been lost on the way here.
        guard state.value.machine.phase == .live, let channel = state.value.channel else {
            return counted.settled(.failure(.notConnected))
        }
        channel.pipeline.syncOperations.write(NIOAny(counted), promise: nil)
    }

    /// Closes the connection, which is not to be believed any more; another takes its place.
    func distrust() {
        loop.execute { [self] in close(.distrusted) }
    }

    private func close(_ loss: ConnectionLoss) {
        state.value.channel?.triggerUserOutboundEvent(RedisChannelHandler.Close(loss: loss), promise: nil)
    }

    // MARK: Coming and going

    /// Connects, in the background, for as long as it takes.
    func start() {
        loop.execute { [self] in connect() }
    }

    private func connect() {
        guard let attempt = state.value.machine.connects() else { return }
        state.value.openCount += 1
        let deadline = clock.now.advanced(by: settings.endpoint.connectTimeout)
        let channel = settings.endpoint.connect(on: loop) { [self] in
            RedisChannelHandler(
                pipelineDepthMax: settings.pipelineDepthMax, replySizeMax: settings.replySizeMax,
                reusesAfterTimeout: settings.reusesAfterTimeout, clock: clock
            ) { [self] loss, answeredCount in
                // The greeting is the first answer; what comes after it is service.
                failed(attempt, loss, hasServed: answeredCount > 1)
            }
        }
        channel.assumeIsolated().whenComplete { [self] result in
            switch result {
            case .success(let channel):
                channel.closeFuture.assumeIsolated().whenComplete { _ in self.closed() }
                opened(attempt, channel, deadline)
            case .failure(let error):
                failed(attempt, ConnectionLoss(error), hasServed: false)
                closed()
            }
        }
    }

    private func opened(_ attempt: LineState.Attempt, _ channel: any Channel, _ deadline: Instant) {
        guard state.value.machine.opened(attempt) else { return channel.close(promise: nil) }
        state.value.channel = channel
        let greeting = settings.greeting
        let request = RedisRequest(greeting.commands, deadline: deadline) { [self] outcome in
            switch outcome {
            case .success(let replies): greeted(attempt, greeting.verdict(replies))
            // Refused before it was sent, as when connecting took all its time. (Where the connection has ended
            // instead, that is known, and this changes nothing.)
            case .failure: channel.triggerUserOutboundEvent(RedisChannelHandler.Close(loss: .overdue), promise: nil)
            }
        }
        channel.pipeline.syncOperations.write(NIOAny(request), promise: nil)
    }

    private func greeted(_ attempt: LineState.Attempt, _ verdict: Greeting.Verdict) {
        switch verdict {
        case .refused(let loss): close(loss)
        case .live:
            guard state.value.machine.greeted(attempt) else { return }
            live.store(true, ordering: .releasing)
            reports.live()
        }
    }

    private func failed(_ attempt: LineState.Attempt, _ loss: ConnectionLoss, hasServed: Bool) {
        let jitter = Double.random(in: 0..<1)
        guard let action = state.value.machine.failed(attempt, hasServed: hasServed, jitter: jitter) else { return }
        state.value.channel = nil
        if action.wasLive { fall() }
        reports.failed(loss)
        state.value.retry = loop.assumeIsolated().scheduleTask(in: .nanoseconds(action.retryAfter.nanoseconds)) {
            [self] in connect()
        }
    }

    private func fall() {
        live.store(false, ordering: .releasing)
        reports.fell()
    }

    // MARK: The end

    /// Closes the connection and waits until it is closed. Idempotent.
    func shutdown() async {
        let promise = loop.makePromise(of: Void.self)
        loop.execute { [self] in
            if state.value.machine.shut() { fall() }
            state.value.shutdowns.append(promise)
            state.value.retry?.cancel()
            close(.shutDown)
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
