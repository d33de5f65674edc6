import SamovarCore

/// Gives attempts up whose deadlines have passed. Drives the `AnswerDeadlines` of all that are under way.
///
/// One alarm for all, set anew only for what is due before it: deadlines mostly move away from now, so an attempt
/// that is answered in time sets none. When it rings, everyone is looked at: O(attempts), once in the shortest wait.
final class DeadlineWatch: Sendable {
    private struct State {
        var attempts: [ObjectIdentifier: AttemptLog] = [:]
        /// When the next alarm rings. One that was set for later rings too, and finds nothing to do.
        var alarmAt = Instant.never
    }

    private let clock: any MonotonicClock
    private let state = Lock(State())

    init(clock: any MonotonicClock) {
        self.clock = clock
    }

    func begin(_ attempt: AttemptLog) {
        state.withLock { $0.attempts[ObjectIdentifier(attempt)] = attempt }
        setAlarm(at: attempt.lookAgain(after: clock.now))
    }

    func end(_ attempt: AttemptLog) {
        state.withLock { _ = $0.attempts.removeValue(forKey: ObjectIdentifier(attempt)) }
    }

    private func setAlarm(at instant: Instant) {
        let isNext = state.withLock { state in
            guard instant < state.alarmAt else { return false }
            state.alarmAt = instant
            return true
        }
        if isNext { clock.call(at: instant) { self.ring(instant) } }
    }

    private func ring(_ instant: Instant) {
        let attempts = state.withLock { state in
            // One that was overtaken leaves the next one as it is.
            if state.alarmAt == instant { state.alarmAt = .never }
            return Array(state.attempts.values)
        }
        let now = clock.now
        var next = Instant.never
        for attempt in attempts {
            if let wait = attempt.passed(at: now) {
                attempt.caller.hangUp(.timedOut(wait))
            } else {
                next = min(next, attempt.lookAgain(after: now))
            }
        }
        setAlarm(at: next)
    }
}
