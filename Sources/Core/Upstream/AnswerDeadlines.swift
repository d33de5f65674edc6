/// How long a flight waits for its upstream: for the first token, between tokens, and in all.
///
/// Tokens count, not bytes: an upstream that is busy holds the connection open with keep-alives for minutes.
public struct AnswerDeadlines: Hashable, Sendable {
    /// The lengths, as a route configures them.
    public struct Timeouts: Hashable, Sendable {
        public var firstToken: Duration
        public var betweenTokens: Duration
        public var total: Duration

        public init(
            firstToken: Duration = .seconds(60), betweenTokens: Duration = .seconds(30), total: Duration = .seconds(600)
        ) {
            self.firstToken = firstToken
            self.betweenTokens = betweenTokens
            self.total = total
        }
    }

    private let timeouts: Timeouts
    private let startedAt: Instant
    private var lastTokenAt: Instant?

    public init(_ timeouts: Timeouts, startedAt: Instant) {
        self.timeouts = timeouts
        self.startedAt = startedAt
    }

    public mutating func sawToken(at now: Instant) { lastTokenAt = now }

    /// The earliest deadline as things stand; it moves with every token.
    public var next: Instant {
        let token = lastTokenAt.map { $0.advanced(by: timeouts.betweenTokens) }
        return min(token ?? startedAt.advanced(by: timeouts.firstToken), startedAt.advanced(by: timeouts.total))
    }

    /// When to look again: at the deadline, or before one that a token may bring.
    ///
    /// The first token moves the deadline nearer where `betweenTokens` is the shorter wait; whoever sleeps until the
    /// far one would sleep through the near one.
    public func lookAgain(after now: Instant) -> Instant {
        min(next, now.advanced(by: timeouts.betweenTokens))
    }

    /// What was waited for in vain, if anything. O(1).
    public func passed(at now: Instant) -> Failure.Wait? {
        guard now >= next else { return nil }
        if now >= startedAt.advanced(by: timeouts.total) { return .total }
        return lastTokenAt == nil ? .firstToken : .betweenTokens
    }
}
