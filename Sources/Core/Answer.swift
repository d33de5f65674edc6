/// A whole answer, with what is known about it: what the caches keep.
///
/// Immutable and shared: a hit hands out a reference.
public final class Answer: Sendable {
    public let recording: Recording
    /// The model that produced it, as the upstream names it.
    public let model: String
    /// When it was whole, by the clock of the pod that recorded it.
    public let createdAt: WallTime
    /// How long it took to make.
    public let generationTime: Duration
    public let usage: Usage?
    public let ttl: Duration
    public let staleTTL: Duration
    /// What it was made under; invalidating one of its scopes makes it unusable.
    public let generations: Generations
    /// Which value of the shared cache it was read from; nil: made here.
    public let identity: ValueIdentity?

    public init(
        recording: Recording,
        model: String,
        createdAt: WallTime,
        generationTime: Duration,
        usage: Usage?,
        ttl: Duration,
        staleTTL: Duration,
        generations: Generations = Generations(),
        identity: ValueIdentity? = nil
    ) {
        self.recording = recording
        self.model = model
        self.createdAt = createdAt
        self.generationTime = generationTime
        self.usage = usage
        self.ttl = ttl
        self.staleTTL = staleTTL
        self.generations = generations
        self.identity = identity
    }

    /// How long it lives from `createdAt`: fresh, then stale.
    public var life: Duration { ttl + staleTTL }
}

/// An answer and where it stands on its way from fresh to dead, on this process's own clock.
public struct StoredAnswer: Sendable {
    public let answer: Answer
    public let freshness: Freshness

    /// An answer that has just become whole.
    public init(_ answer: Answer, bornAt: Instant) {
        self.answer = answer
        freshness = Freshness(bornAt: bornAt, ttl: answer.ttl, staleTTL: answer.staleTTL)
    }

    /// An answer from elsewhere that has `remaining` of its life left.
    public init(_ answer: Answer, remaining: Duration, at now: Instant) {
        self.init(answer, bornAt: now.advanced(by: .zero - (answer.life - min(remaining, answer.life))))
    }

    private init(_ answer: Answer, _ freshness: Freshness) {
        self.answer = answer
        self.freshness = freshness
    }

    /// The same, to be made anew early with this factor (`EarlyRefresh`).
    public func refreshed(early factor: Double) -> StoredAnswer {
        let window = EarlyRefresh.window(of: answer.generationTime, ttl: answer.ttl, factor: factor)
        return StoredAnswer(answer, freshness.quiet(until: window))
    }
}
