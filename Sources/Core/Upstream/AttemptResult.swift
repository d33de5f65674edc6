/// What came of an attempt, for those who decide about the next ones: breaker, pace, concurrency limit, retry.
///
/// | came of it | health | overload | again |
/// |---|---|---|---|
/// | an answer | success, or slow | | |
/// | 400, 401, 403, 404, 413, 422 and other 4xx | neutral | | no |
/// | 408, 409, 425 | failure, neutral, neutral | | yes |
/// | 402, 429 for a used-up quota | failure of the credential | | elsewhere |
/// | 429 | neutral | rate | yes |
/// | 500, 502, 504 and other 5xx | failure | | yes |
/// | 503, 529 | failure | capacity | yes |
/// | 501, 505 | neutral | | no |
/// | unreachable, cut, malformed, an error under status 200 | failure | | yes |
/// | no first token, or silence between tokens, in time | failure | capacity | yes |
/// | too large, our own limits, nobody waits, shutting down | neutral | | no |
public struct AttemptResult: Hashable, Sendable {
    /// What it says about the upstream.
    public enum Health: Hashable, Sendable {
        case success
        /// It answered, but the first token took longer than `slow_after`.
        case slow
        case failure
        /// Nothing: the caller's mistake, or our own doing.
        case neutral
    }

    /// What it was too much of.
    public enum Overload: Hashable, Sendable {
        /// Asked too fast: 429.
        case rate
        /// Too much at once, or too much in all: 503, 529, no token in time.
        case capacity
    }

    /// Whether another attempt could end differently.
    public enum Again: Hashable, Sendable {
        case never
        /// At another upstream, with another credential.
        case elsewhere
        case anywhere
    }

    public var health: Health
    public var overload: Overload?
    public var again: Again
    /// The health is that of the credential, not of the upstream: others' credentials are none the worse.
    public var isOfCredential: Bool
    /// How long the upstream wants to be left alone.
    public var retryAfter: Duration?
    /// What it said about its limits; a refusal wherever `overload` is `rate`, and nil where it is the credential's
    /// affair: a used-up quota is no pace.
    public var rate: RateFeedback?
    /// From the beginning of the attempt to its first token; nil where none came.
    public var timeToFirstToken: Duration?
    /// Model tokens that the attempt cost, prompt and output, where the upstream said so.
    public var tokenCount: Int?

    public init(
        health: Health, overload: Overload? = nil, again: Again = .never, isOfCredential: Bool = false,
        retryAfter: Duration? = nil, rate: RateFeedback? = nil, timeToFirstToken: Duration? = nil,
        tokenCount: Int? = nil
    ) {
        self.health = health
        self.overload = overload
        self.again = again
        self.isOfCredential = isOfCredential
        self.retryAfter = retryAfter
        self.rate = rate
        self.timeToFirstToken = timeToFirstToken
        self.tokenCount = tokenCount
    }

    /// Nothing was learned: everybody has left, or it was our own doing.
    public static let abandoned = AttemptResult(health: .neutral)

    /// An answer came, whole.
    ///
    /// - Parameters:
    ///   - slowAfter: from when on a first token is late; nil: never.
    public static func answered(
        timeToFirstToken: Duration?, slowAfter: Duration? = nil, tokenCount: Int? = nil, rate: RateFeedback? = nil
    ) -> AttemptResult {
        let isSlow = if let timeToFirstToken, let slowAfter { timeToFirstToken > slowAfter } else { false }
        return AttemptResult(
            health: isSlow ? .slow : .success, rate: rate, timeToFirstToken: timeToFirstToken, tokenCount: tokenCount)
    }

    /// No whole answer came.
    public init(_ failure: Failure, timeToFirstToken: Duration? = nil, rate: RateFeedback? = nil) {
        switch failure {
        case .refused(let refusal): self.init(refusal)
        case .erred(let body): self.init(erred: body)
        case .unreachable, .cut, .malformed: self.init(health: .failure, again: .anywhere)
        case .timedOut(.total) where timeToFirstToken != nil: self.init(health: .neutral)
        case .timedOut(let wait):
            self.init(health: .failure, overload: .capacity, again: wait == .total ? .never : .anywhere)
        case .tooLarge, .limited, .lagged, .notCached, .deadline, .draining: self = .abandoned
        }
        self.timeToFirstToken = timeToFirstToken
        self.rate = isOfCredential ? nil : self.rate ?? rate
        guard overload == .rate else { return }
        var refusal = self.rate ?? RateFeedback()
        refusal.isRefusal = true
        self.rate = refusal
    }

    private init(_ refusal: Failure.Refusal) {
        switch refusal.status {
        case 402: self.init(health: .failure, again: .elsewhere, isOfCredential: true)
        case 429 where Self.says("insufficient_quota", in: refusal.body):
            self.init(health: .failure, again: .elsewhere, isOfCredential: true)
        case 429: self.init(health: .neutral, overload: .rate, again: .anywhere)
        case 408: self.init(health: .failure, again: .anywhere)
        case 409, 425: self.init(health: .neutral, again: .anywhere)
        case 501, 505: self.init(health: .neutral)
        case 503, 529: self.init(health: .failure, overload: .capacity, again: .anywhere)
        case 500...: self.init(health: .failure, again: .anywhere)
        default: self.init(health: .neutral)
        }
        retryAfter = refusal.retryAfter
        rate = refusal.rate
    }

    /// An error under status 200: what it is, by the words that providers use.
    private init(erred body: [UInt8]) {
        if Self.says("invalid_request", in: body) {
            self.init(health: .neutral)
        } else if Self.says("insufficient_quota", in: body) {
            self.init(health: .failure, again: .elsewhere, isOfCredential: true)
        } else if Self.says("rate_limit", in: body) {
            self.init(health: .neutral, overload: .rate, again: .anywhere)
        } else if Self.says("overloaded", in: body) {
            self.init(health: .failure, overload: .capacity, again: .anywhere)
        } else {
            self.init(health: .failure, again: .anywhere)
        }
    }

    /// How much of an error's words is looked at.
    private static let wordsByteMax = 4_096

    private static func says(_ word: String, in body: [UInt8]) -> Bool {
        String(decoding: body.prefix(wordsByteMax), as: UTF8.self).contains(word)
    }
}
