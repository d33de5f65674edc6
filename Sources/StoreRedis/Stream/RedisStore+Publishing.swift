import SamovarCore
import SamovarEngine

/// Giving other pods what this one's attempt gets.
extension RedisStore {
    public func publish(_ key: RequestKey, _ attempt: AttemptID, _ entries: [PublishedEntry]) async -> Bool {
        let name = keyName.names(key).stream(attempt)
        let gates = primaries.gates(at: name)
        guard gates.leases.breakerState == .closed, gates.writes.breakerState == .closed else {
            counters.leases.skipped.add(1)
            publications.broke(attempt)
            return false
        }
        guard let pieces = StreamEntry.split(entries), !pieces.isEmpty,
            let turn = publications.begin(attempt, count: pieces.count, at: primaries.place(at: name))
        else {
            publications.broke(attempt)
            return entries.isEmpty
        }
        var commands = pieces.enumerated().map { offset, piece in
            Self.append(
                StreamEntry.encode(
                    piece, index: turn.index + UInt32(offset), of: attempt, for: key, seal: seal), to: name)
        }
        commands.append([Array("PEXPIRE".utf8), name, LeaseLimits.streamLife.argument])
        let deadline = clock.now.advanced(by: settings.timeout)
        let count = pieces.count
        let published: (Int, RedisClient.Exchange)? = await gates.pass { [commands] in
            await primaries.send(commands, at: name, deadline: deadline, on: .at(turn.place), isForCaller: false)
        } read: { replies in
            replies.prefix(count).allSatisfy { if case .bulk = $0 { true } else { false } } ? count : nil
        }
        guard published != nil else {
            publications.broke(attempt)
            return false
        }
        counters.leases.published.add(count)
        return true
    }

    /// The entry with which an attempt's stream ends, and the connection that it goes over.
    func lastEntry(
        _ key: RequestKey, _ attempt: AttemptID, _ entry: PublishedEntry?
    ) -> (bytes: [UInt8]?, place: RedisClient.Place?) {
        let turn = publications.end(attempt)
        let bytes = entry.map { StreamEntry.encode($0, index: turn.index, of: attempt, for: key, seal: seal) }
        return (bytes, turn.place)
    }

    private static func append(_ entry: [UInt8], to name: [UInt8]) -> [[UInt8]] {
        [
            Array("XADD".utf8), name, Array("MAXLEN".utf8), Array("~".utf8),
            Array(String(LeaseLimits.streamEntryMax).utf8), Array("*".utf8), Array("e".utf8), entry,
        ]
    }
}
