import SamovarCore
import SamovarEngine

/// Hearing of changes, and what is asked because of them.
extension RedisStore {
    public func name(of key: RequestKey) -> UInt64 { keyName.word(key) }

    public func listen(_ receive: @escaping @Sendable (StoreNews) -> Void) {
        hearing.listen(receive)
        news.start()
    }

    /// Reads the beginnings of the values only, whatever their size.
    public func identities(of keys: [RequestKey]) async -> [ValueIdentity?]? {
        let last = Array(String(StoredValue.identitySize(seal) - 1).utf8)
        let replies = await ask(
            keys.map { key in
                let name = keyName.bytes(key)
                return (name, [Array("GETRANGE".utf8), name, Array("0".utf8), last])
            })
        guard let replies else { return nil }
        var identities: [ValueIdentity?] = []
        for reply in replies {
            switch reply {
            case .bulk(let bytes): identities.append(StoredValue.identity(bytes, seal: seal))
            // Another type under our name: nothing of ours.
            case .error(ServerError(code: "WRONGTYPE")): identities.append(nil)
            default: return nil
            }
        }
        return identities
    }

    public func generations(of scopes: [Scope]) async -> [UInt64]? {
        // Before they are read: what changes after the reading is then told.
        hearing.watch(scopes)
        let replies = await ask(
            scopes.map { scope in
                let name = keyName.generation(scope)
                return (name, [Array("GET".utf8), name])
            })
        guard let replies else { return nil }
        let wallNow = clock.wallNow
        var numbers: [UInt64] = []
        for reply in replies {
            switch reply {
            case .bulk(let bytes): numbers.append(Generation.parse(bytes, at: wallNow))
            case .null, .error(ServerError(code: "WRONGTYPE")): numbers.append(0)
            default: return nil
            }
        }
        return numbers
    }

    public func advance(_ scope: Scope, beyond known: UInt64) async -> UInt64? {
        hearing.watch([scope])
        // Pods of a cluster, and of users who may not, hear of no changes of names: they are told.
        return await run(
            Generation.advance, scope, known, [keyName.raises, PurgeText.write(keyName.word(scope), by: pod)])
    }

    public func restore(_ scope: Scope, to number: UInt64) async {
        _ = await run(Generation.restore, scope, number)
    }

    private func run(
        _ script: Script, _ scope: Scope, _ number: UInt64, _ more: [[UInt8]] = []
    ) async -> UInt64? {
        let name = keyName.generation(scope)
        let call = script.call(keys: [name], [Array(String(number).utf8), Generation.life.argument] + more)
        let deadline = clock.now.advanced(by: settings.timeout)
        let gates = primaries.gates(at: name)
        guard let permit = gates.all.ask() else { return nil }
        let exchange = await primaries.run(call, at: name, deadline: deadline, isForCaller: false)
        guard case .integer(let number)? = Self.answered(exchange, permit, gates)?.first, number >= 0 else {
            return nil
        }
        return UInt64(number)
    }

    /// Commands, each with a name that says where it goes: one round trip for all; in a cluster one for each, at once.
    /// Nil: one of them had no answer.
    func ask(_ commands: [(name: [UInt8], words: [[UInt8]])], isForCaller: Bool = true) async -> [RESPValue]? {
        guard let first = commands.first else { return [] }
        guard primaries.isCluster else {
            return await ask(commands.map(\.words), at: first.name, isForCaller: isForCaller)
        }
        return await withTaskGroup(of: (Int, RESPValue?).self) { asking in
            for (index, command) in commands.enumerated() {
                asking.addTask {
                    (index, await self.ask([command.words], at: command.name, isForCaller: isForCaller)?.first)
                }
            }
            var replies = [RESPValue?](repeating: nil, count: commands.count)
            for await (index, reply) in asking { replies[index] = reply }
            let all = replies.compactMap { $0 }
            return all.count == replies.count ? all : nil
        }
    }

    private func ask(_ commands: [[[UInt8]]], at name: [UInt8], isForCaller: Bool) async -> [RESPValue]? {
        let gates = primaries.gates(at: name)
        guard let permit = gates.all.ask() else { return nil }
        let deadline = clock.now.advanced(by: settings.timeout)
        let exchange = await primaries.send(commands, at: name, deadline: deadline, isForCaller: isForCaller)
        return Self.answered(exchange, permit, gates)
    }

    /// The replies, and what they say about the server. A refusal of one of them is the asker's business.
    private static func answered(
        _ exchange: RedisClient.Exchange, _ permit: consuming Gate.Permit, _ gates: Gates
    ) -> [RESPValue]? {
        switch exchange.outcome {
        case .failure(let failure):
            gates.report(failure, permit)
            return nil
        case .success(let replies):
            for case .error(let error) in replies where error.isPassing || error.meansDown {
                if error.isPassing { permit.abandoned() } else { permit.failed(error.explanation) }
                return nil
            }
            permit.succeeded()
            return replies
        }
    }
}
