import Glibc
import SamovarCore

/// The only source of time in the process. `SystemClock` in the daemon, `ManualClock` in tests.
public protocol MonotonicClock: Sendable {
    var now: Instant { get }
    /// The time of day, for what outlives the process.
    var wallNow: WallTime { get }
    /// Returns at `deadline`, or throws `CancellationError` at once when the task is cancelled.
    func sleep(until deadline: Instant) async throws
    /// Calls the body then, from any thread; or never, where the process ends first. It cannot be taken back: what
    /// comes to nothing is found out by the body.
    func call(at instant: Instant, _ body: @escaping @Sendable () -> Void)
}

/// The system's clocks. Goes on while the host is suspended, so nothing outlives its time in a sleep.
public struct SystemClock: MonotonicClock {
    public init() {}

    public var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    public var wallNow: WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }

    public func sleep(until deadline: Instant) async throws {
        let length = now.duration(to: deadline)
        guard length > .zero else { return }
        // A day at most: "never" is further than the runtime's own timers reach. Who sleeps longer looks again.
        try await Task.sleep(for: min(length, Duration.seconds(86_400)), clock: .continuous)
    }

    public func call(at instant: Instant, _ body: @escaping @Sendable () -> Void) {
        // Without a parent: nobody waits for it, and it holds nothing but the body.
        Task {
            try? await sleep(until: instant)
            body()
        }
    }
}
