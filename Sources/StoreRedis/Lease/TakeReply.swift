import SamovarCore

/// What ACQUIRE and STEAL have found.
struct TakeReply: Sendable {
    enum Verdict: Hashable, Sendable {
        /// Good enough, as far as Redis can tell.
        case hit
        case leads(LeaseSight)
        case follows(LeaseSight)
        case poisoned
        /// The lease could not be written.
        case refused(ServerError)
        /// Somebody has it who writes leases in another way.
        case strange
        /// This attempt has had its time.
        case over
    }

    let verdict: Verdict
    /// What is stored, good or not.
    let answer: [UInt8]?
    /// How long Redis will keep that. Nil: it knows of no end.
    let remaining: Duration?

    /// Nil where this is no reply to what was asked: the attempt comes back with it.
    init?(_ reply: RESPValue, to attempt: AttemptID, canHit: Bool) {
        guard case .array(let parts) = reply, parts.count == 5,
            case .integer(let code) = parts[0], parts[1] == .bulk(Array(attempt.hexadecimal.utf8)),
            case .integer(let milliseconds) = parts[3]
        else { return nil }
        switch parts[2] {
        case .bulk(let bytes): answer = bytes
        case .null: answer = nil
        default: return nil
        }
        remaining = milliseconds < 0 ? nil : .milliseconds(milliseconds)
        switch (code, parts[4]) {
        case (1, .null) where canHit && answer != nil: verdict = .hit
        case (2, .bulk(let bytes)):
            guard let sight = LeaseText.parse(bytes), sight.attempt == attempt else { return nil }
            verdict = .leads(sight)
        case (3, .bulk(let bytes)): verdict = LeaseText.parse(bytes).map(Verdict.follows) ?? .strange
        case (4, .null): verdict = .poisoned
        case (6, .null): verdict = .over
        case (5, .bulk(let bytes)): verdict = .refused(ServerError(line: bytes))
        default: return nil
        }
    }
}
