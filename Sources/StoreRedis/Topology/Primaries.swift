import Logging
import NIOCore
import SamovarCore
import SamovarEngine

/// The servers that take our commands: one, or the one that sentinels name, or those among which a cluster has divided
/// its slots. Keeps a few connections to each.
///
///     redis://            ──▶ always the same one
///     redis+sentinel://   ──▶ the one that `SentinelScout` has found last
///     redis+cluster://    ──▶ the one that keeps the name's slot, by the map that `ClusterScout` has found last
///
/// A command goes to whoever keeps the name that it is about (Primaries+Sending.swift). What is under way to a primary
/// that is one no more fails with its connections.
final class Primaries: Sendable {
    struct State {
        /// Those that are used, and in a cluster those to which another node has sent us, at most `guestMax`.
        var nodes: [Endpoint.Address: PrimaryNode] = [:]
        /// Nil where there is no cluster, or none of its nodes has told yet.
        var map: SlotMap?
        /// The primaries as they were found last, in an order of their own.
        var found: [Endpoint.Address] = []
        var listeners: [@Sendable ([Endpoint.Address]) -> Void] = []
        /// Of nodes that are no more.
        var pastConnectCount = 0
        /// Whether there are connections for reading too.
        var isReading = false
        var isShut = false
    }

    /// How many servers are connected to that are in no slot map.
    static let guestMax = 16

    let deployment: Deployment
    let counters = TopologyCounters()
    let clock: any MonotonicClock
    let group: any EventLoopGroup
    let news: TopologyNews
    let state = Lock(State())
    private let lineCount: Int
    private let logger: Logger
    private let liveness = Liveness()
    /// Of the connections for reading.
    let reading = Liveness()
    private let makeGates: @Sendable (_ name: String?) -> Gates
    /// Where there is no cluster, or no primary of it is known.
    private let commonGates: Gates
    private let scout: (any Scout)?
    private let scouting: Lock<Task<Void, Never>?> = Lock(nil)

    /// Begins to connect in the background, and goes on until `shutdown()`.
    ///
    /// - Parameter makeGates: makes those in front of a primary that goes by this name, or of the only one.
    init(
        _ deployment: Deployment, lineCount: Int, group: any EventLoopGroup, clock: any MonotonicClock,
        logger: Logger, makeGates: @escaping @Sendable (_ name: String?) -> Gates
    ) {
        precondition(lineCount > 0)
        self.deployment = deployment
        self.lineCount = lineCount
        self.group = group
        self.clock = clock
        self.logger = logger
        self.makeGates = makeGates
        commonGates = makeGates(nil)
        news = TopologyNews(logger: logger)
        switch deployment.kind {
        case .single(let address):
            scout = nil
            adopt(address)
        case .sentinel(let sentinels, let words):
            scout = SentinelScout(sentinels, words, deployment, group: group, clock: clock)
        case .cluster(let seeds):
            scout = ClusterScout(seeds: seeds, deployment, group: group, clock: clock)
        }
        if let scout {
            let task = Task { await scout.run(self) }
            scouting.withLock { $0 = task }
        }
    }

    var isCluster: Bool {
        if case .cluster = deployment.kind { true } else { false }
    }

    // MARK: Who they are

    /// There is one primary, and it is this one. Returns what is no more needed, to be shut down.
    @discardableResult
    func adopt(_ primary: Endpoint.Address) -> [RedisClient] {
        adopt([primary], nil)
    }

    /// The primaries and their slots are these. Returns what is no more needed, to be shut down.
    func adopt(_ map: SlotMap) -> [RedisClient] {
        counters.maps.add(1)
        return adopt(map.primaries, map)
    }

    private struct Adoption: Sendable {
        var retired: [RedisClient] = []
        var isFirst = false
        var isChange = false
        var listeners: [@Sendable ([Endpoint.Address]) -> Void] = []
    }

    private func adopt(_ primaries: [Endpoint.Address], _ map: SlotMap?) -> [RedisClient] {
        let now = clock.now
        let adoption = state.withLock { state in
            guard !state.isShut else { return Adoption() }
            defer {
                state.found = primaries
                state.map = map
            }
            let retired = retire(&state, keeping: Set(primaries), at: now)
            for address in primaries { _ = node(address, guestUntil: nil, &state) }
            return Adoption(
                retired: retired, isFirst: state.found.isEmpty, isChange: Set(primaries) != Set(state.found),
                listeners: state.listeners)
        }
        guard adoption.isChange else { return adoption.retired }
        counters.changes.add(1)
        if !isCluster {
            // What was learned about the one before says nothing about this one.
            commonGates.hint()
        } else if adoption.isFirst {
            commonGates.reopen()
        }
        if scout != nil { news.changed(primaries) }
        for listener in adoption.listeners { listener(primaries) }
        return adoption.retired
    }

    /// The node at this address, made where there is none yet. Nil where there are too many guests.
    private func node(_ address: Endpoint.Address, guestUntil: Instant?, _ state: inout State) -> PrimaryNode? {
        if var node = state.nodes[address] {
            if node.guestUntil != nil || guestUntil == nil { node.guestUntil = guestUntil }
            state.nodes[address] = node
            return node
        }
        guard !state.isShut else { return nil }
        if guestUntil != nil, state.nodes.values.count(where: { $0.guestUntil != nil }) >= Self.guestMax { return nil }
        let node = connect(address, guestUntil: guestUntil, isReading: state.isReading)
        state.nodes[address] = node
        return node
    }

    private func connect(_ address: Endpoint.Address, guestUntil: Instant?, isReading: Bool) -> PrimaryNode {
        let name = isCluster ? address.description : nil
        let gates = name.map { makeGates($0) } ?? commonGates
        let (liveness, scout) = (liveness, scout)
        let client = RedisClient(
            lineSettings: deployment.line { address }, lineCount: lineCount, group: group, clock: clock,
            logger: logger, name: name,
            live: {
                gates.all.hint()
                liveness.rose()
            },
            fell: { liveness.fell() },
            troubled: { scout?.troubled() })
        return PrimaryNode(
            address: address, client: client, gates: gates, reader: isReading ? reader(address) : nil,
            guestUntil: guestUntil)
    }

    private func reader(_ address: Endpoint.Address) -> RedisClient {
        let reading = reading
        return RedisClient(
            lineSettings: deployment.line { address }.reading(replySizeMax: StreamCursor.replySizeMax), lineCount: 1,
            group: group, clock: clock,
            // That a server comes and goes is told by the others.
            logger: Logger(label: "") { _ in SwiftLogNoOpLogHandler() },
            live: { reading.rose() }, fell: { reading.fell() })
    }

    /// From now on there is a connection for reading to each primary. Idempotent.
    func startReading() {
        state.withLock { state in
            guard !state.isReading, !state.isShut else { return }
            state.isReading = true
            for (address, node) in state.nodes where node.reader == nil {
                state.nodes[address]?.reader = reader(address)
            }
        }
    }

    /// Closes the connections for reading, and waits until they are closed. Idempotent.
    func stopReading() async {
        let readers = state.withLock { state in
            state.isReading = false
            return state.nodes.values.compactMap(\.reader)
        }
        reading.shut()
        await Self.shutdown(readers)
    }

    private func retire(_ state: inout State, keeping kept: Set<Endpoint.Address>, at now: Instant) -> [RedisClient] {
        var retired: [RedisClient] = []
        // In no order: they have nothing to do with each other.
        for (address, node) in state.nodes where !kept.contains(address) {
            if let guestUntil = node.guestUntil, now < guestUntil { continue }
            state.nodes[address] = nil
            state.pastConnectCount += node.client.connectCount
            retired += node.clients
        }
        return retired
    }

    /// Calls this whenever the primaries have become others, with all of them. It must not take long.
    func onChange(_ body: @escaping @Sendable ([Endpoint.Address]) -> Void) {
        state.withLock { $0.listeners.append(body) }
    }

    /// All that are known, in an order of their own.
    var addresses: [Endpoint.Address] { state.withLock { $0.found } }

    // MARK: Whom to ask

    /// Who keeps this name. Nil where no primary is known.
    func node(keeping name: [UInt8]) -> PrimaryNode? {
        let slot = isCluster ? HashSlot(of: name) : nil
        return state.withLock { state in
            let address = if let slot { state.map?[slot] } else { state.found.first }
            return address.flatMap { state.nodes[$0] }
        }
    }

    /// The node to which another one has sent us.
    func node(sentTo redirection: Redirection, by asked: PrimaryNode) -> PrimaryNode? {
        let host = redirection.host
        guard let address = Endpoint.Address(named: host, port: redirection.port, by: asked.address.host) else {
            return nil
        }
        let guestUntil = clock.now.advanced(by: PrimaryNode.guestLife)
        let node = state.withLock { state in
            if redirection.kind == .moved { state.map?.move(redirection.slot, to: address) }
            return self.node(address, guestUntil: guestUntil, &state)
        }
        // One slot that was found moved is seldom alone.
        if redirection.kind == .moved { scout?.troubled() }
        return node
    }

    /// Any primary, one that is connected where there is one.
    var anyNode: PrimaryNode? { liveNodes.first ?? knownNodes.first }

    /// Those that are connected.
    var liveNodes: [PrimaryNode] { knownNodes.filter { $0.client.liveCount > 0 } }

    private var knownNodes: [PrimaryNode] {
        state.withLock { state in state.found.compactMap { state.nodes[$0] } }
    }

    /// What stands in front of whoever keeps this name.
    func gates(at name: [UInt8]) -> Gates { node(keeping: name)?.gates ?? commonGates }

    /// One of the connections to whoever keeps this name, to come back to. Nil where none is live.
    func place(at name: [UInt8]) -> RedisClient.Place? { node(keeping: name)?.client.place() }

    /// Whether whoever keeps this name is connected for reading.
    func isReadable(at name: [UInt8]) -> Bool { node(keeping: name)?.reader.map { $0.liveCount > 0 } ?? false }

    // MARK: Connections for others

    /// How to make a connection of one's own to whoever keeps this name: each attempt goes to the one who does by then.
    func line(at name: [UInt8]) -> Line.Settings {
        deployment.line { self.node(keeping: name)?.address }
    }

    /// How to make a connection of one's own to any primary: each attempt goes to one that is connected, if there is one.
    func lineAnywhere() -> Line.Settings {
        deployment.line { self.anyNode?.address }
    }

    // MARK: For operators

    var connectCount: Int {
        state.withLock { state in state.nodes.values.reduce(state.pastConnectCount) { $0 + $1.client.connectCount } }
    }

    var liveCount: Int { liveness.liveCount }

    /// Closed where all are, open where all are; where some are, half-open.
    func breakerState(_ gate: KeyPath<Gates, Gate>) -> Breaker.State {
        let all = knownNodes.map(\.gates)
        let states = Set((all.isEmpty ? [commonGates] : all).map { $0[keyPath: gate].breakerState })
        return states.count == 1 ? states.first ?? .closed : .halfOpen
    }

    var counts: TopologyCounts {
        TopologyCounts(
            primaryCount: addresses.count, changeCount: counters.changes.current, movedCount: counters.moved.current,
            askCount: counters.asks.current, tryAgainCount: counters.tryAgains.current,
            mapCount: counters.maps.current)
    }

    /// Waits until one is connected. False when the task is cancelled or all is shut down before that.
    func connected() async -> Bool { await liveness.wait() }

    /// Fails what is under way, closes all connections and waits until they are closed. Idempotent.
    func shutdown() async {
        let clients = state.withLock { state in
            state.isShut = true
            return state.nodes.values.flatMap(\.clients)
        }
        scout?.end()
        liveness.shut()
        reading.shut()
        await Self.shutdown(clients)
        await scouting.withLock { $0 }?.value
    }

    static func shutdown(_ clients: [RedisClient]) async {
        await withDiscardingTaskGroup { group in
            for client in clients { group.addTask { await client.shutdown() } }
        }
    }
}
