import SamovarCore

/// What stands in for the driver: performs the machine's actions and brings it its events.
extension Schedule {
    func perform(_ actions: [LeaseMachine.Action], _ flight: Int) {
        for action in actions { perform(action, flight) }
        if flights[flight].machine.isOver, flights[flight].overAt == nil { flights[flight].overAt = now }
        let next = flights[flight].machine.next.nanoseconds
        if next != .max, next < flights[flight].tickAt {
            flights[flight].tickAt = next
            agenda.add(.tick(flight), at: max(now, next))
        }
    }

    func ticks(_ flight: Int) {
        guard flights[flight].diedAt == nil, flights[flight].tickAt <= now else { return }
        flights[flight].tickAt = .max
        perform(flights[flight].machine.tick(at: instant), flight)
    }

    private func perform(_ action: LeaseMachine.Action, _ flight: Int) {
        note("flight \(flight): \(action)")
        switch action {
        case .acquire(let needed):
            flights[flight].askedAt = now
            flights[flight].heldLease = false
            send(.acquire(needed: needed?.nanoseconds), flight)
        case .steal(let seen, let needed):
            flights[flight].askedAt = now
            send(.steal(seen, needed: needed?.nanoseconds), flight)
        case .renew:
            flights[flight].askedAt = now
            send(.renew, flight)
        case .publish(let entries): send(.publish(entries), flight)
        case .commit(let stores, let end): send(.commit(stores: stores, end: end), flight)
        case .abort(let entry): send(.abort(entry), flight)
        case .release: send(.release, flight)
        case .set: send(.set, flight)
        case .announce: flights[flight].isAnnounced = true
        case .withdraw: flights[flight].isAnnounced = false
        case .follow(let sight): follows(sight, flight)
        case .keepFollowing: send(.follow, flight)
        case .unfollow: unfollows(flight)
        case .call(let standing):
            if case .alone(let reason) = standing { judge(reason, flight) }
            let wait =
                dice.permille(faults.queues) ? milliseconds(dice.number(5...8_000)) : microseconds(dice.number(0...500))
            agenda.add(.calls(flight), at: now + wait)
        case .cancelUpstream:
            judgeCancel(flight)
            cancels(flight)
        case .keep: break
        case .hit(let stored): hits(stored, flight)
        case .begin: break
        case .deliver(let chunks):
            let tags = chunks.map(Tag.init)
            if flights[flight].log.isEmpty, let first = tags.first { judge(followed: first, by: flight) }
            append(tags, to: flight)
        case .complete:
            tally.followedCount += 1
            land(flight, .complete)
        case .fail: land(flight, .failed)
        }
    }

    func append(_ tags: [Tag], to flight: Int) {
        flights[flight].log += tags
        for request in flights[flight].requests { deliver(to: request) }
    }

    func land(_ flight: Int, _ landing: SimFlight.Landing) {
        guard flights[flight].landing == nil else { return }
        flights[flight].landing = landing
        unlist(flight)
        for request in flights[flight].requests { deliver(to: request) }
        for request in flights[flight].requests where requests[request].pace > 0 && requests[request].end == nil {
            readsOn(request)
        }
    }

    private func hits(_ stored: StoredAnswer, _ flight: Int) {
        tally.hitCount += 1
        let value = ModelRedis.Value(stored)
        judge(value, hitBy: flight)
        let attempt = attempts[value.maker]
        append(
            (0..<value.count).map {
                Tag(tenant: attempt.tenant, prompt: attempt.prompt, attempt: value.maker, index: $0)
            }, to: flight)
        land(flight, .complete)
    }

    // MARK: Following

    private func follows(_ sight: LeaseSight, _ flight: Int) {
        flights[flight].followed = sight.attempt
        flights[flight].followSerial += 1
        flights[flight].followedSince = now
        flights[flight].lastRead = 0
        flights[flight].askedAt = -1
        flights[flight].readFailureCount = 0
        flights[flight].isReadDue = false
        send(.follow, flight)
        looks(flight, flights[flight].followSerial)
    }

    private func unfollows(_ flight: Int) {
        judgeWait(flight)
        flights[flight].followed = nil
        flights[flight].followSerial += 1
    }

    func looks(_ flight: Int, _ serial: Int) {
        guard flights[flight].followSerial == serial, flights[flight].followed != nil, flights[flight].diedAt == nil
        else { return }
        send(.look, flight)
        agenda.add(.look(flight, serial: serial), at: now + Self.lookInterval)
    }

    func reads(_ flight: Int, _ serial: Int) {
        guard flights[flight].followSerial == serial, flights[flight].diedAt == nil else { return }
        flights[flight].isReadDue = false
        send(.read, flight)
    }

    /// An attempt's stream has grown: those who follow it read it soon.
    func streamGrew(_ key: Int, _ attempt: AttemptID) {
        for flight in flights.indices
        where flights[flight].key == key && flights[flight].followed == attempt && !flights[flight].isReadDue {
            flights[flight].isReadDue = true
            agenda.add(
                .read(flight, serial: flights[flight].followSerial), at: now + microseconds(dice.number(500...20_000)))
        }
    }

    func poked(_ flight: Int) {
        guard flights[flight].diedAt == nil, flights[flight].isAnnounced else { return }
        flights[flight].pokedAt = now
        perform(flights[flight].machine.interested(at: instant), flight)
    }

    /// What a read has brought, as the store hands it to the machine.
    func heard(_ entries: [ModelRedis.Sealed], last: Int, _ flight: Int) {
        // Two reads may be under way: what the first has brought is not brought twice.
        let new = entries.filter { $0.number > flights[flight].lastRead }
        guard let followed = flights[flight].followed, !new.isEmpty else { return }
        flights[flight].lastRead = max(flights[flight].lastRead, last)
        for sealed in new {
            let isForeign = sealed.attempt != followed && bug != .sharedStream
            let isOld = sealed.generation < flights[flight].generation && bug != .noGenerations
            if isForeign || isOld { return perform(flights[flight].machine.heard(.unreadable, at: instant), flight) }
        }
        perform(flights[flight].machine.heard(.entries(new.map(\.entry)), at: instant), flight)
    }
}

extension ModelRedis.Value {
    /// A stored answer is an object of the product's; what the model must know of it is written into its bytes.
    init(_ stored: StoredAnswer) {
        let fields = stored.answer.recording.coded
        key = Int(fields[0])
        maker = Int(fields[1]) << 8 | Int(fields[2])
        count = Int(fields[3])
        generation = Int(fields[4])
    }

    func stored(at now: Instant) -> StoredAnswer {
        let fields = [key, maker >> 8, maker & 255, count, generation].map { UInt8($0) }
        let recording = Recording(
            form: .stream, usageAsked: false, chunkCount: count, rawByteCount: 8 * count, coded: fields)
        let answer = Answer(
            recording: recording, model: "", createdAt: WallTime(milliseconds: 0), generationTime: .zero, usage: nil,
            ttl: .seconds(5), staleTTL: .seconds(2))
        return StoredAnswer(answer, bornAt: now)
    }
}
