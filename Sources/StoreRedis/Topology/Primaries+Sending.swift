import SamovarCore

extension Primaries {
    /// Sends these commands, all about names with this one's slot, to whoever keeps it, and waits for all their replies,
    /// until `timeout` at the latest.
    ///
    /// Where a node has not taken a command, because it does not keep the slot or not all of it, the command goes to
    /// where it says (`RedirectState`), within the same time.
    ///
    /// - Parameter canWait: nobody is held up by them, so that they may go out with what comes next.
    func send(
        _ commands: [[[UInt8]]], at name: [UInt8], timeout: Duration, canWait: Bool = false
    ) async -> RedisClient.Exchange {
        await send(commands, at: name, deadline: clock.now.advanced(by: timeout), canWait: canWait)
    }

    /// - Parameters:
    ///   - way: on which connection they go, where they are not sent on.
    ///   - isForCaller: whether a cancelled task stops waiting, or sends nothing at all. False for what is to be done
    ///     whoever goes away.
    func send(
        _ commands: [[[UInt8]]], at name: [UInt8], deadline: Instant, canWait: Bool = false,
        on way: RedisClient.Way = .any, over use: PrimaryNode.Use = .commands, isForCaller: Bool = true
    ) async -> RedisClient.Exchange {
        await reach(name, commands, by: deadline, on: way, over: use, isForCaller: isForCaller) {
            client, commands, way in
            await client.send(commands, deadline: deadline, canWait: canWait, on: way, isForCaller: isForCaller)
        }
    }

    /// Runs a script: by its digest, and once by its text, on the same connection, where the server does not know it.
    func run(
        _ call: ScriptCall, at name: [UInt8], deadline: Instant, on way: RedisClient.Way = .any,
        over use: PrimaryNode.Use = .commands, isForCaller: Bool = true
    ) async -> RedisClient.Exchange {
        await reach(name, [call.byDigest], by: deadline, on: way, over: use, isForCaller: isForCaller) {
            client, commands, way in
            let exchange = await client.send(commands, deadline: deadline, on: way, isForCaller: isForCaller)
            guard case .success(let replies) = exchange.outcome,
                replies.last == .error(ServerError(code: "NOSCRIPT")), let place = exchange.place
            else { return exchange }
            return await client.send(
                commands.dropLast() + [call.byText], deadline: deadline, on: .at(place), isForCaller: isForCaller)
        }
    }

    /// Sends to this client, in this way, and waits for the replies: one for each command.
    private typealias Sender = (RedisClient, [[[UInt8]]], RedisClient.Way) async -> RedisClient.Exchange

    /// Sends these commands to whoever keeps this name, and on to where they are sent.
    private func reach(
        _ name: [UInt8], _ commands: [[[UInt8]]], by deadline: Instant, on way: RedisClient.Way,
        over use: PrimaryNode.Use, isForCaller: Bool, _ send: Sender
    ) async -> RedisClient.Exchange {
        guard var node = node(keeping: name), var client = node.client(for: use) else { return .nowhere }
        var exchange = await send(client, commands, way)
        guard isCluster, case .success(var replies) = exchange.outcome else { return exchange }
        var asks = false
        var state = RedirectState(deadline: deadline)
        while case .error(let error)? = replies.first(where: \.isRedirect) {
            switch state.refused(error, at: clock.now) {
            case .stop: return exchange.with(.success(replies))
            case .tryAgain(let instant):
                counters.tryAgains.add(1)
                let hasSlept: Void? = try? await clock.sleep(until: instant)
                // Whoever is called back does not sleep: what is to be done all the same is done at once.
                guard hasSlept != nil || !isForCaller else { return exchange.with(.failure(.cancelled)) }
            case .follow(let redirection):
                (redirection.kind == .moved ? counters.moved : counters.asks).add(1)
                guard let next = self.node(sentTo: redirection, by: node), let there = next.client(for: use) else {
                    return exchange.with(.success(replies))
                }
                (node, client, asks) = (next, there, redirection.kind == .ask)
                // One that was unknown until now: the time to connect is the command's own.
                _ = await client.connected(by: deadline)
            }
            // Only what was not executed. Each command has its own ASKING before it.
            let indices = replies.indices.filter { replies[$0].isRedirect }
            let refused = indices.flatMap { asks ? [Self.asking, commands[$0]] : [commands[$0]] }
            exchange = await send(client, refused, .any)
            switch exchange.outcome {
            case .failure(.cancelled): return exchange
            case .failure: return exchange.with(.failure(.sentOn))
            case .success(let answers):
                let answers = asks ? stride(from: 1, to: answers.count, by: 2).map { answers[$0] } : answers
                for (index, answer) in zip(indices, answers) { replies[index] = answer }
            }
        }
        return exchange.with(.success(replies))
    }

    /// Lets the next command in where its slot is still on its way to.
    private static let asking = [Array("ASKING".utf8)]

    /// Sends a command whose reply nobody waits for to whoever keeps this name, on another connection than this
    /// exchange. It may get lost.
    func post(_ command: [[UInt8]], at name: [UInt8], timeout: Duration, avoiding exchange: RedisClient.Exchange) {
        node(keeping: name)?.client.post(command, timeout: timeout, avoiding: exchange)
    }

    /// Sends commands that are about no name to any primary.
    func sendAnywhere(_ commands: [[[UInt8]]], timeout: Duration) async -> RedisClient.Exchange {
        guard let node = anyNode else { return .nowhere }
        return await node.client.send(commands, timeout: timeout)
    }
}

extension RESPValue {
    fileprivate var isRedirect: Bool {
        if case .error(let error) = self { error.isRedirect } else { false }
    }
}
