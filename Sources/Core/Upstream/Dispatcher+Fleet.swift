/// One budget for all processes: what this one wants, and what it gets.
extension Dispatcher {
    /// How much is wanted of each upstream now. In the order of the configuration; once an interval. O(upstreams).
    public mutating func wishes(at now: Instant) -> [FleetWish] {
        gates.indices.map { index in
            FleetWish(
                upstream: gates[index].limits.name, requestsPerSecond: gates[index].limits.requestsPerSecond,
                demand: gates[index].fleet.demand(waiting: gates[index].queue.count, at: now),
                openFor: gates[index].breaker.openFor(at: now), learnedRate: gates[index].pace.learnedRate(at: now))
        }
    }

    /// Upstreams that have limits take nothing before the first `share`.
    public mutating func awaitShares() {
        for index in gates.indices { gates[index].fleet.isAwaiting = true }
    }

    /// From now on it may take so much of each of these upstreams. What was learned and who waits stay. O(upstreams),
    /// and what `look` costs.
    public mutating func share(_ parts: [FleetPart], at now: Instant, jitter: Double) -> Moves {
        var moves = Moves()
        for part in parts {
            guard let gate = gates.firstIndex(where: { $0.limits.name == part.upstream }) else { continue }
            gates[gate].share(part, at: now)
            if let length = part.openFor { heardOpen(gate, for: length, &moves, at: now, jitter: jitter) }
        }
        advance(&moves, at: now, jitter: jitter)
        moves.lookAgainAt = lookAgainAt(now)
        return moves
    }

    /// The limits are this process's alone again.
    public mutating func unshare(at now: Instant, jitter: Double) -> Moves {
        for index in gates.indices { gates[index].unshare(at: now) }
        return look(at: now, jitter: jitter)
    }

    private mutating func heardOpen(
        _ gate: Int, for length: Duration, _ moves: inout Moves, at now: Instant, jitter: Double
    ) {
        let wasOut = gates[gate].breaker.state(at: now) == .open
        gates[gate].breaker.heardOpen(for: length, at: now)
        guard !wasOut, gates[gate].breaker.state(at: now) == .open else { return }
        turnAway(from: gate, &moves, at: now, jitter: jitter)
    }
}
