/// What an attempt's end brings.
extension Dispatcher {
    /// What becomes of a flight whose attempt has ended.
    public enum Verdict: Hashable, Sendable {
        /// What it brought is the answer, or the failure.
        case final(Retry.Reason?)
        /// It is to be submitted again, with this.
        case again(Asking.Again)
    }

    /// The upstream has begun to answer, and said this about its limits: long before a long answer's end.
    public mutating func began(_ permit: Permit, _ feedback: RateFeedback?, at now: Instant, jitter: Double) -> Moves {
        if settings.enabled, let attempt = underWay[permit.number], !attempt.hasBegun {
            underWay[permit.number]?.hasBegun = true
            gates[attempt.gate].began(feedback ?? RateFeedback(), of: attempt, at: now)
        }
        return look(at: now, jitter: jitter)
    }

    /// The first token has come, so long after the attempt began.
    public mutating func showedToken(
        _ permit: Permit, after time: Duration, at now: Instant, jitter: Double
    ) -> Moves {
        if settings.enabled, let attempt = underWay[permit.number], !attempt.hasShownToken {
            underWay[permit.number]?.hasShownToken = true
            gates[attempt.gate].showedToken(after: time, of: attempt, at: now)
        }
        return look(at: now, jitter: jitter)
    }

    /// The attempt has ended; its permit is given back. A permit that was given back already changes nothing.
    ///
    /// - Parameters:
    ///   - retry: the flight's own.
    ///   - hasPassedOn: whether a caller has seen any of it.
    ///   - outputTokenCount: of the answer, where the upstream said so.
    public mutating func ended(
        _ permit: Permit, _ result: AttemptResult, retry: inout Retry, hasPassedOn: Bool, outputTokenCount: Int? = nil,
        at now: Instant, jitter: Double
    ) -> (verdict: Verdict, moves: Moves) {
        var moves = Moves()
        guard let attempt = underWay.removeValue(forKey: permit.number) else {
            moves.lookAgainAt = lookAgainAt(now)
            return (.final(nil), moves)
        }
        gates[attempt.gate].gaveBack(attempt, at: now)
        if result.health == .success || result.health == .slow {
            gates[attempt.gate].answered(
                after: attempt.startedAt.duration(to: now), firstToken: result.timeToFirstToken)
        }
        if settings.enabled { learn(result, of: attempt, &moves, at: now, jitter: jitter) }
        if let tokens = result.tokenCount {
            tenants.settle(attempt.tenant, estimate: attempt.tokens, actual: tokens, at: now)
        }
        if let outputTokenCount { estimate.saw(model: attempt.model, outputTokenCount: outputTokenCount) }
        let verdict = verdict(result, of: attempt, &retry, hasPassedOn, at: now, jitter: jitter)
        advance(&moves, at: now, jitter: jitter)
        moves.lookAgainAt = lookAgainAt(now)
        return (verdict, moves)
    }

    private mutating func learn(
        _ result: AttemptResult, of attempt: UnderWay, _ moves: inout Moves, at now: Instant, jitter: Double
    ) {
        let gate = attempt.gate
        let wasOut = gates[gate].breaker.state(at: now) == .open
        let wasClosed = gates[gate].breaker.state(at: now) == .closed
        gates[gate].learn(result, of: attempt, at: now, jitter: jitter)
        let state = gates[gate].breaker.state(at: now)
        if !wasClosed, state == .closed { gates[gate].cameBack(at: now) }
        if !result.isOfCredential, result.health != .neutral,
            let until = ejection.report(gates[gate].limits.name, failed: result.health == .failure, at: now)
        {
            gates[gate].slowStart.cameBack(at: until)
        }
        if !wasOut, state == .open { turnAway(from: gate, &moves, at: now, jitter: jitter) }
    }

    /// The breaker has opened: who waits for this upstream alone is not kept waiting.
    mutating func turnAway(from gate: Int, _ moves: inout Moves, at now: Instant, jitter: Double) {
        for ticket in gates[gate].queue.removeAll() { loseGates(ticket, .breaker, &moves, at: now, jitter: jitter) }
    }

    private mutating func verdict(
        _ result: AttemptResult, of attempt: UnderWay, _ retry: inout Retry, _ hasPassedOn: Bool, at now: Instant,
        jitter: Double
    ) -> Verdict {
        guard settings.enabled, settings.retryRatio > 0, result.health != .success, result.health != .slow else {
            return .final(nil)
        }
        let verdict = retry.failed(
            result, hasPassedOn: hasPassedOn, hasOthers: attempt.hasOthers, deadline: attempt.deadline,
            budget: &retryBudget, at: now, jitter: jitter)
        switch verdict {
        case .again(let plan): return .again(.init(plan: plan, upstream: gates[attempt.gate].limits.name))
        case .final(let reason): return .final(reason)
        }
    }
}
