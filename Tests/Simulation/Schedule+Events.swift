import SamovarCore

/// What goes wrong, and what is done by hand.
extension Schedule {
    func crashes(_ pod: Int) {
        guard pods[pod].isUp else { return }
        note("pod \(pod) crashes")
        pods[pod].isUp = false
        pods[pod].pausedUntil = nil
        pods[pod].board = pods[pod].board.map { _ in -1 }
        for flight in flights.indices where flights[flight].pod == pod && flights[flight].diedAt == nil {
            flights[flight].diedAt = now
            flights[flight].followed = nil
            let attempt = flights[flight].attempt
            if attempt >= 0, attempts[attempt].endedAt == nil { attempts[attempt].endedAt = now }
            for request in flights[flight].requests where requests[request].end == nil { end(request, .lost) }
        }
        agenda.add(.restart(pod), at: now + milliseconds(dice.number(500...3_000)))
    }

    func restarts(_ pod: Int) {
        pods[pod].isUp = true
        pods[pod].id = PodID(pods[pod].id.number + 100)
        pods[pod].generations = generations
        pods[pod].lateReplies = []
    }

    func pauses(_ pod: Int, _ length: Int64) {
        guard pods[pod].isUp, pods[pod].pausedUntil == nil else { return }
        note("pod \(pod) is paused for \(length / 1_000_000) ms")
        pods[pod].pausedUntil = now + length
        pods[pod].pausedAt = now
        // First of what happens then.
        agenda.add(.resume(pod), at: now + length)
    }

    func resumes(_ pod: Int) {
        guard let until = pods[pod].pausedUntil, until <= now else { return }
        pods[pod].pausedUntil = nil
        pods[pod].resumedAt = now
    }

    /// The process is asked to end: what is in the air is given back, and followers elsewhere need not wait.
    func drains(_ pod: Int) {
        guard pods[pod].isUp else { return }
        note("pod \(pod) drains")
        for flight in flights.indices where flights[flight].pod == pod && flights[flight].diedAt == nil {
            let attempt = flights[flight].attempt
            if attempt >= 0, attempts[attempt].endedAt == nil, attempts[attempt].fate != .hangs {
                ends(attempt, .draining)
            } else if flights[flight].landing == nil {
                land(flight, .failed)
                perform(flights[flight].machine.left(at: instant), flight)
            }
        }
        agenda.add(.crash(pod), at: now + milliseconds(500))
    }

    func failsOver() {
        guard var promoted = replica else { return }
        note("failover: back to what was \((now - replicatedAt) / 1_000_000) ms ago")
        promoted.nextNumber = redis.nextNumber
        promoted.clockOffset = redis.clockOffset
        for key in redis.cells.indices {
            vanishedCounts[key] += max(0, redis.cells[key].takeovers - promoted.cells[key].takeovers)
        }
        redis = promoted
        replica = nil
        redisEpoch += 1
        lastFailover = now
        for index in purges.indices where purges[index].at > replicatedAt { purges[index].isForgotten = true }
        for key in redis.cells.indices {
            disturbed[key] = true
            watchLease(key, nil)
        }
    }

    func evicts(_ key: Int) {
        disturbed[key] = true
        switch dice.number(0...2) {
        case 0: redis.cells[key].streams = []
        case 1: redis.cells[key].value = nil
        default:
            vanishedCounts[key] += redis.cells[key].takeovers
            redis.cells[key] = ModelRedis.Cell()
        }
        watchLease(key, nil)
    }

    func purges(_ key: Int) {
        guard !isRedisDown else { return }
        note("purge of key \(key)")
        _ = redis.purge(key)
        watchLease(key, nil)
        purges.append((key, now, false))
        for pod in pods.indices where !dice.permille(faults.lostPokes) {
            agenda.add(.purgeHeard(pod: pod, key: key), at: now + milliseconds(dice.number(1...50)))
        }
    }

    /// Nobody joins any more what began before; those who did stay.
    func hearsPurge(_ pod: Int, _ key: Int) {
        pods[pod].board[key] = -1
        for flight in flights.indices
        where flights[flight].pod == pod && flights[flight].key == key && flights[flight].diedAt == nil {
            invalidated(flight)
        }
    }

    private func invalidated(_ flight: Int) {
        if flights[flight].invalidatedAt == nil { flights[flight].invalidatedAt = now }
        perform(flights[flight].machine.invalidated(at: instant), flight)
    }

    func raises(_ tenant: Int) {
        generations[tenant] += 1
        for pod in pods.indices {
            agenda.add(
                .raiseHeard(pod: pod, tenant: tenant, generation: generations[tenant], raisedAt: now),
                at: now + milliseconds(dice.number(0...200)))
        }
    }

    func hearsRaise(_ pod: Int, _ tenant: Int, _ generation: Int, _ raisedAt: Int64) {
        pods[pod].generations[tenant] = max(pods[pod].generations[tenant], generation)
        pods[pod].lessons.append((tenant, now, raisedAt))
        let keys = (0..<promptCount).map { keyIndex(tenant: tenant, prompt: $0) }
        for key in keys { pods[pod].board[key] = -1 }
        for flight in flights.indices
        where flights[flight].pod == pod && keys.contains(flights[flight].key) && flights[flight].diedAt == nil
            && flights[flight].generation < generation
        {
            invalidated(flight)
        }
    }
}
