import SamovarCore

/// Whether what happens is what was promised.
extension Schedule {
    // MARK: What callers get

    func judge(_ tag: Tag, to number: Int) {
        let request = requests[number]
        if tag.tenant != request.tenant || tag.prompt != request.prompt {
            violated(
                .isolation,
                "request \(number) of tenant \(request.tenant) got a chunk for tenant \(tag.tenant), prompt \(tag.prompt)"
            )
        }
        if request.maker < 0 {
            requests[number].maker = tag.attempt
            judgeGeneration(tag.attempt, number)
        } else if request.maker != tag.attempt {
            violated(.integrity, "request \(number) got chunks of attempts \(request.maker) and \(tag.attempt)")
        }
        if tag.index != request.readCount {
            violated(.integrity, "request \(number) got chunk \(tag.index) in place of \(request.readCount)")
        }
    }

    func judgeComplete(_ number: Int) {
        let request = requests[number]
        guard request.maker >= 0, attempts[request.maker].isWhole,
            request.readCount == attempts[request.maker].emittedCount
        else { return violated(.integrity, "request \(number) was told that \(request.readCount) chunks are all") }
    }

    private func judgeGeneration(_ maker: Int, _ number: Int) {
        let request = requests[number]
        for lesson in pods[request.pod].lessons
        where lesson.tenant == request.tenant && lesson.learnedAt < request.arrivedAt
            && attempts[maker].startedAt < lesson.raisedAt
        {
            violated(.generations, "request \(number) was served what was begun before an invalidation")
        }
    }

    func judge(_ value: ModelRedis.Value, hitBy flight: Int) {
        if isStale(value.maker, for: flight) {
            violated(.noStaleSet, "flight \(flight) found attempt \(value.maker), purged before the flight began")
        }
    }

    /// What a flight has from a stream: the first of it.
    func judge(followed tag: Tag, by flight: Int) {
        if let followed = flights[flight].followed, flights[Int(followed.high) - 1].attempt != tag.attempt {
            violated(.integrity, "flight \(flight) got attempt \(tag.attempt), which is not the one that it follows")
        }
        if isStale(tag.attempt, for: flight) {
            violated(.noStaleSet, "flight \(flight) follows attempt \(tag.attempt), purged before the flight began")
        }
    }

    private func isStale(_ attempt: Int, for flight: Int) -> Bool {
        purges.contains { purge in
            purge.key == flights[flight].key && !purge.isForgotten && purge.at < flights[flight].beganAt
                && attempts[attempt].startedAt < purge.at
        }
    }

    // MARK: Leases

    /// Whose the lease is, after something was done to it; by whom it was taken.
    func watchLease(_ key: Int, _ command: Command?) {
        let holder = redis.cells[key].lease?.attempt
        var isSteal = false
        if let command, case .steal = command.operation { isSteal = true }
        if let old = holders[key], old != holder, !isSteal { vanishedCounts[key] += 1 }
        holders[key] = holder
        // A flight that had to ask anew does so under another name.
        if let holder, flights[Int(holder.high) - 1].machine.attempt == holder {
            let flight = Int(holder.high) - 1
            flights[flight].heldLease = true
            // Had anew, and before the call: what was lost before is no matter.
            if flights[flight].attempt < 0 {
                flights[flight].lostAt = nil
                flights[flight].wasStolen = false
            }
        }
        for flight in flights.indices
        where flights[flight].key == key && flights[flight].heldLease && flights[flight].lostAt == nil
            && flights[flight].machine.attempt != holder
        {
            if let command, command.flight == flight, isGivingBack(command) {
                flights[flight].heldLease = false
                if case .release = command.operation { releases(flight) }
                continue
            }
            guard flights[flight].overAt == nil, flights[flight].diedAt == nil else { continue }
            loses(flight, command)
        }
    }

    private func isGivingBack(_ command: Command) -> Bool {
        switch command.operation {
        case .commit, .abort, .release: true
        default: false
        }
    }

    private func loses(_ flight: Int, _ command: Command?) {
        note("flight \(flight) loses its lease")
        tally.leaseLossCount += 1
        flights[flight].lostAt = now
        guard let command, case .steal = command.operation else {
            if let command, flights[command.flight].machine.attempt != flights[flight].machine.attempt,
                isGivingBack(command)
            {
                violated(.oneCall, "flight \(command.flight) gave back the lease of flight \(flight)")
            }
            return
        }
        tally.stealCount += 1
        flights[flight].wasStolen = true
        if now - beatAt < settings.deadAfter.nanoseconds,
            lastFailover < 0 || now - lastFailover > 2 * settings.deadAfter.nanoseconds
        {
            violated(
                .cost, "flight \(command.flight) took a lease that was renewed \((now - beatAt) / 1_000_000) ms ago")
        }
    }

    /// Right before a call.
    func judgeCall(_ flight: Int) {
        guard flights[flight].machine.standing == .leads else { return }
        if !flights[flight].heldLease { violated(.cost, "flight \(flight) calls on a lease that it never had") }
        // Unless a failover has forgotten that it was renewed.
        let isForgotten = lastFailover > flights[flight].askedAt
        if flights[flight].wasStolen, !isForgotten {
            violated(.cost, "flight \(flight) calls on a lease that was taken from it")
        }
    }

    func judge(_ reason: LeaseMachine.LoneReason, _ flight: Int) {
        let isJustified =
            switch reason {
            case .unavailable: flights[flight].hadTimeout || bug == .reusedBound || bug == .reusedUnbound
            case .unreadable: generations.contains { $0 > 0 }
            case .trimmed: disturbed[flights[flight].key]
            case .newer: flights[flight].isNoCache
            case .exhausted: faults.hasEvents
            case .invalidated: flights[flight].invalidatedAt != nil
            }
        if !isJustified { violated(.cost, "flight \(flight) goes alone for no reason: \(reason.rawValue)") }
        let asked = flights[flight].askedAt
        let waited = now - asked
        if reason == .unavailable, asked >= 0, pods[flights[flight].pod].resumedAt < asked,
            waited > 2 * Self.commandTimeout + milliseconds(5)
        {
            violated(.liveness, "flight \(flight) waited \(waited / 1_000_000) ms for a Redis that does not answer")
        }
    }

    // MARK: Waiting

    /// A flight leaves the stream that it has followed: it has not waited too long for a dead pod.
    func judgeWait(_ flight: Int) {
        guard let followed = flights[flight].followed, let dead = deadSince(Int(followed.high) - 1) else { return }
        let since = max(dead, flights[flight].followedSince, flights[Int(followed.high) - 1].lateAt)
        guard pods[flights[flight].pod].resumedAt < since else { return }
        let wait = now - since
        tally.longestWait = max(tally.longestWait, Int(wait / 1_000_000))
        if wait > settings.deadAfter.nanoseconds + milliseconds(1_000) {
            violated(.liveness, "flight \(flight) waited \(wait / 1_000_000) ms for a dead pod")
        }
    }

    /// Since when nothing more comes of a flight for those who follow it.
    private func deadSince(_ flight: Int) -> Int64? {
        if let diedAt = flights[flight].diedAt { return diedAt }
        if let overAt = flights[flight].overAt { return overAt }
        if pods[flights[flight].pod].pausedUntil != nil { return pods[flights[flight].pod].pausedAt }
        let attempt = flights[flight].attempt
        guard attempt >= 0, attempts[attempt].fate == .hangs else { return nil }
        let isFirst = attempts[attempt].emittedCount == 0
        let silentFrom = attempts[attempt].emittedAt + (isFirst ? Self.firstToken : Self.betweenTokens)
        return silentFrom <= now ? silentFrom : nil
    }

    // MARK: The end

    func judgeAll() {
        for number in requests.indices where requests[number].end == nil {
            violated(.liveness, "request \(number) has not ended")
        }
        for key in deathCounts.indices {
            let alone = attempts.count { $0.key == key && !$0.leads }
            let excuse = alone + vanishedCounts[key]
            if deathCounts[key] > 1 + ModelRedis.takeoversMax + excuse {
                violated(.cost, "\(deathCounts[key]) pods died of key \(key)")
            }
            tally.deathCount += deathCounts[key]
        }
        for later in attempts.indices {
            var isDuplicate = false
            for earlier in 0..<later where attempts[earlier].key == attempts[later].key {
                guard (attempts[earlier].endedAt ?? .max) > attempts[later].startedAt else { continue }
                isDuplicate = true
                if !mayOverlap(earlier, later) {
                    violated(.oneCall, "attempts \(earlier) and \(later) overlap, and neither had lost its lease")
                }
            }
            if isDuplicate { tally.duplicateCount += 1 }
        }
    }

    private func mayOverlap(_ earlier: Int, _ later: Int) -> Bool {
        [earlier, later].contains { attempt in
            let lostAt = flights[attempts[attempt].flight].lostAt ?? .max
            return !attempts[attempt].leads || lostAt <= attempts[later].startedAt
        }
    }
}
