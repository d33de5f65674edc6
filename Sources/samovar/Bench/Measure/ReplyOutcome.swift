/// How a request ended, for whoever counts.
enum ReplyOutcome: Hashable, Sendable {
    /// Whole, and of the form that was asked for.
    case verified(ReplyResult)
    /// - Parameter detail: what the server said, where it said something: `429`, `503 draining`.
    case failed(RequestFailure, detail: String? = nil)
}

/// Where an answer came from: the words of `X-Cache`.
enum ReplyResult: String, CaseIterable, Sendable {
    case hit, coalesced, miss, stale, fallback, bypass
    /// The server did not say: no `X-Cache`.
    case unknown
}

/// What went wrong with a request.
enum RequestFailure: String, CaseIterable, Sendable {
    /// No end of a reply within `--timeout` of being sent.
    case timeout
    /// No connection could be made for it.
    case refused
    /// The connection ended before the reply did.
    case closed
    /// A whole reply that is no answer: a status, or an error of the protocol.
    case status
    /// A reply that breaks the rules, is not of the form that was asked for, or has no end.
    case malformed
    /// Never sent: more were due than may wait, or the run was over before a connection was free.
    case dropped
}
