extension Request {
    /// The bound that the request itself sets on its answer, in tokens: `max_completion_tokens` or `max_tokens`, times
    /// `n`. Nil where it sets none. O(body): asked for what goes upstream only.
    public var outputTokensMax: Int? {
        guard let body else { return nil }
        func number(_ member: CanonicalBody.Member?) -> Int? {
            member.flatMap { Int(String(decoding: body.bytes[$0.value], as: UTF8.self)) }.flatMap { $0 > 0 ? $0 : nil }
        }
        let members = body.members
        func named(_ name: String) -> CanonicalBody.Member? { members.first { $0.name == name } }
        guard let bound = number(named("max_completion_tokens")) ?? number(named("max_tokens")) else { return nil }
        let choices = min(number(named("n")) ?? 1, 128)
        return min(bound, WorkEstimate.tokensMax) * choices
    }
}
