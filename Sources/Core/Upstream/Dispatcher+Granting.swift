/// Who goes, who waits, and who is told not to.
extension Dispatcher {
    // MARK: A newcomer

    /// It goes at once, waits, or is refused. Those who wait and could go have gone before.
    mutating func admit(_ ticket: Ticket, _ one: Waiting, _ moves: inout Moves, at now: Instant, jitter: Double) {
        guard !one.gates.isEmpty else { return refuse(ticket, .noUpstream, before: nil, after: .zero, &moves, jitter) }
        guard settings.enabled else {
            return grant(ticket, one, among: one.gates, &moves, at: now, jitter: jitter)
        }
        if one.notBefore > now {
            guard one.notBefore < one.asking.latestDeadline else {
                return refuse(ticket, .queueTimeout, before: one.gates[0], after: .zero, &moves, jitter)
            }
            waiting[ticket] = one
            delayed.insert(ticket, Due(at: one.notBefore, ticket: ticket))
            expiries.insert(ticket, Due(at: one.asking.latestDeadline, ticket: ticket))
            return
        }
        let open = servingGates(of: one, at: now)
        guard !open.isEmpty else {
            let outUntil = one.gates.compactMap { gates[$0].outUntil(one.credential, at: now) }.min() ?? now
            return refuse(ticket, .breaker, before: one.gates[0], after: now.duration(to: outUntil), &moves, jitter)
        }
        let ready = open.filter { couldTake($0, one, at: now) && nextTicket(at: $0, now) == nil }
        if !ready.isEmpty { return grant(ticket, one, among: ready, &moves, at: now, jitter: jitter) }
        wait(ticket, one, before: open, &moves, at: now, jitter: jitter)
    }

    private mutating func wait(
        _ ticket: Ticket, _ one: Waiting, before open: [Int], _ moves: inout Moves, at now: Instant, jitter: Double
    ) {
        for gate in open { gates[gate].fleet.askedCount += 1 }
        let starts = open.map { gates[$0].startEstimate(one.asking.tenant, one.asking.requestClass, at: now) }
        let lastStart = lastStart(of: one, at: now)
        if let start = starts.min(), start > lastStart {
            let late = lastStart.duration(to: start)
            return refuse(ticket, .queueTimeout, before: open[0], after: late, &moves, jitter)
        }
        var one = one
        one.gates = []
        var displaced: [Ticket] = []
        for gate in open {
            switch gates[gate].queue.enter(place(of: ticket, one)) {
            case .entered: one.gates.append(gate)
            case .displaced(let other):
                one.gates.append(gate)
                displaced.append(other)
            case .full: break
            }
        }
        guard !one.gates.isEmpty else {
            let room = starts.min().map { now.duration(to: $0) } ?? .zero
            return refuse(ticket, .queueMax, before: open[0], after: room, &moves, jitter)
        }
        waiting[ticket] = one
        expiries.insert(ticket, Due(at: lastStart, ticket: ticket))
        for other in displaced { loseGates(other, .queueMax, &moves, at: now, jitter: jitter) }
    }

    /// When it has to go at the latest, for its latest caller to have the answer in time.
    func lastStart(of one: Waiting, at now: Instant) -> Instant {
        let deadline = one.asking.latestDeadline
        let patience = now.duration(to: deadline)
        let answerTime = one.gates.map { gates[$0].answerTime(within: patience) }.min() ?? .zero
        return max(now, deadline.advanced(by: .zero - answerTime))
    }

    /// One of its queues has it no more; where none has, it is refused.
    mutating func loseGates(
        _ ticket: Ticket, _ reason: Rejection.Reason, _ moves: inout Moves, at now: Instant, jitter: Double
    ) {
        guard var one = waiting[ticket], let first = one.gates.first else { return }
        one.gates.removeAll { !gates[$0].queue.contains(ticket) }
        waiting[ticket] = one
        guard one.gates.isEmpty else { return }
        forget(ticket)
        let start = gates[first].startEstimate(one.asking.tenant, one.asking.requestClass, at: now)
        let outUntil = gates[first].outUntil(one.credential, at: now) ?? now
        refuse(ticket, reason, before: first, after: now.duration(to: max(start, outUntil)), &moves, jitter)
    }

    // MARK: Room

    /// Whether a flight that came now would go at once, even if so many like it went just before. Takes nothing.
    /// O(upstreams, count, and what `look` costs); the models under way too where `count` is not 0.
    public func hasRoom(for asking: Asking, beside count: Int, at now: Instant) -> Bool {
        guard settings.enabled else { return true }
        let one = waiting(for: asking)
        guard one.notBefore <= now else { return false }
        var tenants = tenants
        var left = count
        for index in servingGates(of: one, at: now) where nextTicket(at: index, now) == nil {
            var gate = gates[index]
            while Self.couldTake(gate, tenants, one, at: now) {
                guard left > 0 else { return true }
                left -= 1
                var attempt = attempt(of: one, at: index, now)
                gate.took(&attempt, at: now)
                tenants.took(attempt.tenant, tokens: attempt.tokens, at: now)
            }
        }
        return false
    }

    // MARK: Those who wait

    /// Everything that time alone brings: second attempts that are due, those who have waited in vain, those who can go.
    mutating func advance(_ moves: inout Moves, at now: Instant, jitter: Double) {
        while let (ticket, due) = expiries.first, due.at <= now {
            guard let one = forget(ticket) else { break }
            let gate = one.gates.first
            let start = gate.map { gates[$0].startEstimate(one.asking.tenant, one.asking.requestClass, at: now) } ?? now
            refuse(ticket, .queueTimeout, before: gate, after: now.duration(to: start), &moves, jitter)
        }
        var due: [(Ticket, Waiting)] = []
        while let (ticket, first) = delayed.first, first.at <= now {
            delayed.remove(ticket)
            if let one = forget(ticket) { due.append((ticket, one)) }
        }
        for gate in gates.indices where !gates[gate].queue.isEmpty {
            while let ticket = nextTicket(at: gate, now), let one = waiting[ticket] {
                let ready = one.gates.filter { couldTake($0, one, at: now) }
                guard !ready.isEmpty else { break }
                grant(ticket, one, among: ready, &moves, at: now, jitter: jitter)
            }
        }
        for (ticket, one) in due { admit(ticket, one, &moves, at: now, jitter: jitter) }
    }

    /// Who of those who wait there goes next, if anybody can. O(1) while the upstream takes nothing.
    private func nextTicket(at gate: Int, _ now: Instant) -> Ticket? {
        guard !gates[gate].queue.isEmpty, case .now = gates[gate].readiness(tokens: 0, at: now) else { return nil }
        return gates[gate].queue.next { tenant, model in mayTake(gate, tenant, model, at: now) }
    }

    private func mayTake(_ gate: Int, _ tenant: Tenant, _ model: String, at now: Instant) -> Bool {
        guard tenants.canSend(tenant, tokens: 0, at: now) == .granted else { return false }
        let gate = gates[gate]
        // Callers with a credential of their own are tenants by it.
        return gate.mayTake(model, gate.credentials.isEmpty || !tenant.isCredential ? nil : tenant, at: now)
    }

    /// Whether this upstream could take this very flight now.
    private func couldTake(_ gate: Int, _ one: Waiting, at now: Instant) -> Bool {
        Self.couldTake(gates[gate], tenants, one, at: now)
    }

    private static func couldTake(
        _ gate: UpstreamGate, _ tenants: TenantPaces, _ one: Waiting, at now: Instant
    ) -> Bool {
        guard case .now = gate.readiness(tokens: one.tokens.reserved, at: now),
            tenants.canSend(one.asking.tenant, tokens: one.tokens.reserved, at: now) == .granted
        else { return false }
        return gate.mayTake(one.asking.model, one.credential, at: now)
    }

    /// Those that are worth asking: neither out nor ejected, unless too many are.
    private func servingGates(of one: Waiting, at now: Instant) -> [Int] {
        let open = one.gates.filter { gates[$0].outUntil(one.credential, at: now) == nil }
        guard open.count > 1 else { return open }
        let ejected = ejection.ejected(of: open.map { gates[$0].limits.name }, at: now)
        return open.filter { !ejected.contains(gates[$0].limits.name) }
    }

    // MARK: Granting and refusing

    private mutating func grant(
        _ ticket: Ticket, _ one: Waiting, among ready: [Int], _ moves: inout Moves, at now: Instant, jitter: Double
    ) {
        let candidates = ready.map { index in
            Balancer.Candidate(
                name: gates[index].limits.name, tier: gates[index].limits.tier,
                weight: Double(gates[index].limits.weight) * gates[index].slowStart.factor(at: now),
                outstandingWork: Double(gates[index].outstandingWork))
        }
        let chosen = balancer.choose(among: candidates, work: Double(one.tokens.expected), jitter: jitter) ?? 0
        let gate = ready[chosen]
        gates[gate].queue.goes(ticket)
        if forget(ticket) == nil { gates[gate].fleet.askedCount += 1 }
        var attempt = attempt(of: one, at: gate, now)
        gates[gate].took(&attempt, at: now)
        tenants.took(attempt.tenant, tokens: attempt.tokens, at: now)
        if one.asking.again == nil { retryBudget.requested() }
        let permit = Permit(
            number: nextPermitNumber(), upstream: gates[gate].limits.name, isProbe: attempt.isProbe,
            isRetry: one.asking.again != nil)
        underWay[permit.number] = attempt
        moves.granted.append((ticket, permit))
    }

    private func attempt(of one: Waiting, at gate: Int, _ now: Instant) -> UnderWay {
        UnderWay(
            gate: gate, model: one.asking.model, tenant: one.asking.tenant, credential: one.credential,
            work: one.tokens.expected, tokens: one.tokens.reserved, startedAt: now,
            hasOthers: one.asking.upstreams.count > 1, deadline: one.asking.retriesUntil)
    }

    /// - Parameter after: when there is probably room.
    private func refuse(
        _ ticket: Ticket, _ reason: Rejection.Reason, before gate: Int?, after wait: Duration, _ moves: inout Moves,
        _ jitter: Double
    ) {
        // Up to half as long again, so that not all come back at once.
        let spread = wait + .nanoseconds(Int64(Double(wait.nanoseconds / 2) * jitter))
        let retryAfter = min(max(spread, .seconds(1)), .seconds(60))
        moves.refused.append(
            (ticket, Rejection(reason: reason, retryAfter: retryAfter, upstream: gate.map { gates[$0].limits.name })))
    }

    // MARK: Time

    /// When something may change by time alone. O(tenants and models that wait) for upstreams whose queue is blocked.
    func lookAgainAt(_ now: Instant) -> Instant {
        var next = min(expiries.first?.rank.at ?? .never, delayed.first?.rank.at ?? .never)
        for gate in gates where !gate.queue.isEmpty {
            switch gate.readiness(tokens: 0, at: now) {
            case .later: break
            case .notBefore(let instant): next = min(next, instant)
            // Somebody waits for tokens, or for a limit of a tenant's or a model's own.
            case .now: next = min(next, now.advanced(by: Self.lookInterval))
            }
        }
        return max(next, now.advanced(by: .microseconds(1)))
    }

    /// How often it is looked whether those can go who wait for a limit of their own.
    static let lookInterval = Duration.milliseconds(20)
}
