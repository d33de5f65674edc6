import Logging
import NIOCore
import SamovarCore
import SamovarEngine

/// Sends commands over a few connections that come back by themselves.
///
/// A command goes to the live connection of the event loop that it is asked for on, as that wakes nobody, unless
/// another one has much less to do. It has a deadline from the moment it is asked for; when
/// no connection is live it fails at once. Nothing is sent twice.
final class RedisClient: Sendable {
    private let lines: [Line]
    private let clock: any MonotonicClock
    private let liveness: Liveness
    private let connects: Counter

    /// - Parameters:
    ///   - name: what the server is called in log lines, where there are several.
    ///   - live: called, on an event loop, whenever a connection has come to life.
    ///   - fell: called whenever one that was live is so no more.
    ///   - troubled: called whenever one has ended or could not be made.
    init(
        lineSettings: Line.Settings,
        lineCount: Int,
        group: any EventLoopGroup,
        clock: any MonotonicClock,
        logger: Logger,
        name: String? = nil,
        live: @escaping @Sendable () -> Void = {},
        fell: @escaping @Sendable () -> Void = {},
        troubled: @escaping @Sendable () -> Void = {}
    ) {
        precondition(lineCount > 0)
        let liveness = Liveness()
        let connects = Counter()
        let log = NewsLog(logger: logger, of: name)
        let reports = Line.Reports(
            live: {
                connects.add(1)
                log.connected()
                live()
                liveness.rose()
            },
            fell: {
                liveness.fell()
                fell()
            },
            failed: {
                log.failed($0)
                troubled()
            })
        self.clock = clock
        self.liveness = liveness
        self.connects = connects
        lines = (0..<lineCount).map { _ in
            Line(settings: lineSettings, loop: group.next(), clock: clock, reports: reports)
        }
        for line in lines { line.start() }
    }

    var connectCount: Int { connects.current }
    var liveCount: Int { liveness.liveCount }

    /// A command's replies, and where they came from.
    struct Exchange: Sendable {
        let outcome: RedisRequest.Outcome
        fileprivate let line: Line?

        /// Nothing was sent.
        static let nowhere = Exchange(outcome: .failure(.notConnected), line: nil)

        /// The same, with something else made of its end.
        func with(_ outcome: RedisRequest.Outcome) -> Exchange { Exchange(outcome: outcome, line: line) }

        /// The connection, to come back to.
        var place: Place? { line.map(Place.init) }

        /// It was sent, and its reply got lost: it may have been done, or still be.
        var isLost: Bool {
            switch outcome {
            case .failure(.timeout), .failure(.lost), .failure(.sentOn): true
            default: false
            }
        }

        /// The replies belong elsewhere: the connection they came on is closed.
        func distrust() { line?.distrust() }
    }

    /// One of the connections, to come back to: what is sent there is done in the order in which it was sent.
    struct Place: Sendable {
        fileprivate let line: Line
    }

    /// Nil where none is live.
    func place() -> Place? { leastLoaded().map(Place.init) }

    /// On which connection a command goes.
    enum Way: Sendable {
        case any
        /// Not on this one's, where there is another.
        case besides(Exchange)
        case at(Place)
        /// There, unless that connection is gone.
        case preferably(Place?)
    }

    /// Sends these commands in one write and waits for all their replies, until `timeout` at the latest.
    ///
    /// - Parameter canWait: nobody is held up by them, so that they may go out with what comes next.
    func send(_ commands: [[[UInt8]]], timeout: Duration, canWait: Bool = false) async -> Exchange {
        await send(commands, deadline: clock.now.advanced(by: timeout), canWait: canWait)
    }

    /// - Parameter isForCaller: whether a cancelled task stops waiting, or sends nothing at all. False for what is to
    ///   be done whoever goes away.
    func send(
        _ commands: [[[UInt8]]], deadline: Instant, canWait: Bool = false, on way: Way = .any, isForCaller: Bool = true
    ) async -> Exchange {
        guard let line = line(way) else { return .nowhere }
        let waiter = ReplyWaiter()
        let start = {
            line.send(RedisRequest(commands, deadline: deadline, canWait: canWait) { waiter.settle($0) })
        }
        let outcome = isForCaller ? await waiter.sleep(start: start) : await waiter.sleepOn(start: start)
        return Exchange(outcome: outcome, line: line)
    }

    /// Sends a command whose reply nobody waits for, on another connection than this exchange. It may get lost.
    func post(_ command: [[UInt8]], timeout: Duration, avoiding exchange: Exchange) {
        let deadline = clock.now.advanced(by: timeout)
        leastLoaded(besides: exchange.line)?.send(RedisRequest([command], deadline: deadline) { _ in })
    }

    /// Waits until a connection is live. False when the task is cancelled or the client shut down before that.
    func connected() async -> Bool {
        await liveness.wait()
    }

    /// The same, until `deadline` at the latest.
    func connected(by deadline: Instant) async -> Bool {
        if liveness.liveCount > 0 { return true }
        return await withTaskGroup(of: Bool.self) { group in
            group.addTask { await self.connected() }
            group.addTask { [clock] in
                try? await clock.sleep(until: deadline)
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
    }

    func shutdown() async {
        liveness.shut()
        for line in lines { await line.shutdown() }
    }

    /// What waking another thread costs, in commands waiting.
    private static let hopCost = 64

    private func line(_ way: Way) -> Line? {
        switch way {
        case .any: leastLoaded()
        case .besides(let exchange): leastLoaded(besides: exchange.line) ?? leastLoaded()
        case .at(let place): place.line
        case .preferably(let place): place.flatMap { $0.line.isLive ? $0.line : nil } ?? leastLoaded()
        }
    }

    private func leastLoaded(besides avoided: Line? = nil) -> Line? {
        var chosen: Line?
        var chosenCount = Int.max
        for line in lines where line.isLive && line !== avoided {
            let count = line.pendingCount + (line.isHere ? 0 : Self.hopCost)
            if count < chosenCount { (chosen, chosenCount) = (line, count) }
        }
        return chosen
    }
}
