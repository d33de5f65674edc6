extension Request {
    /// The request that a fallback of the route is asked in this one's place: with its model in the body, and under that
    /// model's own key. Nil where it would be this very request. O(body).
    ///
    /// - Parameter place: among the ladder's fallbacks.
    public func fallingBack(to place: Int) -> Request? {
        let rule = rule.fallbacks[place]
        let fallback = route.ladder.fallbacks[place]
        let model = fallback.model ?? self.model
        var arrival = Arrival(kind: kind, body: body.map { $0.replacing(model: model) })
        // Not on its way to another host: see `Fallback.takesAuthorization`.
        arrival.authorization = rule.route.credential == .callers ? authorization : nil
        // A provider's own names (of an organisation, a project, a version) say nothing to another one.
        if fallback.isOwnUpstream || fallback.takesAuthorization { arrival.headers = headers }
        arrival.controls = controls
        arrival.timeout = timeout
        arrival.showsTenant = showsTenant
        var canonicaliser = Canonicaliser()
        var facts = BodyFacts()
        var digest = BodyDigest.noBody
        if let bytes = arrival.body {
            do throws(BodyError) {
                try canonicaliser.read(bytes)
                facts = try BodyFacts(canonicaliser)
            } catch {
                preconditionFailure("the body was read once and accepted, and a name was put into it")
            }
            digest = canonicaliser.digest(ignoring: rule.ignored)
        }
        let request = Request(arrival, facts, digest, rule, tenant)
        return request.key == key ? nil : request
    }
}

extension RouteRule {
    /// The arm for what has arrived.
    func arm(for arrival: Request.Arrival, _ body: borrowing Canonicaliser) -> RouteRule {
        guard let split = route.split else { return self }
        let id: [UInt8] =
            switch split.by {
            case .user: arrival.body == nil ? [] : body.text(of: "user")
            case .safetyIdentifier: arrival.body == nil ? [] : body.text(of: "safety_identifier")
            case .header: Array(arrival.splitID.utf8)
            }
        return arms[split.arm(of: id, route: route.name)]
    }
}

extension Canonicaliser {
    /// What stands between the quotes of a member of the body that was read last; empty where it is no text, or is not
    /// there. O(members).
    fileprivate func text(of name: StaticString) -> [UInt8] {
        for index in 0..<members.count where members[index].isNamed(name, in: output) {
            let value = Array(output.bytes(members[index].value))
            return value.first == UInt8(ascii: "\"") ? Array(value.dropFirst().dropLast()) : []
        }
        return []
    }
}
