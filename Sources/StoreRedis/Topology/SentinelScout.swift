import Logging
import NIOCore
import SamovarCore
import SamovarEngine

/// Asks sentinels who the primary is, and listens to them. Drives `SentinelWatch`.
///
/// One connection to each stays open to hear of a failover; each question has a connection of its own, as there are few.
final class SentinelScout: Scout {
    private let sentinels: [Endpoint.Address]
    private let words: SentinelWords
    private let deployment: Deployment
    private let group: any EventLoopGroup
    private let clock: any MonotonicClock
    private let watch: Lock<SentinelWatch>
    private let wake: Wake

    init(
        _ sentinels: [Endpoint.Address], _ words: SentinelWords, _ deployment: Deployment,
        group: any EventLoopGroup, clock: any MonotonicClock
    ) {
        self.sentinels = sentinels
        self.words = words
        self.deployment = deployment
        self.group = group
        self.clock = clock
        watch = Lock(SentinelWatch(sentinelCount: sentinels.count, at: clock.now))
        wake = Wake(clock: clock)
    }

    func troubled() {
        let now = clock.now
        watch.withLock { $0.troubled(at: now) }
        wake.now()
    }

    func end() { wake.end() }

    func run(_ primaries: Primaries) async {
        let ears = sentinels.indices.map { ear(at: $0) }
        for ear in ears { ear.start() }
        await withDiscardingTaskGroup { retirement in
            var trouble: Trouble?
            while await step(primaries, &trouble, &retirement) {}
            for ear in ears { retirement.addTask { await ear.shutdown() } }
        }
    }

    /// A connection on which a sentinel tells of failovers.
    private func ear(at index: Int) -> NewsConnection {
        // What is wrong with a sentinel is told by those who ask it.
        let silent = Logger(label: "") { _ in SwiftLogNoOpLogHandler() }
        return NewsConnection(
            settings: deployment.line(toSentinel: sentinels[index]), channels: [SentinelWords.channel],
            tracked: [], loop: group.next(), clock: clock, logger: silent, standing: { _ in }
        ) { [self] _, message in
            guard words.concern(message) else { return }
            let now = clock.now
            watch.withLock { $0.heard(from: index, at: now) }
            wake.now()
        }
    }

    /// What has gone wrong in a round.
    private struct Trouble {
        let reason: String
        let needsOperator: Bool
    }

    /// False when it is over.
    private func step(
        _ primaries: Primaries, _ trouble: inout Trouble?, _ retirement: inout DiscardingTaskGroup
    ) async -> Bool {
        let now = clock.now
        switch watch.withLock({ $0.step(at: now) }) {
        case .wait(let instant):
            // Left over from a round in which nobody has named a primary.
            if let trouble {
                primaries.news.failed(
                    trouble.reason, needsOperator: trouble.needsOperator, isLost: primaries.addresses.isEmpty)
            }
            trouble = nil
            return await wake.sleep(until: instant)
        case .ask(let sentinel):
            let address = await ask(sentinels[sentinel], &trouble)
            let (now, jitter) = (clock.now, Double.random(in: 0..<1))
            watch.withLock { $0.named(address, at: now, jitter: jitter) }
        case .check(let address):
            let isPrimary = await check(address, &trouble)
            let (now, jitter) = (clock.now, Double.random(in: 0..<1))
            let changed = watch.withLock { $0.checked(isPrimary: isPrimary, at: now, jitter: jitter) }
            if isPrimary {
                primaries.news.found()
                trouble = nil
            }
            guard let changed else { return true }
            let retired = primaries.adopt(changed)
            retirement.addTask { await Primaries.shutdown(retired) }
        }
        return true
    }

    private func ask(_ sentinel: Endpoint.Address, _ trouble: inout Trouble?) async -> Endpoint.Address? {
        let settings = deployment.line(toSentinel: sentinel)
        switch await Inquiry.ask(words.question, at: settings, on: group.next(), clock: clock) {
        case .success(.error(let error)):
            note("sentinel \(sentinel) does not tell (\(error.explanation))", needsOperator: true, &trouble)
        case .success(let reply):
            if let address = words.address(reply, askedAt: sentinel.host) { return address }
            note("sentinel \(sentinel) knows of no \(words.service)", needsOperator: true, &trouble)
        case .failure(let loss):
            note("sentinel \(sentinel): \(loss.description)", needsOperator: loss.needsOperator, &trouble)
        }
        return nil
    }

    /// Whether the server says itself that it is a primary, and takes us: that is what the greeting asks.
    private func check(_ address: Endpoint.Address, _ trouble: inout Trouble?) async -> Bool {
        switch await Inquiry.ask(nil, at: deployment.line { address }, on: group.next(), clock: clock) {
        case .success: return true
        case .failure(let loss):
            note("\(address), named by a sentinel: \(loss.description)", needsOperator: loss.needsOperator, &trouble)
            return false
        }
    }

    /// What only an operator can mend says more than what may mend itself.
    private func note(_ reason: String, needsOperator: Bool, _ trouble: inout Trouble?) {
        guard trouble == nil || needsOperator else { return }
        trouble = Trouble(reason: reason, needsOperator: needsOperator)
    }
}
