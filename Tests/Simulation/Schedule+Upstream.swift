import SamovarCore

/// The upstream, and the calls that the pods make of it.
extension Schedule {
    static let form = PublishedForm(.stream, usageAsked: false)

    /// A flight has its permit and calls, unless its lease has become too old meanwhile.
    func calls(_ flight: Int) {
        guard flights[flight].diedAt == nil, !flights[flight].machine.isOver else { return }
        switch flights[flight].machine.calls(progressUntil: Instant(nanoseconds: now + Self.firstToken), at: instant) {
        case .notYet(let actions): return perform(actions, flight)
        case .go: break
        }
        let first = requests[flights[flight].requests[0]]
        let fate = flights[flight].key == faults.deadlyKey ? .kills : fate()
        let leads = flights[flight].machine.standing == .leads
        attempts.append(
            SimAttempt(
                flight: flight, key: flights[flight].key, tenant: first.tenant, prompt: first.prompt,
                leads: leads, startedAt: now, fate: fate, count: dice.number(1...10), emittedAt: now))
        let attempt = attempts.count - 1
        note("flight \(flight) calls: attempt \(attempt), \(leads ? "leads" : "alone"), \(fate)")
        flights[flight].attempt = attempt
        tally.attemptCount += 1
        if !leads { tally.aloneCount += 1 }
        judgeCall(flight)
        agenda.add(.upstream(attempt), at: now + milliseconds(dice.number(50...2_000)))
        agenda.add(.budget(attempt, emitted: 0), at: now + Self.firstToken)
        perform([], flight)
    }

    private func fate() -> SimAttempt.Fate {
        if dice.permille(faults.hangs) { return .hangs }
        guard dice.permille(4 * faults.upstreamTrouble) else { return .whole }
        return [.refused, .trouble, .cut, .stalls][dice.number(0...3)]
    }

    /// The upstream sends its next chunk, or ends.
    func goesOn(_ attempt: Int) {
        let flight = attempts[attempt].flight
        guard attempts[attempt].endedAt == nil else { return }
        judgeWanted(attempt)
        let emitted = attempts[attempt].emittedCount
        switch attempts[attempt].fate {
        case .refused:
            let refusal = Failure.Refusal(status: 400, contentType: nil, body: [], retryAfter: nil)
            return ends(attempt, .refused(refusal))
        case .kills:
            deathCounts[attempts[attempt].key] += 1
            return crashes(flights[flight].pod)
        case .trouble: return ends(attempt, .unreachable(reason: ""))
        case .cut where emitted >= attempts[attempt].count / 2: return ends(attempt, .cut)
        case .stalls where emitted >= attempts[attempt].count / 2: return
        case .hangs where emitted >= attempts[attempt].count / 2: return
        default: break
        }
        if emitted == attempts[attempt].count {
            attempts[attempt].isWhole = true
            return ends(attempt, nil)
        }
        let tag = Tag(
            tenant: attempts[attempt].tenant, prompt: attempts[attempt].prompt, attempt: attempt, index: emitted)
        attempts[attempt].emittedCount += 1
        attempts[attempt].emittedAt = now
        append([tag], to: flight)
        let until = Instant(nanoseconds: now + Self.betweenTokens)
        perform(
            flights[flight].machine.received(tag.chunk, Self.form, progressUntil: until, at: instant), flight)
        let gap = faults.hasBursts ? microseconds(dice.number(0...500)) : milliseconds(dice.number(1...400))
        agenda.add(.upstream(attempt), at: now + gap)
        agenda.add(.budget(attempt, emitted: emitted + 1), at: now + Self.betweenTokens)
    }

    /// The driver's own watch. A flight whose call hangs has a driver that hangs.
    func budgetEnds(_ attempt: Int, _ emitted: Int) {
        guard attempts[attempt].endedAt == nil, attempts[attempt].emittedCount == emitted else { return }
        if attempts[attempt].fate == .hangs { return }
        ends(attempt, .timedOut(emitted == 0 ? .firstToken : .betweenTokens))
    }

    func cancels(_ flight: Int) {
        let attempt = flights[flight].attempt
        guard attempt >= 0, attempts[attempt].endedAt == nil, attempts[attempt].fate != .hangs else { return }
        ends(attempt, .cut)
    }

    /// The call is over: local callers first, then the shared cache.
    func ends(_ attempt: Int, _ failure: Failure?) {
        attempts[attempt].endedAt = now
        let flight = attempts[attempt].flight
        note("attempt \(attempt) ends: \(failure.map { "\($0)" } ?? "whole")")
        land(flight, failure == nil ? .complete : .failed)
        let ended: LeaseMachine.Ended =
            failure.map { .failed($0) } ?? .whole(stores: dice.permille(950), Self.form, usage: nil)
        perform(flights[flight].machine.ended(ended, at: instant), flight)
    }
}
