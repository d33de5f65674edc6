import SamovarCore
import SamovarEngine

/// Lets one task sleep until an instant, or until somebody has a reason to wake it.
///
/// However many wake it, it wakes once. What wakes it while it is busy is not lost: it does not fall asleep then.
final class Wake: Sendable {
    private let ticks: AsyncStream<Void>
    private let tick: AsyncStream<Void>.Continuation
    private let clock: any MonotonicClock
    /// The earliest instant for which a timer runs.
    private let timerAt = Lock(Instant.never)

    init(clock: any MonotonicClock) {
        (ticks, tick) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.clock = clock
    }

    func now() { tick.yield() }

    /// Who sleeps wakes, and sleeps no more.
    func end() { tick.finish() }

    /// False when it is over. May wake early; only one task may sleep.
    func sleep(until instant: Instant) async -> Bool {
        let isNew = timerAt.withLock { timerAt in
            guard instant < timerAt else { return false }
            timerAt = instant
            return true
        }
        if isNew {
            clock.call(at: instant) { [self] in
                timerAt.withLock { timerAt in
                    if timerAt == instant { timerAt = .never }
                }
                now()
            }
        }
        var iterator = ticks.makeAsyncIterator()
        return await iterator.next() != nil
    }
}
