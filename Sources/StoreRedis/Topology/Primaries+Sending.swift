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
        let deadline = clock.now.advanced(by: timeout)
        return await reach(name, commands, by: deadline) { node, commands in
            await node.client.send(commands, deadline: deadline, canWait: canWait)
        }
    }

    /// Sends these commands to whoever keeps this name, in the given way, and follows where they are sent on.
    ///
    /// - Parameter send: sends to this node, and waits for the replies: one for each command.
    func reach(
        _ name: [UInt8], _ commands: [[[UInt8]]], by deadline: Instant,
        _ send: (_ node: PrimaryNode, _ commands: [[[UInt8]]]) async -> RedisClient.Exchange
    ) async -> RedisClient.Exchange {
        guard let node = node(keeping: name) else { return .nowhere }
        let exchange = await send(node, commands)
        guard isCluster, case .success(let replies) = exchange.outcome, replies.contains(where: \.isRedirect) else {
            return exchange
        }
        return await sendOn(commands, exchange, replies, from: node, by: deadline, send)
    }

    /// Some commands were not executed, as their replies say. Those are sent again, and no others.
    private func sendOn(
        _ commands: [[[UInt8]]], _ first: RedisClient.Exchange, _ replies: [RESPValue], from node: PrimaryNode,
        by deadline: Instant, _ send: (_ node: PrimaryNode, _ commands: [[[UInt8]]]) async -> RedisClient.Exchange
    ) async -> RedisClient.Exchange {
        var (node, exchange, replies) = (node, first, replies)
        var state = RedirectState(deadline: deadline)
        var asks = false
        while case .error(let error)? = replies.first(where: \.isRedirect) {
            switch state.refused(error, at: clock.now) {
            case .stop: return exchange.with(.success(replies))
            case .tryAgain(let instant):
                counters.tryAgains.add(1)
                guard (try? await clock.sleep(until: instant)) != nil else {
                    return exchange.with(.failure(.cancelled))
                }
            case .follow(let redirection):
                (redirection.kind == .moved ? counters.moved : counters.asks).add(1)
                guard let next = self.node(sentTo: redirection, by: node) else {
                    return exchange.with(.success(replies))
                }
                asks = redirection.kind == .ask
                node = next
                // One that was unknown until now: the time to connect is the command's own.
                _ = await node.client.connected(by: deadline)
            }
            let indices = replies.indices.filter { replies[$0].isRedirect }
            let refused = indices.map { commands[$0] }
            exchange = await send(node, asks ? refused.flatMap { [Self.asking, $0] } : refused)
            switch exchange.outcome {
            case .failure(.cancelled): return exchange
            case .failure: return exchange.with(.failure(.sentOn))
            case .success(var answers):
                // Each command had its own ASKING before it.
                if asks { answers = stride(from: 1, to: answers.count, by: 2).map { answers[$0] } }
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
