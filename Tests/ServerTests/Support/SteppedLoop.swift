// Unchecked, because one thread makes it, fills it and runs it.

import Dispatch
import NIOCore

/// An event loop that runs what is ready when it is told to, and in the order in which it is told to.
///
/// Tasks are in no order but their own, so whoever steps through them sees every interleaving at suspension points.
final class SteppedLoop: EventLoop, @unchecked Sendable {
    private var jobs: [@Sendable () -> Void] = []

    /// Runs one of the jobs that are ready; false when none is.
    func step(_ choice: Int = 0) -> Bool {
        guard !jobs.isEmpty else { return false }
        jobs.remove(at: choice % jobs.count)()
        return true
    }

    var inEventLoop: Bool { true }

    func execute(_ task: @escaping @Sendable () -> Void) { jobs.append(task) }

    func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        preconditionFailure("time stands still")
    }

    func scheduleTask<T>(in: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        preconditionFailure("time stands still")
    }

    func preconditionInEventLoop(file: StaticString, line: UInt) {}

    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        callback(nil)
    }
}
