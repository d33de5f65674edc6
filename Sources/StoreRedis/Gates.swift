import Logging
import SamovarCore
import SamovarEngine

/// What every command passes on its way to a server and back: whether it is sent at all, and what its end says about the
/// server.
struct Gates: Sendable {
    /// In front of everything.
    let all: Gate
    /// In front of writes: a server that is full or read-only is still good for reads.
    let writes: Gate
    /// In front of leases: a server may let us read and write, and not run scripts or streams.
    let leases: Gate
    /// In front of what pods tell each other: it needs rights of its own.
    let budget: Gate
    let counters: RedisCounters

    /// - Parameter name: what the server is called in log lines, where there are several.
    init(
        _ breaker: Breaker.Settings, name: String? = nil, counters: RedisCounters, clock: any MonotonicClock,
        logger: Logger
    ) {
        let subject = name.map { "redis: \($0)" } ?? "redis"
        all = Gate(
            breaker, opened: "\(subject): down, going on without it", closed: "\(subject): back", clock: clock,
            logger: logger)
        writes = Gate(
            Self.writeBreaker, tellsReasons: true, opened: "\(subject): refuses writes, reads go on",
            closed: "\(subject): takes writes again", clock: clock, logger: logger)
        leases = Gate(
            Self.leaseBreaker, opened: "\(subject): does not let us lease, every process calls for itself",
            closed: "\(subject): lets us lease again", clock: clock, logger: logger)
        budget = Gate(
            Self.budgetBreaker, opened: "\(subject): does not let us share upstreams' limits with other pods",
            closed: "\(subject): lets us share upstreams' limits again", clock: clock, logger: logger)
        self.counters = counters
    }

    /// Much has changed, perhaps for the better.
    func hint() {
        for gate in [all, writes, leases, budget] { gate.hint() }
    }

    /// Nothing is sent through them any more, so that they cannot learn by themselves that all is well.
    func reopen() {
        for gate in [all, writes, leases, budget] {
            gate.hint()
            if let permit = gate.ask() { permit.succeeded() }
        }
    }

    /// One refusal says enough. Then a write now and again, to see.
    private static let writeBreaker = Breaker.Settings(
        failureMax: 1, openForMin: .milliseconds(500), openForMax: .seconds(5))
    /// Only an operator mends it.
    private static let leaseBreaker = Breaker.Settings(failureMax: 1, openForMin: .seconds(5), openForMax: .seconds(60))

    /// A missing right is an operator's affair; a primary that takes no writes is soon another.
    private static let budgetBreaker = Breaker.Settings(
        failureMax: 1, openForMin: .seconds(1), openForMax: .seconds(30))

    /// Sends a command about leases. Nil: nothing was learned, and why is counted and told.
    ///
    /// - Parameter read: what the replies mean; nil where they do not answer what was asked.
    func pass<Value>(
        _ send: () async -> RedisClient.Exchange, read: ([RESPValue]) -> Value?
    ) async -> (Value, RedisClient.Exchange)? {
        guard let permit = all.ask() else {
            counters.leases.skipped.add(1)
            return nil
        }
        let exchange = await send()
        switch exchange.outcome {
        case .failure(let failure):
            report(failure, permit)
            return nil
        case .success(let replies):
            if let error = replies.firstError {
                refused(error, permit)
                return nil
            }
            guard let value = read(replies) else {
                counters.errors.add(1)
                permit.failed("a reply of the wrong kind")
                exchange.distrust()
                return nil
            }
            permit.succeeded()
            return (value, exchange)
        }
    }

    /// A command has no reply.
    func report(_ failure: CommandFailure, _ permit: consuming Gate.Permit) {
        switch failure {
        case .cancelled: permit.abandoned()
        case .lost(.distrusted), .lost(.shutDown):
            // Our own doing.
            counters.errors.add(1)
            permit.abandoned()
        case .timeout:
            counters.timeouts.add(1)
            permit.failed("no reply within the timeout")
        case .sentOn:
            // By one that has answered, and in time; the other one was not asked at its own gate.
            counters.errors.add(1)
            permit.abandoned()
        case .notConnected:
            counters.errors.add(1)
            permit.failed("no connection")
        case .pipelineFull:
            counters.errors.add(1)
            permit.failed("too many commands wait for their replies (pipeline_depth_max, pipeline_size_max)")
        case .lost(let loss):
            counters.errors.add(1)
            permit.failed(loss.description)
        }
    }

    /// A command about leases was refused.
    private func refused(_ error: ServerError, _ permit: consuming Gate.Permit) {
        counters.errors.add(1)
        guard !error.isPassing else { return permit.abandoned() }
        guard !error.meansDown else { return permit.failed(error.explanation) }
        // It has answered, and in time.
        permit.succeeded()
        refusedForLease(error)
    }

    /// A command about leases, or a part of one, was refused by a server that is not down.
    func refusedForLease(_ error: ServerError) {
        if error.refusesWrites {
            if let permit = writes.ask() { permit.failed(error.explanation) }
        } else if error.code != "WRONGTYPE" {
            // Not a matter of one key: what is missing is a right, or a command.
            if let permit = leases.ask() { permit.failed(error.explanation) }
        }
    }

    func wroteForLease() {
        if let permit = writes.ask() { permit.succeeded() }
    }

    /// Whether the server lets us lease, as far as is known. Where it did not, one asks now and again whether it lets us
    /// do all that belongs to it by now.
    ///
    /// - Parameter tryRights: does harmlessly what needs these rights.
    func mayLease(tryRights: () async -> RedisClient.Exchange) async -> Bool {
        guard let leasePermit = leases.ask() else {
            counters.leases.skipped.add(1)
            return false
        }
        guard leasePermit.isProbe else { return true }
        guard let permit = all.ask() else { return false }
        let exchange = await tryRights()
        switch exchange.outcome {
        case .failure(let failure): report(failure, permit)
        case .success(let replies):
            switch replies[0] {
            case .error(let error) where error.isPassing: permit.abandoned()
            case .error(let error) where error.meansDown: permit.failed(error.explanation)
            case .error(let error):
                permit.succeeded()
                // A server that takes no writes says nothing about rights.
                if !error.refusesWrites { leasePermit.failed(error.explanation) }
            default:
                permit.succeeded()
                leasePermit.succeeded()
                return true
            }
        }
        return false
    }
}

extension [RESPValue] {
    fileprivate var firstError: ServerError? {
        for case .error(let error) in self { return error }
        return nil
    }
}
