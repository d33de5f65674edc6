import SamovarCore
import SamovarEngine

/// The system's clock, put forward by hand.
final class ShiftedClock: MonotonicClock {
    private let shift = Lock((mono: Duration.zero, wall: Duration.zero))
    private let system = SystemClock()

    var now: Instant { system.now.advanced(by: shift.withLock { $0.mono }) }

    var wallNow: WallTime {
        WallTime(milliseconds: system.wallNow.milliseconds + shift.withLock { $0.wall }.milliseconds)
    }

    /// Time goes by.
    func advance(by duration: Duration) {
        shift.withLock { shift in
            shift.mono += duration
            shift.wall += duration
        }
    }

    /// Somebody sets the clock on the wall.
    func setWall(forward duration: Duration) {
        shift.withLock { $0.wall += duration }
    }

    func sleep(until deadline: Instant) async throws {
        try await system.sleep(until: deadline.advanced(by: .zero - shift.withLock { $0.mono }))
    }

    func call(at instant: Instant, _ body: @escaping @Sendable () -> Void) {
        system.call(at: instant.advanced(by: .zero - shift.withLock { $0.mono }), body)
    }
}
