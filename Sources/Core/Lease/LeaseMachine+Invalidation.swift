/// A flight whose key was invalidated while it was under way.
extension LeaseMachine {
    /// The key was invalidated: what this flight brings is for those who joined before, and not to be stored.
    ///
    /// Whoever asks from now on would follow what it may not use, and so have a call of its own, each for itself: the
    /// lease is given back, so that one of them leads. Idempotent.
    public mutating func invalidated(at now: Instant) -> [Action] {
        guard !isInvalidated else { return [] }
        isInvalidated = true
        guard standing == .leads, !bugs.contains(.keepsInvalidated) else { return [] }
        switch phase {
        case .ready:
            standing = .alone(.invalidated)
            return [.withdraw(attempt), .abort(.failed(.cut, isRetryable: true))]
        case .calling, .ending:
            guard isAlive(at: now), !hasToldEnd else { return [] }
            heart?.released()
            return [.release]
        // What is being asked is answered first.
        case .idle, .acquiring, .refreshing, .following, .burying, .setting, .over: return []
        }
    }

    /// The lease is had, but not used. Those who follow it already are to ask anew.
    mutating func leadNobody() -> [Action] {
        [.abort(.failed(.cut, isRetryable: true))] + goAlone(.invalidated)
    }
}
