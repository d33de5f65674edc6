import Logging
import SamovarCore
import SamovarEngine

/// Lets commands through to Redis, or not. Drives `GateState`.
final class Gate: Sendable {
    /// The right to send one command. It reports when it goes away, so it cannot forget to.
    struct Permit: ~Copyable, Sendable {
        fileprivate let gate: Gate
        /// Whether much hangs on it: the outcome decides for all who come after.
        let isProbe: Bool
        private var outcome = Breaker.Outcome.abandoned
        private var reason = ""

        fileprivate init(gate: Gate, isProbe: Bool) {
            self.gate = gate
            self.isProbe = isProbe
        }

        consuming func succeeded() { outcome = .succeeded }

        consuming func failed(_ reason: String) {
            outcome = .failed
            self.reason = reason
        }

        /// Nothing was learned.
        consuming func abandoned() {}

        deinit { gate.report(outcome, reason, wasProbe: isProbe) }
    }

    private let state: Lock<GateState>
    private let clock: any MonotonicClock
    private let logger: Logger
    /// What the log says, before the reason.
    private let openedText: String
    private let closedText: String

    init(
        _ settings: Breaker.Settings, tellsReasons: Bool = false, opened openedText: String,
        closed closedText: String, clock: any MonotonicClock, logger: Logger
    ) {
        state = Lock(GateState(settings, tellsReasons: tellsReasons))
        self.openedText = openedText
        self.closedText = closedText
        self.clock = clock
        self.logger = logger
    }

    var breakerState: Breaker.State {
        let now = clock.now
        return state.withLock { $0.state(at: now) }
    }

    /// Nil: do not send.
    func ask() -> Permit? {
        let now = clock.now
        switch state.withLock({ $0.ask(at: now) }) {
        case .ask: return Permit(gate: self, isProbe: false)
        case .probe: return Permit(gate: self, isProbe: true)
        case .skip: return nil
        }
    }

    /// Something has changed for the better.
    func hint() {
        state.withLock { $0.hint() }
    }

    private func report(_ outcome: Breaker.Outcome, _ reason: String, wasProbe: Bool) {
        let now = clock.now
        // Only a failure leads to a wait; a random number is a system call.
        let jitter = outcome == .failed ? Double.random(in: 0..<1) : 0
        let news = state.withLock {
            $0.report(outcome, reason: reason, wasProbe: wasProbe, at: now, jitter: jitter)
        }
        switch news {
        case nil: return
        case .opened(let reason), .changed(let reason): logger.warning("\(openedText): \(reason)")
        case .closed: logger.notice("\(closedText)")
        }
    }
}
