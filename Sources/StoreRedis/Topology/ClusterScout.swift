import NIOCore
import SamovarCore
import SamovarEngine

/// Asks nodes of a cluster for the slot map. Drives `MapRefresh`.
///
/// First some of the primaries that are connected, in turn; then those named in the URL, whose names are resolved anew.
/// The first usable map counts.
final class ClusterScout: Scout {
    private let seeds: [Endpoint.Address]
    private let deployment: Deployment
    private let group: any EventLoopGroup
    private let clock: any MonotonicClock
    private let refresh: Lock<MapRefresh>
    private let wake: Wake
    /// How many primaries are asked in one round, before those in the URL.
    private static let askMax = 3

    init(
        seeds: [Endpoint.Address], _ deployment: Deployment, group: any EventLoopGroup, clock: any MonotonicClock
    ) {
        self.seeds = seeds
        self.deployment = deployment
        self.group = group
        self.clock = clock
        refresh = Lock(MapRefresh(at: clock.now))
        wake = Wake(clock: clock)
    }

    func troubled() {
        let now = clock.now
        refresh.withLock { $0.wanted(at: now) }
        wake.now()
    }

    func end() { wake.end() }

    func run(_ primaries: Primaries) async {
        await withDiscardingTaskGroup { retirement in
            var roundCount = 0
            var isOn = true
            while isOn {
                let now = clock.now
                switch refresh.withLock({ $0.turn(at: now) }) {
                case .wait(let instant): isOn = await wake.sleep(until: instant)
                case .ask:
                    roundCount += 1
                    let hasMap = await ask(primaries, round: roundCount, &retirement)
                    let now = clock.now
                    let jitter = Double.random(in: 0..<1)
                    refresh.withLock { $0.ended(hasMap: hasMap, at: now, jitter: jitter) }
                }
            }
        }
    }

    private func ask(
        _ primaries: Primaries, round: Int, _ retirement: inout DiscardingTaskGroup
    ) async -> Bool {
        var trouble: (reason: String, needsOperator: Bool)?
        func note(_ address: Endpoint.Address, _ reason: String, needsOperator: Bool) {
            // What only an operator can mend says more than what may mend itself.
            guard trouble == nil || needsOperator else { return }
            trouble = ("\(address): \(reason)", needsOperator)
        }
        func adopt(_ reply: RESPValue, from address: Endpoint.Address) -> Bool {
            do throws(SlotMapRefusal) {
                let retired = primaries.adopt(try SlotMap(reading: reply, askedAt: address.host))
                primaries.news.found()
                retirement.addTask { await Primaries.shutdown(retired) }
                return true
            } catch {
                // A map with holes may be whole a little later; one that is not shown stays so.
                let needsOperator = if case .refused = error { true } else { false }
                note(address, error.description, needsOperator: needsOperator)
                return false
            }
        }
        let live = primaries.liveNodes
        let chosen = live.indices.prefix(Self.askMax).map { live[(round + $0) % live.count] }
        for node in chosen {
            let exchange = await node.client.send([Self.question], timeout: deployment.connectTimeout)
            if case .success(let replies) = exchange.outcome, adopt(replies[0], from: node.address) { return true }
        }
        for seed in seeds where !chosen.contains(where: { $0.address == seed }) {
            let settings = deployment.line { seed }
            switch await Inquiry.ask(Self.question, at: settings, on: group.next(), clock: clock) {
            case .success(let reply): if adopt(reply, from: seed) { return true }
            case .failure(let loss): note(seed, loss.description, needsOperator: loss.needsOperator)
            }
        }
        if let trouble {
            primaries.news.failed(
                trouble.reason, needsOperator: trouble.needsOperator, isLost: primaries.addresses.isEmpty)
        }
        return false
    }

    private static let question = ["CLUSTER", "SLOTS"].map { Array($0.utf8) }
}
