import SamovarCore

/// Whether a caller sends fast enough to be waited for.
///
///     idle ──first byte──▶ head ──head complete──▶ body ──request complete──▶ answering ──answered──▶ idle
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
        /// Bytes of a next request may come already.
        case answering(hasMore: Bool)
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
    /// How much of the body that is coming in has come out of its framing.
    private var deliveredByteCount = 0

    public init(limits: Limits, at now: Instant) {
        self.limits = limits
        phase = .idle(since: now)
    }

    /// Bytes arrived. O(1).
    public mutating func received(_ byteCount: Int, at now: Instant) {
        switch phase {
        case .idle: phase = .head(since: now)
        case .body(let since, let count): phase = .body(since: since, byteCount: count + byteCount)
        case .answering: phase = .answering(hasMore: true)
        case .head: break
        }
    }

    /// A piece of the body came out of its framing.
    public mutating func delivered(_ byteCount: Int) { deliveredByteCount += byteCount }

    /// Whether what comes is nearly all framing: chunk extensions that go on and on.
    public var isPadded: Bool {
        guard case .body(_, let byteCount) = phase else { return false }
        return byteCount - deliveredByteCount > Self.paddingMax + 8 * deliveredByteCount
    }

    private static let paddingMax = 64 << 10

    public mutating func headCompleted(at now: Instant) {
        phase = .body(since: now, byteCount: 0)
        deliveredByteCount = 0
    }

    public mutating func requestCompleted() { phase = .answering(hasMore: false) }

    public mutating func answered(at now: Instant) {
        if case .answering(hasMore: true) = phase { phase = .head(since: now) } else { phase = .idle(since: now) }
    }

    /// What to do now. O(1).
    public func verdict(at now: Instant) -> Verdict {
        switch phase {
        case .idle(let since):
            let until = since.advanced(by: limits.idleTimeout)
            guard now < until else { return .closeIdle }
            // A head may begin meanwhile, and its time is shorter: whoever sleeps through would miss it.
            return .wait(until: min(until, now.advanced(by: limits.headerTimeout)))
        case .head(let since):
            let until = since.advanced(by: limits.headerTimeout)
            return now < until ? .wait(until: until) : .tooSlow
        case .body(let since, let byteCount):
            // What has come so far pays for its share of time beyond the grace.
            let paid = Duration.seconds(byteCount) / max(1, limits.bodyRateMin)
            let until = since.advanced(by: limits.headerTimeout + paid)
            return now < until ? .wait(until: until) : .tooSlow
        case .answering:
            return .wait(until: now.advanced(by: limits.headerTimeout))
        }
    }
}
