import SamovarCore
import SamovarEngine

/// Keeping the lease and giving it back: RENEW, COMMIT, ABORT; and PURGE.
extension RedisStore {
    public func renew(_ key: RequestKey, for attempt: AttemptID) async -> RenewReply {
        let names = keyName.names(key)
        let call = LeaseScripts.renew.call(
            keys: [names.lease, names.followers(attempt)],
            [Array(attempt.hexadecimal.utf8), LeaseLimits.leaseLife.argument])
        let code: Int64? = await run(call, names) { Self.code($0, 0...2) }?.0
        switch code {
        case nil: return .unavailable
        case 0: return .lost
        default: return .renewed(isFollowed: code == 2)
        }
    }

    public func commit(
        _ key: RequestKey, for attempt: AttemptID, _ answer: Answer?, end: PublishedEntry?
    ) async -> CommitReply {
        let names = keyName.names(key)
        let value = answer.flatMap { storable($0, key) }
        let (entry, place) = lastEntry(key, attempt, end)
        let call = LeaseScripts.commit.call(
            keys: [names.lease, names.answer, names.stream(attempt)],
            [Array(attempt.hexadecimal.utf8), value?.bytes ?? [], value?.life.argument ?? []] + appended(entry))
        guard let (ending, _) = await run(call, names, at: place, read: Ending.init) else { return .unavailable }
        let gates = primaries.gates(at: names.answer)
        if let refused = ending.refused { gates.refusedForLease(refused) }
        switch ending.code {
        case 0:
            // Those who follow it may still be told how it ends.
            counters.leases.lostCommits.add(1)
            return .lost
        case 1:
            publications.forget(attempt)
            if value != nil { counters.written.add(1) }
            if ending.refused == nil { gates.wroteForLease() }
            return .stored
        default:
            counters.errors.add(1)
            return .unavailable
        }
    }

    public func abort(_ key: RequestKey, for attempt: AttemptID, _ entry: PublishedEntry?) async {
        let names = keyName.names(key)
        let (entry, place) = lastEntry(key, attempt, entry)
        publications.forget(attempt)
        let call = LeaseScripts.abort.call(
            keys: [names.lease, names.stream(attempt)], [Array(attempt.hexadecimal.utf8)] + appended(entry))
        guard let (ending, _) = await run(call, names, at: place, read: Ending.init) else { return }
        if let refused = ending.refused { primaries.gates(at: names.answer).refusedForLease(refused) }
    }

    /// Tells the other pods, too: of what is under way there, no change of a value tells. Where that is not allowed, the
    /// rest is done all the same.
    public func purge(_ key: RequestKey) async -> Bool {
        let names = keyName.names(key)
        let call = LeaseScripts.purge.call(
            keys: [names.answer, names.lease, names.mark], [LeaseLimits.markLife.argument])
        let isMarked = await run(call, names, read: { Self.code($0, 0...2) }) != nil
        // Where scripts are not allowed, the answer goes all the same.
        let plain = isMarked ? [] : [[Array("UNLINK".utf8), names.answer, names.lease]]
        let replies = await ask(
            plain + [[Array("PUBLISH".utf8), keyName.purges, PurgeText.write(keyName.word(key), by: pod)]],
            at: names.answer, isForCaller: false)
        guard !isMarked else { return true }
        guard let reply = replies?.first else { return false }
        if case .error(let error) = reply { primaries.gates(at: names.answer).refusedForLease(error) }
        return Self.code(reply, 0...2) != nil
    }

    public func setUnmarked(_ key: RequestKey, _ answer: Answer) async {
        let names = keyName.names(key)
        // Who may not run scripts leaves no marks either.
        guard primaries.gates(at: names.answer).leases.breakerState == .closed else { return await set(key, answer) }
        guard let (value, life) = storable(answer, key) else { return }
        let call = LeaseScripts.storeUnmarked.call(keys: [names.answer, names.mark], [value, life.argument])
        guard let (code, _) = await run(call, names, read: { Self.code($0, 0...1) }), code == 1 else { return }
        counters.written.add(1)
    }

    public func release(_ key: RequestKey, by attempt: AttemptID) async {
        let names = keyName.names(key)
        // The attempt goes on publishing: no entry, and not its last.
        let call = LeaseScripts.abort.call(
            keys: [names.lease, names.stream(attempt)], [Array(attempt.hexadecimal.utf8)] + appended(nil))
        _ = await run(call, names, read: Ending.init)
    }

    // MARK: Pieces

    /// How COMMIT and ABORT ended.
    private struct Ending {
        let code: Int64
        /// What of it was refused.
        let refused: ServerError?

        init?(_ reply: RESPValue) {
            guard case .array(let parts) = reply, parts.count == 2, let code = RedisStore.code(parts[0], 0...2) else {
                return nil
            }
            self.code = code
            switch parts[1] {
            case .null: refused = nil
            case .bulk(let line): refused = ServerError(line: line)
            default: return nil
            }
        }
    }

    private static func code(_ reply: RESPValue, _ range: ClosedRange<Int64>) -> Int64? {
        guard case .integer(let code) = reply, range.contains(code) else { return nil }
        return code
    }

    /// Runs a script once, whoever goes away: the lease is to be given back.
    private func run<Value>(
        _ call: ScriptCall, _ names: RequestNames, at place: RedisClient.Place? = nil, read: (RESPValue) -> Value?
    ) async -> (Value, RedisClient.Exchange)? {
        let deadline = clock.now.advanced(by: settings.timeout)
        return await primaries.gates(at: names.answer).pass {
            await primaries.run(
                call, at: names.answer, deadline: deadline, on: .preferably(place), isForCaller: false)
        } read: { replies in
            read(replies[0])
        }
    }

    /// The answer's bytes and how long they live; nil where it is not to be written.
    private func storable(_ answer: Answer, _ key: RequestKey) -> (bytes: [UInt8], life: Duration)? {
        counters.sets.add(1)
        guard StoredValue.size(of: answer) <= settings.valueSizeMax else {
            counters.tooLarge.add(1)
            return nil
        }
        let life = answer.remaining(at: clock.wallNow)
        guard life.milliseconds > 0 else { return nil }
        return (encoded(answer, key), life)
    }

    private func appended(_ entry: [UInt8]?) -> [[UInt8]] {
        [entry ?? [], Array(String(LeaseLimits.streamEntryMax).utf8), LeaseLimits.streamLife.argument]
    }
}
