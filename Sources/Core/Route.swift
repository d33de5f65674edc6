/// How requests of one kind are treated. The first route that matches, in file order, holds.
public struct Route: Hashable, Sendable {
    /// Part of the key: entries of two routes never meet.
    public var name: String
    /// The kinds it is for; nil is all.
    public var kinds: Set<APIKind>?
    public var model: ModelPattern
    /// The names of the upstreams that may answer.
    public var upstreams: [String]
    public var credential: Credential
    public var ttl: Duration
    public var staleTTL: Duration
    public var sampling: Sampling
    public var storesLength: Bool
    public var storesContentFilter: Bool
    public var finishWhenLeft: Bool
    /// Top-level members of the body that do not make two requests different here.
    public var ignored: Set<String>
    public var timeouts: AnswerDeadlines.Timeouts
    /// How urgent its requests are, unless they say themselves that they are less so.
    public var requestClass: RequestClass
    /// How long a caller waits for its flight's turn.
    public var queueTimeout: Duration
    public var ladder: LadderSteps
    /// Between whom its callers are divided; nil: they are not.
    public var split: Split?
    /// The model that is asked in place of the one that the caller named; nil: that one.
    public var modelInstead: String?
    /// How embeddings are asked for together; nil: each is a call of its own.
    public var batch: EmbeddingBatch.Limits?

    public init(
        name: String = "default",
        kinds: Set<APIKind>? = nil,
        model: ModelPattern = ModelPattern("*"),
        upstreams: [String] = [],
        credential: Credential = .callers,
        ttl: Duration = .seconds(3_600),
        staleTTL: Duration = .seconds(86_400),
        sampling: Sampling = .share,
        storesLength: Bool = false,
        storesContentFilter: Bool = false,
        finishWhenLeft: Bool = false,
        ignored: Set<String> = [],
        timeouts: AnswerDeadlines.Timeouts = AnswerDeadlines.Timeouts(),
        requestClass: RequestClass = .interactive,
        queueTimeout: Duration = .seconds(10),
        ladder: LadderSteps = LadderSteps(),
        split: Split? = nil,
        modelInstead: String? = nil,
        batch: EmbeddingBatch.Limits? = nil
    ) {
        self.name = name
        self.kinds = kinds
        self.model = model
        self.upstreams = upstreams
        self.credential = credential
        self.ttl = ttl
        self.staleTTL = staleTTL
        self.sampling = sampling
        self.storesLength = storesLength
        self.storesContentFilter = storesContentFilter
        self.finishWhenLeft = finishWhenLeft
        self.ignored = ignored
        self.timeouts = timeouts
        self.requestClass = requestClass
        self.queueTimeout = queueTimeout
        self.ladder = ladder
        self.split = split
        self.modelInstead = modelInstead
        self.batch = batch
    }

    /// Whose credential the route's upstreams are asked with; this decides the tenant.
    public enum Credential: Hashable, Sendable {
        /// A key is configured: the caller's Authorization is verified by nobody, so it is not forwarded.
        case configured
        /// The caller's own Authorization goes upstream.
        case callers
    }

    /// What happens to requests whose answer is drawn anew each time: any temperature but 0, tools, or several
    /// choices.
    public enum Sampling: String, CaseIterable, Hashable, Sendable {
        /// Cached and coalesced like all others.
        case share
        /// Coalesced, not stored.
        case coalesce
        /// Neither.
        case bypass
    }

    func matches(_ kind: APIKind, _ model: Span<UInt8>) -> Bool {
        (kinds?.contains(kind) ?? true) && self.model.matches(model)
    }
}
