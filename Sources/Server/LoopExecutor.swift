import NIOCore
import NIOPosix
import SamovarCore
import SamovarEngine

/// Runs tasks on an event loop's thread, so that whoever serves a connection wakes nobody to answer it.
///
/// A wake-up across threads costs more than everything else that a miss does here.
public final class LoopExecutor: TaskExecutor {
    let eventLoop: any EventLoop

    public init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// The system's clocks, with sleeps on the event loop's own timers where the sleeper runs on one.
public struct LoopClock: MonotonicClock {
    private let system = SystemClock()

    public init() {}

    public var now: Instant { system.now }
    public var wallNow: WallTime { system.wallNow }

    public func sleep(until deadline: Instant) async throws {
        guard let eventLoop = MultiThreadedEventLoopGroup.currentEventLoop else {
            return try await system.sleep(until: deadline)
        }
        // A day at most, as timers cannot reach "never". Who sleeps longer looks again.
        let length = min(now.duration(to: deadline), Duration.seconds(86_400))
        guard length > .zero else { return }
        try Task.checkCancellation()
        let sleeper = Sleeper()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                sleeper.lie(continuation)
                let timer = eventLoop.scheduleTask(in: .nanoseconds(length.nanoseconds)) { sleeper.wake() }
                sleeper.keep(timer)
            }
        } onCancel: {
            sleeper.wake()
        }
        try Task.checkCancellation()
    }

    public func call(at instant: Instant, _ body: @escaping @Sendable () -> Void) {
        guard let eventLoop = MultiThreadedEventLoopGroup.currentEventLoop else {
            return system.call(at: instant, body)
        }
        let length = min(max(.zero, now.duration(to: instant)), Duration.seconds(86_400))
        eventLoop.scheduleTask(in: .nanoseconds(length.nanoseconds), body)
    }

    /// One sleep: woken once, by its timer or by cancellation, whichever comes first.
    private final class Sleeper: Sendable {
        private struct State {
            var continuation: CheckedContinuation<Void, Never>?
            var timer: Scheduled<Void>?
            var isAwake = false
        }

        private let state = Lock(State())

        func lie(_ continuation: CheckedContinuation<Void, Never>) {
            // Cancelled before it lay down: the handler runs at once, on this very thread or another.
            let isAwake = state.withLock { state in
                if !state.isAwake { state.continuation = continuation }
                return state.isAwake
            }
            if isAwake { continuation.resume() }
        }

        func keep(_ timer: Scheduled<Void>) {
            let isAwake = state.withLock { state in
                if !state.isAwake { state.timer = timer }
                return state.isAwake
            }
            if isAwake { timer.cancel() }
        }

        func wake() {
            let (continuation, timer) = state.withLock { state in
                state.isAwake = true
                defer { state.timer = nil }
                return (state.continuation.take(), state.timer)
            }
            timer?.cancel()
            continuation?.resume()
        }
    }
}
