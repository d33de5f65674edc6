/// Why a request was not answered. Closed: every front maps every case to its own status.
public enum Failure: Error, Hashable, Sendable {
    /// The upstream refused, with a status of its own. Passed on as it is.
    case refused(Refusal)
    /// The upstream reported an error under status 200. `body` is its JSON text.
    case erred(body: [UInt8])
    /// No connection came about: refused, unresolvable, TLS that does not verify, or `connect_timeout` passed.
    case unreachable(reason: String)
    /// The upstream was silent for too long.
    case timedOut(Wait)
    /// The connection broke, or the stream ended without its end.
    case cut
    /// Status 200 and something that is no answer.
    case malformed(reason: String)
    /// The answer outgrew the limit of that name.
    case tooLarge(limit: String)
    /// The limit of that name is reached. Retry after the given time.
    case limited(limit: String, retryAfter: Duration)
    /// This follower read too slowly: others were not held up for it.
    case lagged
    /// `only-if-cached`, and nothing usable is stored.
    case notCached
    /// The caller's own deadline passed.
    case deadline
    /// The process is shutting down.
    case draining

    /// An upstream's own refusal.
    public struct Refusal: Hashable, Sendable {
        public let status: Int
        public let contentType: String?
        public let body: [UInt8]
        public let retryAfter: Duration?
        /// What the upstream said about its limits. For our own pace; never passed on.
        public let rate: RateFeedback?

        public init(
            status: Int, contentType: String?, body: [UInt8], retryAfter: Duration?, rate: RateFeedback? = nil
        ) {
            self.status = status
            self.contentType = contentType
            self.body = body
            self.retryAfter = retryAfter
            self.rate = rate
        }

        /// The account has no money left: no sign of being busy, though providers say it with a 429.
        var isQuota: Bool {
            guard status == 429 else { return false }
            return String(decoding: body.prefix(4_096), as: UTF8.self).contains("insufficient_quota")
        }
    }

    /// What was waited for in vain. The raw values are the config keys under `deadline`.
    public enum Wait: String, Hashable, Sendable {
        case firstToken = "first_token"
        case betweenTokens = "between_tokens"
        case total
    }

    /// Whether something else than the upstream's answer may be served: it is busy or down, or is not to be asked now
    /// (RFC 5861, 4).
    ///
    /// Never for a caller's mistake or missing right, an account without money among them; and not where one caller, or
    /// the process, has had its share.
    public var permitsStale: Bool {
        switch self {
        case .refused(let refusal): isUpstreamTrouble && !refusal.isQuota
        case .limited(let limit, _): Self.limitsBeforeUpstream.contains(limit)
        default: isUpstreamTrouble
        }
    }

    /// The limits that stand before an upstream because it cannot take more: reaching one says what its own 503 would.
    private static let limitsBeforeUpstream: Set<String> = ["queue_max", "queue_timeout", "breaker"]

    /// Whether the upstream is busy or down.
    ///
    /// A caller's mistake or missing right (other 4xx) is an answer, and is never papered over.
    public var isUpstreamTrouble: Bool {
        switch self {
        case .refused(let refusal): refusal.status >= 500 || refusal.status == 429
        case .erred, .unreachable, .timedOut, .cut, .malformed: true
        case .tooLarge, .limited, .lagged, .notCached, .deadline, .draining: false
        }
    }
}

/// Why an answer was not kept. The raw values are the metric's label.
public enum NotStoredReason: String, CaseIterable, Sendable {
    case status
    case error
    case cut
    case malformed
    case length
    case contentFilter = "content_filter"
    case tooLarge = "too_large"
    case timeout
    case noStore = "no_store"
    case sampling
    case abandoned
    /// By hand, while it was made.
    case invalidated

    public init(_ failure: Failure) {
        switch failure {
        case .refused: self = .status
        case .erred: self = .error
        case .unreachable, .cut: self = .cut
        case .timedOut: self = .timeout
        case .malformed: self = .malformed
        case .tooLarge: self = .tooLarge
        case .limited, .lagged, .notCached, .deadline, .draining: self = .abandoned
        }
    }

    /// Whether the same prompt will meet the same fate: then it is not worth looking it up for a while.
    public var isLasting: Bool {
        switch self {
        case .length, .contentFilter, .tooLarge: true
        default: false
        }
    }
}
