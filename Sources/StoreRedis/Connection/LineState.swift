import SamovarCore

/// Where one line stands: a place for a connection that comes back when it is lost.
///
///     idle ──start──▶ connecting ──opened──▶ greeting ──greeted──▶ live
///                        ▲   │                   │                   │
///                        │   └────── failed ─────┴────── failed ─────┤
///                        └────── retry ────── waiting ◀──────────────┘        from everywhere: shut
///
/// The wait grows only while nothing works: it starts over once a connection has answered a command, not when it has
/// merely come to be, so a server that greets and then says nothing is left in peace.
struct LineState: Sendable {
    enum Phase: Hashable, Sendable {
        case idle
        case connecting
        case greeting
        case live
        case waiting
        case shut
    }

    /// Tells an attempt from the one before it, whose last words may come late.
    struct Attempt: Hashable, Sendable {
        fileprivate let number: Int
    }

    private(set) var phase = Phase.idle
    private var attempt = Attempt(number: 0)
    private var backoff: Backoff

    init(backoff: Backoff = Backoff()) {
        self.backoff = backoff
    }

    /// It is time to connect. Nil when it is not.
    mutating func connects() -> Attempt? {
        guard phase == .idle || phase == .waiting else { return nil }
        phase = .connecting
        attempt = Attempt(number: attempt.number + 1)
        return attempt
    }

    /// The transport is there. False when it came too late: close it.
    mutating func opened(_ attempt: Attempt) -> Bool {
        guard phase == .connecting, attempt == self.attempt else { return false }
        phase = .greeting
        return true
    }

    /// The server has answered the greeting well. False when the connection is gone already.
    mutating func greeted(_ attempt: Attempt) -> Bool {
        guard phase == .greeting, attempt == self.attempt else { return false }
        phase = .live
        return true
    }

    struct FailAction: Hashable, Sendable {
        /// Commands were sent here until now.
        let wasLive: Bool
        /// When to connect again.
        let retryAfter: Duration
    }

    /// The attempt failed, or its connection is lost. Nil when that is known already, or nobody cares any more.
    ///
    /// - Parameters:
    ///   - hasServed: it had answered a command.
    ///   - jitter: a random number in 0..<1.
    mutating func failed(_ attempt: Attempt, hasServed: Bool, jitter: Double) -> FailAction? {
        guard phase == .connecting || phase == .greeting || phase == .live, attempt == self.attempt else { return nil }
        defer { phase = .waiting }
        if hasServed { backoff.succeeded() }
        return FailAction(wasLive: phase == .live, retryAfter: backoff.failed(jitter: jitter))
    }

    /// No more connections. Returns whether commands were sent here until now. Idempotent.
    mutating func shut() -> Bool {
        defer { phase = .shut }
        return phase == .live
    }
}
