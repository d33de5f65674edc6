import Logging
import SamovarCore
import SamovarEngine

/// What a command passes on its way to one server, or to the only one.
struct Gates: Sendable {
    /// In front of everything.
    let all: Gate
    /// In front of writes: a server that is full or read-only is still good for reads.
    let writes: Gate

    /// - Parameter name: what the server is called in log lines, where there are several.
    init(_ breaker: Breaker.Settings, name: String? = nil, clock: any MonotonicClock, logger: Logger) {
        let subject = name.map { "redis: \($0)" } ?? "redis"
        all = Gate(
            breaker, opened: "\(subject): down, going on without it", closed: "\(subject): back", clock: clock,
            logger: logger)
        writes = Gate(
            Self.writeBreaker, tellsReasons: true, opened: "\(subject): refuses writes, reads go on",
            closed: "\(subject): takes writes again", clock: clock, logger: logger)
    }

    /// Much has changed, perhaps for the better.
    func hint() {
        all.hint()
        writes.hint()
    }

    /// Nothing is sent through them any more, so that they cannot learn by themselves that all is well.
    func reopen() {
        for gate in [all, writes] {
            gate.hint()
            if let permit = gate.ask() { permit.succeeded() }
        }
    }

    /// One refusal says enough. Then a write now and again, to see.
    private static let writeBreaker = Breaker.Settings(
        failureMax: 1, openForMin: .milliseconds(500), openForMax: .seconds(5))
}
