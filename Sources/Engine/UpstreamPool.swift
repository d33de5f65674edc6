import SamovarCore

/// The upstreams of all routes, and how each wants to be asked. Whose turn it is says the `Dispatcher`.
public final class UpstreamPool: Sendable {
    /// One upstream, as configured.
    public struct Member: Sendable {
        public let limits: UpstreamLimits
        /// Ask for streams even for callers who did not (`upstream_form: stream`).
        public let alwaysStreams: Bool
        public let usageChunk: UsageChunk.Setting
        public let upstream: any Upstream

        public init(
            limits: UpstreamLimits, alwaysStreams: Bool, usageChunk: UsageChunk.Setting, upstream: any Upstream
        ) {
            self.limits = limits
            self.alwaysStreams = alwaysStreams
            self.usageChunk = usageChunk
            self.upstream = upstream
        }

        public var name: String { limits.name }
    }

    private let members: [String: Member]
    /// What all of them may be asked, in the order of the configuration.
    let limits: [UpstreamLimits]
    private let usageChunks: Lock<[String: UsageChunk]>

    public init(_ members: [Member]) {
        self.members = Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0) })
        limits = members.map(\.limits)
        let usageChunks = members.map { ($0.name, UsageChunk($0.usageChunk)) }
        self.usageChunks = Lock(Dictionary(uniqueKeysWithValues: usageChunks))
    }

    subscript(name: String) -> Member? { members[name] }

    /// What to ask this upstream for on behalf of this request.
    func attempt(_ request: Request, at member: Member, limits: AnswerLimits) -> Attempt {
        // Only chat and text completions stream.
        let canStream = request.kind == .chat || request.kind == .completions
        let form: Form = canStream && (member.alwaysStreams || request.form == .stream) ? .stream : .body
        let asks = usageChunks.withLock { $0[member.name]?.asks(callerWantsUsage: request.wantsUsage) ?? false }
        return Attempt(request: request, form: form, includeUsage: form == .stream && asks, limits: limits)
    }

    /// Whether an attempt that was refused is to be made once more, without what was refused.
    func learns(from refusal: Failure.Refusal, of attempt: Attempt, at member: Member) -> Bool {
        guard attempt.includeUsage else { return false }
        return usageChunks.withLock {
            $0[member.name]?.refused(refusal, callerWantsUsage: attempt.request.wantsUsage) ?? false
        }
    }
}
