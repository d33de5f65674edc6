import SamovarCore
import SamovarEngine

/// What pods tell each other about the upstreams that they share.
extension RedisStore: FleetStore {
    /// One round trip for all upstreams. Costs nothing while the breaker is open, or while the server does not let us.
    public func exchange(_ word: FleetWord, life: Duration) async -> FleetReply {
        let name = keyName.budget
        let gates = primaries.gates(at: name)
        guard let own = gates.budget.ask() else { return .unavailable }
        guard let permit = gates.all.ask() else { return .unavailable }
        let call = BudgetScripts.exchange.call(
            keys: [name],
            [
                pod.hexadecimal, BudgetText.write(word), Array(String(word.number).utf8),
                min(life, BudgetScripts.lifeMax).argument,
            ])
        let deadline = clock.now.advanced(by: settings.timeout)
        let exchange = await primaries.run(call, at: name, deadline: deadline, isForCaller: false)
        switch exchange.outcome {
        case .failure(let failure):
            gates.report(failure, permit)
            return .unavailable
        case .success(let replies):
            return heard(replies[0], exchange, gates, permit, own)
        }
    }

    public func withdrawWord() async {
        let name = keyName.budget
        _ = await ask([(name, [Array("HDEL".utf8), name, pod.hexadecimal])], isForCaller: false)
    }

    private func heard(
        _ reply: RESPValue, _ exchange: RedisClient.Exchange, _ gates: Gates, _ permit: consuming Gate.Permit,
        _ own: consuming Gate.Permit
    ) -> FleetReply {
        switch reply {
        case .error(let error) where error.isPassing:
            permit.abandoned()
            return .unavailable
        case .error(let error) where error.meansDown:
            counters.errors.add(1)
            permit.failed(error.explanation)
            return .unavailable
        case .error(let error):
            counters.errors.add(1)
            // It has answered, and in time; what is missing is a right, a command, or room.
            permit.succeeded()
            own.failed(error.explanation)
            return .unavailable
        default:
            guard let reply = Self.reply(reply, to: pod) else {
                counters.errors.add(1)
                permit.failed("a reply of the wrong kind")
                exchange.distrust()
                return .unavailable
            }
            permit.succeeded()
            own.succeeded()
            return reply
        }
    }

    /// Nil where it does not answer what was asked.
    static func reply(_ value: RESPValue, to pod: PodID) -> FleetReply? {
        guard case .array(let values) = value, values.count >= 2, values.count % 2 == 0,
            case .integer(let taken) = values[0], case .integer(let count) = values[1], taken == 0 || taken == 1,
            (0...Int64(FleetShare.podsMax)).contains(count), values.count == 2 + 2 * Int(count)
        else { return nil }
        var words: [PodID: FleetWord] = [:]
        for index in stride(from: 2, to: values.count, by: 2) {
            guard case .bulk(let name) = values[index], case .bulk(let text) = values[index + 1] else { return nil }
            // Another program's, or a later version's: not one of us.
            guard let number = LeaseText.word(name[...]), let word = BudgetText.parse(text) else { continue }
            words[PodID(number)] = word
        }
        if taken == 1 { return .heard(words) }
        // One that was overtaken by a later one of ours has nothing to say.
        return count >= FleetShare.podsMax ? .full(podCount: Int(count)) : .unavailable
    }
}
