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
        let replies = await askEach(keys.map { [Array("GETRANGE".utf8), keyName.bytes($0), Array("0".utf8), last] })
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
        guard let replies = await askEach(scopes.map { [Array("GET".utf8), keyName.generation($0)] }) else {
            return nil
        }
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
        return await run(Generation.advance, scope, known)
    }

    public func restore(_ scope: Scope, to number: UInt64) async {
        _ = await run(Generation.restore, scope, number)
    }

    private func run(_ script: Script, _ scope: Scope, _ number: UInt64) async -> UInt64? {
        let name = keyName.generation(scope)
        let call = script.call(keys: [name], [Array(String(number).utf8), Generation.life.argument])
        let deadline = clock.now.advanced(by: settings.timeout)
        let gates = primaries.gates(at: name)
        guard let permit = gates.all.ask() else { return nil }
        let exchange = await primaries.run(call, at: name, deadline: deadline, isForCaller: false)
        guard case .integer(let number)? = answered(exchange, permit, gates)?.first, number >= 0 else { return nil }
        return UInt64(number)
    }

    /// Commands about names that whoever keeps this one keeps too: one round trip for all. Nil: no answer.
    func ask(_ commands: [[[UInt8]]], at name: [UInt8], isForCaller: Bool = true) async -> [RESPValue]? {
        let gates = primaries.gates(at: name)
        guard let permit = gates.all.ask() else { return nil }
        let deadline = clock.now.advanced(by: settings.timeout)
        let exchange = await primaries.send(commands, at: name, deadline: deadline, isForCaller: isForCaller)
        return answered(exchange, permit, gates)
    }

    /// Commands of which each is about one name, its second word: one round trip for all where one server keeps all, and
    /// as many at once where a cluster does. Nil: not all were answered.
    private func askEach(_ commands: [[[UInt8]]]) async -> [RESPValue]? {
        guard let first = commands.first else { return [] }
        guard primaries.isCluster else { return await ask(commands, at: first[1]) }
        return await withTaskGroup(of: (Int, RESPValue?).self) { asking in
            for (place, command) in commands.enumerated() {
                asking.addTask { (place, await self.ask([command], at: command[1])?.first) }
            }
            var replies = [RESPValue?](repeating: nil, count: commands.count)
            for await (place, reply) in asking { replies[place] = reply }
            return replies.contains { $0 == nil } ? nil : replies.compactMap { $0 }
        }
    }

    /// The replies, and what they say about the server. A refusal of one of them is the asker's business.
    private func answered(
        _ exchange: RedisClient.Exchange, _ permit: consuming Gate.Permit, _ gates: Gates
    ) -> [RESPValue]? {
        switch exchange.outcome {
        case .failure(let failure):
            gates.report(failure, permit)
            return nil
        case .success(let replies):
            for case .error(let error) in replies where error.meansDown {
                permit.failed(error.explanation)
                return nil
            }
            permit.succeeded()
            return replies
        }
    }
}
