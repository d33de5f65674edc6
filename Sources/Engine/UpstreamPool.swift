import SamovarCore

/// The upstreams of all routes, and whose turn it is.
public final class UpstreamPool: Sendable {
    /// One upstream, as configured.
    public struct Member: Sendable {
        public let name: String
        public let weight: Int
        /// Ask for streams even for callers who did not (`upstream_form: stream`).
        public let alwaysStreams: Bool
        public let usageChunk: UsageChunk.Setting
        /// How many calls it takes at once before others wait (`connections_max`).
        public let callsMax: Int
        public let upstream: any Upstream

        public init(
            name: String, weight: Int, alwaysStreams: Bool, usageChunk: UsageChunk.Setting, callsMax: Int = 1_024,
            upstream: any Upstream
        ) {
            self.name = name
            self.weight = weight
            self.alwaysStreams = alwaysStreams
            self.usageChunk = usageChunk
            self.callsMax = callsMax
            self.upstream = upstream
        }
    }

    private struct State {
        var rotations: [[String]: Rotation] = [:]
        var usageChunks: [String: UsageChunk]
    }

    private let members: [String: Member]
    private let state: Lock<State>

    public init(_ members: [Member]) {
        self.members = Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0) })
        let usageChunks = members.map { ($0.name, UsageChunk($0.usageChunk)) }
        state = Lock(State(usageChunks: Dictionary(uniqueKeysWithValues: usageChunks)))
    }

    /// By name.
    var callsMax: [String: Int] { members.mapValues(\.callsMax) }

    /// Whose turn it is to answer for this route.
    func choose(for route: Route) -> Member? {
        let candidates = route.upstreams.compactMap { members[$0] }
        guard candidates.count > 1 else { return candidates.first }
        let turn = state.withLock { state in
            state.rotations[route.upstreams, default: Rotation(weights: candidates.map(\.weight))].next()
        }
        return candidates[turn]
    }

    /// What to ask this upstream for on behalf of this request.
    func attempt(_ request: Request, at member: Member, limits: AnswerLimits) -> Attempt {
        // Only chat and text completions stream.
        let canStream = request.kind == .chat || request.kind == .completions
        let form: Form = canStream && (member.alwaysStreams || request.form == .stream) ? .stream : .body
        let asks = state.withLock { $0.usageChunks[member.name]?.asks(callerWantsUsage: request.wantsUsage) ?? false }
        return Attempt(request: request, form: form, includeUsage: form == .stream && asks, limits: limits)
    }

    /// Whether an attempt that was refused is to be made once more, without what was refused.
    func learns(from refusal: Failure.Refusal, of attempt: Attempt, at member: Member) -> Bool {
        guard attempt.includeUsage else { return false }
        return state.withLock {
            $0.usageChunks[member.name]?.refused(refusal, callerWantsUsage: attempt.request.wantsUsage) ?? false
        }
    }
}
