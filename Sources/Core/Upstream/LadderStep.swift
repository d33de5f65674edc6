/// On which step of the ladder a caller was served, where that was not simply the answer. The raw values are the label
/// of the metric and of `X-Samovar-Step`.
public enum LadderStep: String, CaseIterable, Hashable, Sendable {
    /// A fresh answer, which is made anew meanwhile.
    case earlyRefresh = "early_refresh"
    /// An expired answer, which is made anew meanwhile.
    case staleWhileRevalidate = "stale_while_revalidate"
    /// An expired answer, because the upstream is busy or down, or has not answered in time.
    case staleIfBusy = "stale_if_busy"
    /// Another model's answer, or another upstream's.
    case fallback
    /// The route's own words.
    case fixedAnswer = "fixed_answer"
    /// Nothing was left.
    case refused
}

/// What a route has on its ladder beside answers of its upstreams.
public struct LadderSteps: Hashable, Sendable {
    /// `early_refresh`: XFetch's factor; 0: never early.
    public var earlyRefresh: Double
    /// `stale_while_revalidate`: for how long after it has expired an answer is served while a new one is made.
    public var staleWhileRevalidate: Duration
    /// `answer_within`: when a caller takes the next step though the upstream may still answer; nil: it waits.
    public var answerWithin: Duration?
    /// In the order in which they are tried.
    public var fallbacks: [Fallback]
    /// Nil: none.
    public var fixedAnswer: String?

    public init(
        earlyRefresh: Double = 1, staleWhileRevalidate: Duration = .zero, answerWithin: Duration? = nil,
        fallbacks: [Fallback] = [], fixedAnswer: String? = nil
    ) {
        self.earlyRefresh = earlyRefresh
        self.staleWhileRevalidate = staleWhileRevalidate
        self.answerWithin = answerWithin
        self.fallbacks = fallbacks
        self.fixedAnswer = fixedAnswer
    }
}

/// Whom to ask in place of a route's upstreams.
public struct Fallback: Hashable, Sendable {
    public var upstream: String
    /// Nil: the one that the caller asked for.
    public var model: String?
    /// Whether it is one of the route's own upstreams.
    public var isOwnUpstream: Bool
    /// Whether the caller's own Authorization may go there: only to the host to which it would go anyway, and which has
    /// no key of its own.
    public var takesAuthorization: Bool

    public init(upstream: String, model: String? = nil, isOwnUpstream: Bool = false, takesAuthorization: Bool = false) {
        self.upstream = upstream
        self.model = model
        self.isOwnUpstream = isOwnUpstream
        self.takesAuthorization = takesAuthorization
    }
}
