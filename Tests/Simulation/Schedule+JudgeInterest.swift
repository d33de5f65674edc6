import SamovarCore

/// Whether a call goes on exactly as long as somebody wants it, and nobody is sent to follow what is of no use.
extension Schedule {
    // MARK: Invalidations

    /// A flight that goes on has given its lease back.
    func releases(_ flight: Int) {
        flights[flight].lostAt = now
        tally.releaseCount += 1
        if flights[flight].invalidatedAt == nil {
            violated(.cost, "flight \(flight) gave back its lease, and was not invalidated")
        }
    }

    /// Whether an asker is sent to follow what its leading pod has known for a while to be of no use to it.
    func judgeSent(_ command: Command, _ outcome: Outcome?) {
        guard case .follows(let sight)? = outcome?.reply else { return }
        let leader = flights[Int(sight.attempt.high) - 1]
        // Whoever does not know that it has the lease cannot give it back; nor what a late question brings it once more,
        // or a failover, after it has heard that it is lost.
        guard let invalidatedAt = leader.invalidatedAt, leader.machine.attempt == sight.attempt,
            leader.machine.standing == .leads, leader.lateAt < 0, leader.lostAt == nil
        else { return }
        // Two ways to Redis, and what was asked before: then it gives the lease back when it is told that it has it.
        let late = 2 * Self.commandTimeout + milliseconds(5)
        guard now - max(invalidatedAt, leader.askedAt) > late, !leader.isReleaseUncertain, leader.diedAt == nil,
            pods[leader.pod].pausedUntil == nil, now - pods[leader.pod].resumedAt > late,
            lastFailover < invalidatedAt, frozenUntil < invalidatedAt, leader.overAt == nil
        else { return }
        violated(
            .cost, "flight \(command.flight) is sent to follow an attempt that its pod knows to be invalidated")
    }

    // MARK: Who wants it

    /// The upstream speaks on: somebody here wants that, or on another pod as far as this one may know. A driver that
    /// hangs cannot be told.
    func judgeWanted(_ attempt: Int) {
        let flight = attempts[attempt].flight
        guard attempts[attempt].fate != .hangs,
            let leftAt = flights[flight].leftAt, !flights[flight].finishesWhenLeft, leftAt < now
        else { return }
        // Told when it is renewed that nobody follows any more.
        let told = flights[flight].wantedUntil + 2 * settings.renewInterval.nanoseconds
        guard flights[flight].wantedUntil < 0 || now > max(told, leftAt), !isDisturbed(flight) else { return }
        violated(.cost, "flight \(flight) goes on reading what nobody wants")
    }

    /// The upstream is given up: nobody wants it, as far as this pod may know.
    func judgeCancel(_ flight: Int) {
        let pokedAt = flights[flight].pokedAt
        guard pokedAt >= 0, !isDisturbed(flight), flights[flight].attempt >= 0 else { return }
        let own = flights[flight].machine.attempt
        for follower in flights.indices
        where flights[follower].followed == own && flights[follower].diedAt == nil
            && flights[follower].followedSince < pokedAt
        {
            violated(.cost, "flight \(flight) gives up what flight \(follower) follows")
        }
    }

    /// What is known of followers may be wrong.
    private func isDisturbed(_ flight: Int) -> Bool {
        disturbed[flights[flight].key] || redis.clockOffset != 0 || flights[flight].lostAt != nil
            || frozenUntil > now - milliseconds(1_000)
    }
}
