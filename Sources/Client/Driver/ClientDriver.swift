import NIOCore
import NIOPosix
import SamovarCore
import SamovarWire
import Synchronization

/// Drives `Dialing` and `Waiting` on one event loop: brings requests to a connection, and a connection to requests.
///
/// Commands come from any thread; those that come together are carried out together, and written at once.
final class ClientDriver: Sendable {
    private enum Command {
        case submit(Call)
        case cancel(Call)
        case consumed(Call, Int)
        case leave(EventLoopPromise<Void>?)
    }

    private struct Inbox {
        var commands: [Command] = []
        var isScheduled = false
    }

    private enum Place {
        case waiting(UInt64)
        case sent(ConnectionHandler, UInt64)
    }

    private struct State {
        var dialing: Dialing
        var waiting: Waiting<Call>
        var places: [ObjectIdentifier: Place] = [:]
        var lastNumber: UInt64 = 0
        /// All connections that are open; the one for new requests is one of them.
        var handlers: [ConnectionHandler] = []
        var current: ConnectionHandler?
        /// Since when there is no current one.
        var lostAt = Instant.zero
        /// Why the last try failed.
        var lastFailure: SamovarClient.Failure?
        var timer: (at: Instant, task: Scheduled<Void>)?
        var isClosed = false
        /// Tries under way and channels that are not closed yet.
        var openCount = 0
        /// Waiting for the last of it to be gone.
        var leaving: [EventLoopPromise<Void>] = []
    }

    private let address: SamovarClient.Address
    private let connectTimeout: Duration
    private let connectionSettings: ClientConnection.Settings
    private let loop: any EventLoop
    private let inbox = Mutex(Inbox())
    private let state: NIOLoopBoundBox<State>

    /// Connections that finish what they have, beside the one for new requests. Until one ends there is no other.
    private static let handlerMax = 8
    /// What may wait in the socket's queue before further requests do.
    private static let outputSizeMax = 1 << 20

    init(address: SamovarClient.Address, settings: SamovarClient.Settings, hello: Hello, loop: any EventLoop) {
        self.address = address
        self.loop = loop
        connectTimeout = settings.connectTimeout
        connectionSettings = ClientConnection.Settings(
            hello: hello, inflightMax: settings.inflightMax, answerSizeMax: settings.answerSizeMax,
            helloTimeout: settings.helloTimeout, cancelTimeout: settings.cancelTimeout,
            silenceMax: settings.silenceMax)
        let state = State(
            dialing: Dialing(waitMin: settings.waitMin, waitMax: settings.waitMax),
            waiting: Waiting(countMax: settings.waitingMax, reachTimeout: settings.reachTimeout))
        self.state = NIOLoopBoundBox.makeBoxSendingValue(state, eventLoop: loop)
    }

    var now: Instant { Self.now }
    static var now: Instant { Instant(nanoseconds: Int64(NIODeadline.now().uptimeNanoseconds)) }

    // MARK: From any thread

    /// Sends the request when its turn comes. Its call is told one end in any case.
    func submit(_ call: Call) { command(.submit(call)) }

    /// Ends the request, if it has no end yet.
    func cancel(_ call: Call) { command(.cancel(call)) }

    /// A stream's reader has done with so many bytes.
    func consumed(_ call: Call, _ byteCount: Int) { command(.consumed(call, byteCount)) }

    /// Ends everything; tells `promise` when the last connection is closed.
    func leave(_ promise: EventLoopPromise<Void>?) { command(.leave(promise)) }

    func close() async {
        let promise = loop.makePromise(of: Void.self)
        leave(promise)
        try? await promise.futureResult.get()
    }

    private func command(_ command: Command) {
        let isFirst = inbox.withLock { inbox in
            inbox.commands.append(command)
            defer { inbox.isScheduled = true }
            return !inbox.isScheduled
        }
        if isFirst { loop.execute { self.carryOut() } }
    }

    // MARK: On the event loop

    private func carryOut() {
        let commands = inbox.withLock { inbox in
            defer { inbox = Inbox() }
            return inbox.commands
        }
        for command in commands {
            switch command {
            case .submit(let call): enter(call)
            case .cancel(let call): giveUp(call)
            case .consumed(let call, let byteCount):
                if case .sent(let handler, let id)? = place(of: call) { handler.consumed(id, byteCount) }
            case .leave(let promise): end(promise)
            }
        }
        settle()
    }

    private func place(of call: Call) -> Place? { state.value.places[ObjectIdentifier(call)] }

    private func enter(_ call: Call) {
        guard !state.value.isClosed else { return call.deliver(.failed(Self.closed)) }
        state.value.lastNumber += 1
        let number = state.value.lastNumber
        guard state.value.waiting.enter(number, call, deadline: call.question.deadline, at: now) else {
            return call.deliver(.failed(SamovarClient.Failure(.waitingMax, "too many requests wait")))
        }
        state.value.places[ObjectIdentifier(call)] = .waiting(number)
    }

    private func giveUp(_ call: Call) {
        switch place(of: call) {
        case .waiting(let number):
            guard state.value.waiting.leave(number) != nil else { return }
            fail(call, SamovarClient.Failure(.cancelled, "the caller cancelled"))
        case .sent(let handler, let id): handler.cancel(id)
        case nil: break
        }
    }

    private func fail(_ call: Call, _ failure: SamovarClient.Failure) {
        forget(call)
        call.deliver(.failed(failure))
    }

    /// It has its end.
    func forget(_ call: Call) { state.value.places[ObjectIdentifier(call)] = nil }

    // MARK: Connections

    /// A connection is there, and greets.
    func opened(_ handler: ConnectionHandler) {
        guard !state.value.isClosed else { return handler.close() }
        state.value.handlers.append(handler)
    }

    /// Something happened on a connection.
    func changed(_ handler: ConnectionHandler) {
        look(at: handler)
        settle()
    }

    private func look(at handler: ConnectionHandler) {
        guard let machine = handler.machine, state.value.handlers.contains(where: { $0 === handler }) else { return }
        if machine.isOver {
            state.value.handlers.removeAll { $0 === handler }
            handler.close()
        }
        switch handler.role {
        case .tried where machine.isOver || machine.isLeaving:
            handler.role = .left
            tryFailed(machine.failure ?? SamovarClient.Failure(.draining, "the sidecar leaves"))
        case .tried where machine.isGreeted:
            handler.role = .current
            state.value.current = handler
            state.value.dialing.connected()
        case .current where machine.isOver || machine.isLeaving:
            handler.role = .left
            retire(machine)
        case .tried, .current, .left: break
        }
    }

    /// It takes no more requests; whoever comes next needs another.
    private func retire(_ machine: ClientConnection) {
        state.value.current = nil
        state.value.lostAt = now
        state.value.lastFailure = machine.failure
        state.value.dialing.ended(hasServed: machine.hasServed, jitter: .random(in: 0..<1), at: now)
    }

    private func tryFailed(_ failure: SamovarClient.Failure) {
        state.value.lastFailure = failure
        state.value.dialing.ended(hasServed: false, jitter: .random(in: 0..<1), at: now)
        // Another try would be refused for the same reason.
        guard !failure.isRetryable else { return }
        for call in state.value.waiting.leaveAll() { fail(call, failure) }
    }

    private func dial() {
        state.value.openCount += 1
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(.nanoseconds(connectTimeout.nanoseconds))
            .channelOption(
                .writeBufferWaterMark, value: .init(low: Self.outputSizeMax / 4, high: Self.outputSizeMax)
            )
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = ConnectionHandler(self, settings: connectionSettings)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        let channel =
            switch address {
            case .tcp(let host, let port): bootstrap.connect(host: host, port: port)
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        channel.assumeIsolated().whenComplete { [self] result in
            switch result {
            case .success(let channel): channel.closeFuture.assumeIsolated().whenComplete { _ in self.gone() }
            case .failure(let error):
                tryFailed(SamovarClient.Failure(.unreachable, "no connection to \(address): \(error)"))
                gone()
                settle()
            }
        }
    }

    private func gone() {
        state.value.openCount -= 1
        finishLeaving()
    }

    // MARK: Settling

    /// Gives places to those who wait, sees to a connection for them, and sends what was written.
    private func settle() {
        while let current = state.value.current, current.canSend, let call = state.value.waiting.next() {
            send(call, on: current)
            look(at: current)
        }
        if wantsConnection, state.value.dialing.wanted(at: now) { dial() }
        for handler in state.value.handlers { handler.flush() }
        wake()
    }

    private var wantsConnection: Bool {
        state.value.current == nil && !state.value.waiting.isEmpty && state.value.handlers.count < Self.handlerMax
    }

    private func send(_ call: Call, on handler: ConnectionHandler) {
        do throws(SamovarClient.Failure) {
            let id = try handler.send(call)
            state.value.places[ObjectIdentifier(call)] = .sent(handler, id)
        } catch {
            fail(call, error)
        }
    }

    private var unreachableSince: Instant? { state.value.current == nil ? state.value.lostAt : nil }

    /// One timer, set anew only when something is due before it: deadlines mostly move away from now.
    private func wake() {
        let instant = wakeAt
        if let timer = state.value.timer, timer.at <= instant { return }
        state.value.timer?.task.cancel()
        state.value.timer = nil
        guard instant != .never else { return }
        let delay = max(.zero, now.duration(to: instant))
        let task = loop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.nanoseconds)) { self.woken() }
        state.value.timer = (at: instant, task: task)
    }

    private var wakeAt: Instant {
        var wakeAt = state.value.waiting.wakeAt(lostAt: unreachableSince)
        if wantsConnection { wakeAt = min(wakeAt, state.value.dialing.wakeAt) }
        for handler in state.value.handlers { wakeAt = min(wakeAt, handler.wakeAt) }
        return wakeAt
    }

    private func woken() {
        state.value.timer = nil
        let now = now
        for (call, reason) in state.value.waiting.expired(lostAt: unreachableSince, at: now) {
            fail(call, failure(for: reason))
        }
        for handler in state.value.handlers where handler.wakeAt <= now {
            handler.tick()
            look(at: handler)
        }
        settle()
    }

    private func failure(for reason: Waiting<Call>.Reason) -> SamovarClient.Failure {
        switch reason {
        case .deadline: SamovarClient.Failure(.deadline, "the deadline has passed")
        case .unreachable:
            state.value.lastFailure ?? SamovarClient.Failure(.unreachable, "no connection to \(address)")
        }
    }

    // MARK: The end

    private static var closed: SamovarClient.Failure { SamovarClient.Failure(.closed, "the client is closed") }

    private func end(_ promise: EventLoopPromise<Void>?) {
        if let promise { state.value.leaving.append(promise) }
        if !state.value.isClosed {
            state.value.isClosed = true
            state.value.timer?.task.cancel()
            state.value.timer = nil
            for call in state.value.waiting.leaveAll() { fail(call, Self.closed) }
            let handlers = state.value.handlers
            state.value.handlers = []
            state.value.current = nil
            for handler in handlers {
                handler.end(Self.closed)
                handler.close()
            }
        }
        finishLeaving()
    }

    private func finishLeaving() {
        guard state.value.isClosed, state.value.openCount == 0 else { return }
        for promise in state.value.leaving { promise.succeed() }
        state.value.leaving = []
    }
}
