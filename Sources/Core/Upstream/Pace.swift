/// When the next request may go to one upstream: its configured budgets, what it says itself, and what was learned
/// from its refusals. The slowest of them decides.
///
/// A configured rate is a ceiling. Without one nothing is limited until the first 429. A 429 empties the configured
/// budget: the provider's is empty, whatever was believed. All operations are O(1).
public struct Pace: Sendable {
    public struct Settings: Hashable, Sendable {
        /// `requests_per_second`; nil: only what is learned.
        public var requestsPerSecond: Double?
        /// `burst`: requests at once; nil: what goes in a second.
        public var burst: Double?
        /// `tokens_per_minute`, of which all may go at once.
        public var tokensPerMinute: Double?

        public init(requestsPerSecond: Double? = nil, burst: Double? = nil, tokensPerMinute: Double? = nil) {
            self.requestsPerSecond = requestsPerSecond
            self.burst = burst
            self.tokensPerMinute = tokensPerMinute
        }
    }

    /// One request that went, to be named when its reply or its end is reported.
    public struct Sending: Hashable, Sendable {
        /// The estimate that was taken from the token budgets.
        public let tokens: Double
        fileprivate let sent: LearnedRate.Sent
        fileprivate let tokensSent: Double

        public var at: Instant { sent.at }
    }

    /// `Retry-After` beyond this is taken for this.
    public static let pauseMax = Duration.seconds(60)
    /// Kept back of a large configured burst: replies' and requests' ways differ in length, and what is spent to the
    /// last would be refused now and then.
    public static let burstShare = 0.98

    public private(set) var settings: Settings
    private var requests: TokenBucket?
    private var tokens: TokenBucket?
    private var learned: LearnedRate
    private var announcedRequests = AnnouncedLimit()
    private var announcedTokens = AnnouncedLimit()
    private var pausedUntil = Instant.zero
    private var sentCount = 0
    private var tokensSent = 0.0

    public init(_ settings: Settings = Settings(), learning: LearnedRate.Settings = .init(), at now: Instant) {
        self.settings = settings
        learned = LearnedRate(learning)
        configure(settings, at: now)
    }

    /// Other budgets from now on; what was spent and learned stays.
    public mutating func configure(_ settings: Settings, at now: Instant) {
        self.settings = settings
        let burst = settings.requestsPerSecond.map { Self.usable(settings.burst ?? $0) }
        Self.configure(&requests, rate: settings.requestsPerSecond, burst: burst, at: now)
        Self.configure(
            &tokens, rate: settings.tokensPerMinute.map { $0 / 60 }, burst: settings.tokensPerMinute, at: now)
    }

    /// Other budgets from now on, as others have more or less of the whole: what there is now does not become more.
    ///
    /// - Parameter isSpent: nothing is there now.
    public mutating func resize(_ settings: Settings, isSpent: Bool = false, at now: Instant) {
        let (oldRequests, oldTokens) = (requests, tokens)
        configure(settings, at: now)
        Self.resize(&requests, from: oldRequests, at: now)
        Self.resize(&tokens, from: oldTokens, at: now)
        guard isSpent else { return }
        requests?.fill(at: now)
        tokens?.fill(at: now)
    }

    /// Requests a second that the upstream lets in, as this process has found out; nil: it was never refused.
    public func learnedRate(at now: Instant) -> Double? { learned.rate(at: now) }

    /// Whether one request may go now. Takes nothing: several upstreams may be asked, and one is taken.
    ///
    /// - Parameter tokens: the estimate of what it takes, prompt and output.
    public func canSend(tokens cost: Double, at now: Instant) -> TokenBucket.Verdict {
        var wait = max(.zero, now.duration(to: pausedUntil))
        func ask(_ verdict: TokenBucket.Verdict?) {
            if case .denied(let retryAfter)? = verdict { wait = max(wait, retryAfter) }
        }
        ask(requests?.canTake(at: now))
        ask(tokens?.canTake(cost, at: now))
        ask(learned.canSend(at: now))
        ask(announcedRequests.canSpend(1, at: now))
        ask(announcedTokens.canSpend(cost, at: now))
        return wait > .zero ? .denied(retryAfter: wait) : .granted
    }

    /// One request goes, whether it may or not (a breaker's probe, say).
    public mutating func took(tokens cost: Double, at now: Instant) -> Sending {
        requests?.charge(1, at: now)
        tokens?.charge(cost, at: now)
        announcedRequests.spent(1, at: now)
        announcedTokens.spent(cost, at: now)
        let sent = learned.sent(at: now)
        sentCount = sent.number + 1
        tokensSent += cost
        return Sending(tokens: cost, sent: sent, tokensSent: tokensSent)
    }

    /// The upstream has begun to answer, or has refused; its headers said this.
    ///
    /// - Parameter wasLetIn: whether that is an answer. A 503 is none, nor is it a refusal for the pace; only its
    ///   headers count.
    public mutating func report(
        _ feedback: RateFeedback, for sending: Sending, wasLetIn: Bool = true, at now: Instant
    ) {
        if feedback.isRefusal {
            if learned.refused(sending.sent, at: now) { requests?.fill(at: now) }
        } else if wasLetIn {
            learned.accepted(sending.sent, at: now)
        }
        if let wait = feedback.retryAfter, wait > .zero {
            pausedUntil = max(pausedUntil, now.advanced(by: min(wait, Self.pauseMax)))
        }
        announcedRequests.heard(
            feedback.requests, spentSince: Double(sentCount - sending.sent.number - 1), isRefusal: feedback.isRefusal,
            retryAfter: feedback.retryAfter, at: now)
        announcedTokens.heard(
            feedback.tokens, spentSince: tokensSent - sending.tokensSent,
            isRefusal: feedback.isRefusal && !feedback.tokens.isEmpty, retryAfter: feedback.retryAfter, at: now)
    }

    /// It has ended and took that many tokens.
    public mutating func settle(_ sending: Sending, tokens actual: Double, at now: Instant) {
        tokens?.settle(estimate: sending.tokens, actual: actual, at: now)
    }

    /// Requests a second that may go for long; nil: not limited.
    public func requestsPerSecond(at now: Instant) -> Double? {
        switch (requests?.rate, learned.rate(at: now)) {
        case (let one?, let other?): min(one, other)
        case (let one, let other): one ?? other
        }
    }

    /// Until when the upstream wants to be left alone, if it does.
    public func pausedUntil(at now: Instant) -> Instant? { now < pausedUntil ? pausedUntil : nil }

    private static func resize(_ bucket: inout TokenBucket?, from old: TokenBucket?, at now: Instant) {
        guard let new = bucket, var resized = old else { return }
        resized.resize(rate: new.rate, burst: new.burst, at: now)
        bucket = resized
    }

    private static func usable(_ burst: Double) -> Double { burst >= 10 ? (burst * burstShare).rounded(.down) : burst }

    private static func configure(_ bucket: inout TokenBucket?, rate: Double?, burst: Double?, at now: Instant) {
        guard let rate, let burst else {
            bucket = nil
            return
        }
        if bucket == nil { bucket = TokenBucket(rate: rate, burst: burst, at: now) }
        bucket?.configure(rate: rate, burst: burst, at: now)
    }
}
