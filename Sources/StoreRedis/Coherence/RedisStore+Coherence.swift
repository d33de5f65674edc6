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
        let replies = await ask(keys.map { [Array("GETRANGE".utf8), keyName.bytes($0), Array("0".utf8), last] })
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
        guard let replies = await ask(scopes.map { [Array("GET".utf8), keyName.generation($0)] }) else { return nil }
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
        let call = script.call(
            keys: [keyName.generation(scope)], [Array(String(number).utf8), Generation.life.argument])
        let deadline = clock.now.advanced(by: settings.timeout)
        guard let permit = gates.all.ask() else { return nil }
        let exchange = await client.run(call, deadline: deadline, isForCaller: false)
        guard case .integer(let number)? = answered(exchange, permit)?.first, number >= 0 else { return nil }
        return UInt64(number)
    }

    /// One round trip for all. Nil: no answer.
    func ask(_ commands: [[[UInt8]]], isForCaller: Bool = true) async -> [RESPValue]? {
        guard let permit = gates.all.ask() else { return nil }
        let deadline = clock.now.advanced(by: settings.timeout)
        let exchange = await client.send(commands, deadline: deadline, isForCaller: isForCaller)
        return answered(exchange, permit)
    }

    /// The replies, and what they say about the server. A refusal of one of them is the asker's business.
    private func answered(_ exchange: RedisClient.Exchange, _ permit: consuming Gate.Permit) -> [RESPValue]? {
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
