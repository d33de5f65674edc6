import SamovarCore

/// Commands on their way to Redis and back, each with its deadline.
extension Schedule {
    enum Operation {
        case acquire(needed: Int64?)
        case steal(LeaseSight, needed: Int64?)
        case renew
        case publish([PublishedEntry])
        case commit(stores: Bool, end: PublishedEntry?)
        case abort(PublishedEntry?)
        case release
        case set
        case follow
        case read
        case look
    }

    /// One try of one command.
    struct Command {
        let flight: Int
        /// On behalf of which attempt it is sent.
        let own: AttemptID
        let operation: Operation
        let isSecondTry: Bool
        let sentAt: Int64
        let epoch: Int
        /// Of a stream that is followed.
        let target: AttemptID?
        let serial: Int
        var fate = Fate.passes
        var outcome: Outcome?
        /// Its deadline has been put down already: Redis is frozen.
        var isTimedOut = false
    }

    enum Fate { case passes, requestLost, replyLost, requestLate, replyLate }

    struct Outcome {
        let reply: ModelRedis.Reply
        var sight: ModelRedis.Reply?
    }

    func send(_ operation: Operation, _ flight: Int, isSecondTry: Bool = false) {
        var command = Command(
            flight: flight, own: flights[flight].machine.attempt, operation: operation, isSecondTry: isSecondTry,
            sentAt: now, epoch: redisEpoch,
            target: flights[flight].followed, serial: flights[flight].followSerial)
        command.fate = fate()
        commands.append(command)
        let number = commands.count - 1
        let arrival = now + microseconds(dice.number(100...1_500))
        switch command.fate {
        case .passes, .replyLost, .replyLate: agenda.add(.executes(number), at: arrival)
        case .requestLost: agenda.add(.timesOut(number), at: now + Self.commandTimeout)
        case .requestLate:
            agenda.add(.timesOut(number), at: now + Self.commandTimeout)
            let delay = dice.permille(800) ? dice.number(26...200) : dice.number(200...6_000)
            agenda.add(.executes(number), at: now + milliseconds(delay))
        }
    }

    private func fate() -> Fate {
        if dice.permille(faults.lostRequests) { return .requestLost }
        if dice.permille(faults.lostReplies) { return .replyLost }
        if dice.permille(faults.lateRequests) { return .requestLate }
        if dice.permille(faults.lateReplies) { return .replyLate }
        return .passes
    }

    /// A command reaches Redis.
    func executes(_ number: Int) {
        let command = commands[number]
        let isLate = command.fate == .requestLate || command.isTimedOut
        if frozenUntil > now, !isLate, command.fate != .requestLate {
            commands[number].isTimedOut = true
            agenda.add(.timesOut(number), at: max(now, command.sentAt + Self.commandTimeout))
        }
        guard !isRedisDown, command.epoch == redisEpoch else {
            if !isLate { agenda.add(.timesOut(number), at: max(now, command.sentAt + Self.commandTimeout)) }
            return
        }
        if frozenUntil > now {
            // It waits in the socket, whether or not its connection still exists by then.
            return agenda.add(.executes(number), at: frozenUntil)
        }
        redis.expire(flights[command.flight].key, at: now)
        watchLease(flights[command.flight].key, nil)
        beatAt = redis.cells[flights[command.flight].key].beatAt
        commands[number].outcome = execute(command)
        judgeSent(command, commands[number].outcome)
        watchLease(flights[command.flight].key, command)
        if now > command.sentAt + Self.commandTimeout { flights[command.flight].lateAt = now }
        if command.isTimedOut { return }
        switch command.fate {
        case .passes: agenda.add(.replies(number), at: now + microseconds(dice.number(100...1_500)))
        case .replyLost, .replyLate:
            agenda.add(.timesOut(number), at: max(now, command.sentAt + Self.commandTimeout))
        case .requestLost, .requestLate: break
        }
    }

    private func execute(_ command: Command) -> Outcome {
        let flight = flights[command.flight]
        let (key, own, pod) = (flight.key, command.own, pods[flight.pod].id)
        func sealed(_ entry: PublishedEntry) -> ModelRedis.Sealed {
            ModelRedis.Sealed(number: 0, attempt: own, generation: flight.generation, entry: entry)
        }
        switch command.operation {
        case .acquire(let needed):
            return Outcome(reply: redis.acquire(key, own, pod, needed: needed, at: now))
        case .steal(let seen, let needed):
            return Outcome(reply: redis.steal(key, seen: seen, own, pod, needed: needed, at: now))
        case .renew: return Outcome(reply: redis.renew(key, own, at: now))
        case .publish(let entries):
            redis.append(key, own, entries.map(sealed))
            streamGrew(key, own)
            return Outcome(reply: .done)
        case .commit(let stores, let end):
            let reply = redis.commit(
                key, own, stores ? value(of: command.flight) : nil, life: Self.valueLife, staleLife: Self.staleLife,
                end: end.map(sealed), at: now)
            streamGrew(key, own)
            return Outcome(reply: reply)
        case .abort(let entry):
            let reply = redis.abort(key, own, entry.map(sealed), at: now)
            streamGrew(key, own)
            return Outcome(reply: reply)
        case .release: return Outcome(reply: redis.abort(key, own, nil, at: now))
        case .set:
            return Outcome(
                reply: redis.set(
                    key, value(of: command.flight), life: Self.valueLife, staleLife: Self.staleLife, at: now))
        case .follow:
            guard let target = command.target else { return Outcome(reply: .done) }
            redis.follow(key, target, pod, at: now)
            flights[Int(target.high) - 1].wantedUntil = now + ModelRedis.interestLife
            if !dice.permille(faults.lostPokes) {
                agenda.add(.poke(flight: Int(target.high) - 1), at: now + microseconds(dice.number(200...2_000)))
            }
            return Outcome(reply: .done)
        case .read, .look:
            guard let target = command.target else { return Outcome(reply: .done) }
            var outcome = Outcome(reply: redis.read(key, target, after: flight.lastRead))
            if case .look = command.operation { outcome.sight = redis.sight(key, at: now) }
            return outcome
        }
    }

    static let valueLife = milliseconds(7_000)
    static let staleLife = milliseconds(2_000)

    private func value(of flight: Int) -> ModelRedis.Value {
        let attempt = flights[flight].attempt
        return ModelRedis.Value(
            key: flights[flight].key, maker: attempt, count: attempts[attempt].emittedCount,
            generation: flights[flight].generation)
    }

    /// A reply reaches the pod.
    func replies(_ number: Int) {
        let command = commands[number]
        guard flights[command.flight].diedAt == nil else { return }
        guard command.epoch == redisEpoch, var outcome = command.outcome else {
            agenda.add(.timesOut(number), at: max(now, command.sentAt + Self.commandTimeout))
            return
        }
        if bug == .reusedUnbound || bug == .reusedBound {
            // Each reply is taken for that of the next command.
            let pod = flights[command.flight].pod
            if !pods[pod].lateReplies.isEmpty {
                pods[pod].lateReplies.append(outcome)
                outcome = pods[pod].lateReplies.removeFirst()
            }
        }
        answered(command, outcome)
    }

    /// A command's deadline has passed without a reply: its connection is closed.
    func timesOut(_ number: Int) {
        let command = commands[number]
        guard flights[command.flight].diedAt == nil else { return }
        flights[command.flight].hadTimeout = true
        disturbed[flights[command.flight].key] = true
        if bug == .reusedUnbound || bug == .reusedBound, let outcome = command.outcome {
            pods[flights[command.flight].pod].lateReplies.append(outcome)
        }
        switch command.operation {
        case .acquire, .steal:
            // Asked once more, for the same attempt: what the first has done does no harm.
            if !command.isSecondTry { return send(command.operation, command.flight, isSecondTry: true) }
            perform(flights[command.flight].machine.replied(.unavailable, at: instant), command.flight)
        case .renew: perform(flights[command.flight].machine.renewed(.unavailable, at: instant), command.flight)
        case .publish: perform(flights[command.flight].machine.published(false, at: instant), command.flight)
        case .commit: perform(flights[command.flight].machine.committed(.unavailable, at: instant), command.flight)
        case .release: flights[command.flight].isReleaseUncertain = true
        case .set: perform(flights[command.flight].machine.wasSet(at: instant), command.flight)
        case .abort, .follow: break
        case .read, .look:
            guard command.serial == flights[command.flight].followSerial else { return }
            flights[command.flight].readFailureCount += 1
            guard flights[command.flight].readFailureCount >= 3 else { return }
            perform(flights[command.flight].machine.heard(.unavailable, at: instant), command.flight)
        }
    }

    private func answered(_ command: Command, _ outcome: Outcome) {
        let flight = command.flight
        switch command.operation {
        case .acquire, .steal: asked(flight, outcome.reply)
        case .renew:
            let reply: RenewReply =
                switch outcome.reply {
                case .renewed(let isFollowed): .renewed(isFollowed: isFollowed)
                case .lost: .lost
                default: .unavailable
                }
            if case .renewed(isFollowed: false) = reply { flights[flight].pokedAt = -1 }
            perform(flights[flight].machine.renewed(reply, at: instant), flight)
        case .publish: perform(flights[flight].machine.published(true, at: instant), flight)
        case .commit:
            let reply: CommitReply = if case .lost = outcome.reply { .lost } else { .stored }
            perform(flights[flight].machine.committed(reply, at: instant), flight)
        case .set: perform(flights[flight].machine.wasSet(at: instant), flight)
        case .abort, .release, .follow: break
        case .read, .look:
            guard command.serial == flights[flight].followSerial else { return }
            flights[flight].readFailureCount = 0
            if case .read(let entries, let last) = outcome.reply { heard(entries, last: last, flight) }
            guard command.serial == flights[flight].followSerial, case .sight(let sight)? = outcome.sight else {
                return
            }
            perform(flights[flight].machine.heard(.sight(sight), at: instant), flight)
        }
    }

    private func asked(_ flight: Int, _ reply: ModelRedis.Reply) {
        let isBound = bug != .reusedUnbound
        var suits = true
        let lease: LeaseReply
        switch reply {
        case .hit(let value):
            suits = value.generation >= flights[flight].generation || bug == .noGenerations
            lease = !isBound || value.key == flights[flight].key ? .hit(value.stored(at: instant)) : .unavailable
        case .leads(let sight):
            lease = .leads(sight, nil)
            // What was invalidated while it asked gives the lease back now.
            if flights[flight].invalidatedAt != nil { flights[flight].invalidatedAt = now }
        case .follows(let sight): lease = .follows(sight, nil)
        case .poisoned: lease = .poisoned
        default: lease = .unavailable
        }
        perform(flights[flight].machine.replied(lease, suits: suits, at: instant), flight)
    }
}
