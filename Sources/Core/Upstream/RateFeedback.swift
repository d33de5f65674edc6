/// What a provider said about how fast it may be asked, with one reply: rate-limit headers, understood.
///
/// Only what is usable: nothing negative, no limit of zero, no length beyond an hour.
public struct RateFeedback: Hashable, Sendable {
    /// One of the provider's budgets, as it stood when it answered.
    public struct Budget: Hashable, Sendable {
        /// Units in a full budget. Positive.
        public var limit: Double?
        /// Units left.
        public var remaining: Double?
        /// Until the budget is full again.
        public var reset: Duration?

        public init(limit: Double? = nil, remaining: Double? = nil, reset: Duration? = nil) {
            self.limit = limit
            self.remaining = remaining
            self.reset = reset
        }

        public var isEmpty: Bool { self == Budget() }
    }

    /// Whether it refused because it was asked too fast (429).
    public var isRefusal: Bool
    /// How long it wants to be left alone.
    public var retryAfter: Duration?
    public var requests: Budget
    public var tokens: Budget

    public init(
        isRefusal: Bool = false, retryAfter: Duration? = nil, requests: Budget = Budget(), tokens: Budget = Budget()
    ) {
        self.isRefusal = isRefusal
        self.retryAfter = retryAfter
        self.requests = requests
        self.tokens = tokens
    }

    /// Nothing was said.
    public var isEmpty: Bool { !isRefusal && retryAfter == nil && requests.isEmpty && tokens.isEmpty }
}
