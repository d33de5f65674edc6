import SamovarCore

/// Whether a caller sends fast enough to be waited for.
///
///     idle ──a part of a head──▶ head ──a part of a body──▶ body ──whole──▶ answering ──answered──▶ idle
///
/// Someone who sends a byte a second would otherwise hold a connection for ever, and a thousand of them all of them.
public struct ReadPace: Sendable {
    public struct Limits: Hashable, Sendable {
        public var headerTimeout: Duration
        /// Bytes per second of a body, once `headerTimeout` has passed since its head.
        public var bodyRateMin: Int
        public var idleTimeout: Duration

        public init(
            headerTimeout: Duration = .seconds(5), bodyRateMin: Int = 1_024, idleTimeout: Duration = .seconds(60)
        ) {
            self.headerTimeout = headerTimeout
            self.bodyRateMin = bodyRateMin
            self.idleTimeout = idleTimeout
        }
    }

    private enum Phase {
        case idle(since: Instant)
        case head(since: Instant)
        case body(since: Instant, byteCount: Int)
        case answering
    }

    public enum Verdict: Hashable, Sendable {
        /// Look again then.
        case wait(until: Instant)
        /// Nothing was asked for too long: close without a word.
        case closeIdle
        /// A request is too slow in coming: 408 and close.
        case tooSlow
    }

    private let limits: Limits
    private var phase: Phase

    public init(limits: Limits, at now: Instant) {
        self.limits = limits
        phase = .idle(since: now)
    }

    /// A part of a head is there. Its time runs from the first such part.
    public mutating func headBegan(at now: Instant) {
        if case .idle = phase { phase = .head(since: now) }
    }

    /// A head is whole, and a part of its body may be there. Its time runs from the first call.
    public mutating func bodyBegan(at now: Instant) {
        switch phase {
        case .idle, .head: phase = .body(since: now, byteCount: 0)
        case .body, .answering: break
        }
    }

    /// Bytes of a body arrived, framing included.
    public mutating func received(_ byteCount: Int) {
        if case .body(let since, let count) = phase { phase = .body(since: since, byteCount: count + byteCount) }
    }

    public mutating func requestCompleted() { phase = .answering }

    public mutating func answered(at now: Instant) { phase = .idle(since: now) }

    /// What to do now. O(1).
    public func verdict(at now: Instant) -> Verdict {
        switch phase {
        case .idle(let since):
            let until = since.advanced(by: limits.idleTimeout)
            return now < until ? .wait(until: until) : .closeIdle
        case .head(let since):
            let until = since.advanced(by: limits.headerTimeout)
            return now < until ? .wait(until: until) : .tooSlow
        case .body(let since, let byteCount):
            // What has come so far pays for its share of time beyond the grace.
            let paid = Duration.seconds(byteCount) / max(1, limits.bodyRateMin)
            let until = since.advanced(by: limits.headerTimeout + paid)
            return now < until ? .wait(until: until) : .tooSlow
        case .answering:
            return .wait(until: .never)
        }
    }
}
