/// What may go by a provider's own word: so much is left, and the budget is full again after that time.
///
/// Providers mean one of two things by it: a budget that refills all the time (OpenAI), or a window that ends. The first
/// is believed, so nobody waits a minute for what comes back every second; a refusal in spite of it proves the second,
/// and then nothing goes until the reset. No word holds longer than a minute. All operations are O(1).
public struct AnnouncedLimit: Hashable, Sendable {
    /// Words that reach further are cut to this.
    public static let resetMax = Duration.seconds(60)

    private struct Word: Hashable {
        var left: Double
        var leftMax: Double
        /// Units a second that come back.
        var refill: Double
        var heardAt: Instant
        var until: Instant

        func left(at now: Instant) -> Double {
            min(leftMax, left + max(.zero, heardAt.duration(to: now)).seconds * refill)
        }
    }

    private var word: Word?

    public init() {}

    /// A reply said this.
    ///
    /// - Parameters:
    ///   - spentSince: units that went after the request which was answered: the provider had not counted them yet.
    ///   - retryAfter: with a refusal, what it said about when to come again.
    public mutating func heard(
        _ budget: RateFeedback.Budget, spentSince: Double, isRefusal: Bool, retryAfter: Duration?, at now: Instant
    ) {
        guard let remaining = budget.remaining, let reset = budget.reset, remaining >= 0, reset > .zero else {
            if isRefusal { stopRefill(at: now) }
            return
        }
        let until = now.advanced(by: min(isRefusal ? min(retryAfter ?? reset, reset) : reset, Self.resetMax))
        let limit = max(budget.limit ?? remaining, remaining, 1)
        let isWindow = isRefusal || (word.map { $0.refill == 0 && now < $0.until } ?? false)
        word = Word(
            left: isRefusal && spentSince >= 0 ? min(remaining, 0) : max(remaining - spentSince, -limit),
            leftMax: limit, refill: isWindow ? 0 : (limit - remaining) / reset.seconds, heardAt: now, until: until)
    }

    /// Whether that much may go now.
    public func canSpend(_ cost: Double, at now: Instant) -> TokenBucket.Verdict {
        guard let word, now < word.until else { return .granted }
        let missing = min(cost, word.leftMax) - word.left(at: now)
        guard missing > 1e-9 else { return .granted }
        let wait = now.duration(to: word.until)
        guard word.refill > 0 else { return .denied(retryAfter: wait) }
        let seconds = min(missing / word.refill, wait.seconds)
        return .denied(retryAfter: .nanoseconds(max(1, Int64((seconds * 1e9).rounded(.up)))))
    }

    /// It goes.
    public mutating func spent(_ cost: Double, at now: Instant) { word?.left -= cost }

    private mutating func stopRefill(at now: Instant) {
        guard let known = word, now < known.until else { return }
        word?.left = min(0, known.left(at: now))
        word?.refill = 0
    }
}
