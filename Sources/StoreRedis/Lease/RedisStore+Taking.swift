import SamovarCore
import SamovarEngine

/// Taking the lease: ACQUIRE and STEAL.
extension RedisStore {
    public func acquire(_ key: RequestKey, for attempt: AttemptID, needed: Duration?) async -> LeaseReply {
        let reply = await take(Wish(key: key, attempt: attempt, seen: nil), needed)
        if case .leads = reply { counters.leases.acquired.add(1) }
        return reply
    }

    public func steal(
        _ key: RequestKey, seen: LeaseSight, for attempt: AttemptID, needed: Duration?
    ) async -> LeaseReply {
        let reply = await take(Wish(key: key, attempt: attempt, seen: seen), needed)
        if case .leads = reply { counters.leases.stolen.add(1) }
        return reply
    }

    /// Who wants to lead.
    private struct Wish: Sendable {
        let key: RequestKey
        let attempt: AttemptID
        /// The lease that is to be taken from its holder; nil: from nobody.
        let seen: LeaseSight?
    }

    private func take(_ wish: Wish, _ needed: Duration?) async -> LeaseReply {
        startListening()
        let deadline = clock.now.advanced(by: settings.timeout)
        let names = keyName.names(wish.key)
        guard await mayLease(names, deadline), let (found, exchange) = await ask(wish, names, needed, deadline) else {
            return .unavailable
        }
        let stored = found.answer.flatMap { decoded($0, found.remaining, wish.key, exchange) }
        guard found.verdict == .hit else { return reply(found.verdict, stored, names) }
        if let stored, let needed, stored.freshness.remaining(at: clock.now) > needed {
            counters.leases.hits.add(1)
            return .hit(stored)
        }
        // Redis took for good what is damaged, another's, or older than it looks there: it is asked for the lease alone.
        guard let (found, exchange) = await ask(wish, names, nil, deadline, on: .besides(exchange)) else {
            return .unavailable
        }
        return reply(found.verdict, found.answer.flatMap { decoded($0, found.remaining, wish.key, exchange) }, names)
    }

    private func reply(
        _ verdict: TakeReply.Verdict, _ stored: StoredAnswer?, _ names: RequestNames
    ) -> LeaseReply {
        let gates = primaries.gates(at: names.answer)
        switch verdict {
        case .leads(let sight):
            gates.wroteForLease()
            return .leads(sight, stored)
        case .follows(let sight):
            counters.leases.followed.add(1)
            return .follows(sight, stored)
        case .poisoned:
            counters.leases.poisoned.add(1)
            return .poisoned
        case .refused(let error):
            counters.errors.add(1)
            gates.refusedForLease(error)
            return .unavailable
        case .strange, .over, .hit: return .unavailable
        }
    }

    /// One question within the budget: half of it for the first try, the rest for one more on another connection, where
    /// the first one's reply got lost. Both are for the same attempt, so the second finds what the first has done. Who
    /// is cancelled is told all the same: it may have a lease to give back.
    private func ask(
        _ wish: Wish, _ names: RequestNames, _ needed: Duration?, _ deadline: Instant, on way: RedisClient.Way = .any
    ) async -> (TakeReply, RedisClient.Exchange)? {
        let call = call(wish, names, needed)
        return await primaries.gates(at: names.answer).pass {
            let now = clock.now
            let half = min(deadline, now.advanced(by: settings.timeout / 2))
            let first = await primaries.run(
                call, at: names.answer, deadline: half, on: way, isForCaller: false)
            guard first.isLost else { return first }
            return await primaries.run(
                call, at: names.answer, deadline: deadline, on: .besides(first), isForCaller: false)
        } read: { replies in
            TakeReply(replies[0], to: wish.attempt, canHit: needed != nil)
        }
    }

    private func mayLease(_ names: RequestNames, _ deadline: Instant) async -> Bool {
        await primaries.gates(at: names.answer).mayLease {
            let nobody = AttemptID(high: .random(in: .min ... .max), low: .random(in: .min ... .max))
            let call = LeaseScripts.rights.call(keys: [names.stream(nobody), names.followers(nobody)], [])
            return await primaries.run(call, at: names.answer, deadline: deadline)
        }
    }

    private func call(_ wish: Wish, _ names: RequestNames, _ needed: Duration?) -> ScriptCall {
        let keys = [names.answer, names.lease, names.takeovers, names.mark, names.stream(wish.attempt)]
        let arguments = [
            Array(wish.attempt.hexadecimal.utf8), pod.hexadecimal, LeaseLimits.leaseLife.argument,
            needed.map(\.argument) ?? [], StoredValue.head(seal),
        ]
        guard let seen = wish.seen else { return LeaseScripts.acquire.call(keys: keys, arguments) }
        return LeaseScripts.steal.call(keys: keys, arguments + [LeaseText.head(of: seen)])
    }
}

extension Duration {
    /// In whole milliseconds, as Redis wants it.
    var argument: [UInt8] { Array(String(milliseconds).utf8) }
}
