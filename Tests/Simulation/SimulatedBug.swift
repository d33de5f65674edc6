import SamovarCore

/// What is broken on purpose, so that the simulation shows that it would notice.
///
/// The raw values are what `tools/simulate --bug` takes.
public enum SimulatedBug: String, CaseIterable, Sendable {
    /// Two tenants with the same prompt have the same key.
    case tenantLeftOut = "tenant-left-out"
    /// A connection is used on after a command that timed out, and what is read is not bound to its key.
    case reusedUnbound = "reused-unbound"
    /// The same, and what is read is bound to its key.
    case reusedBound = "reused-bound"
    /// One stream a key, not one an attempt.
    case sharedStream = "shared-stream"
    /// Gaps and short ends go unnoticed.
    case noIndexCheck = "no-index-check"
    /// The answer is stored, whoever has the lease.
    case uncheckedCommit = "unchecked-commit"
    /// A flight goes on with the next attempt after something of the first was delivered.
    case splices = "splices"
    /// The lease is renewed and given back, whoever has it.
    case uncheckedRenew = "unchecked-renew"
    /// The upstream is called on the strength of a lease that was asked for long ago.
    case callsLate = "calls-late"
    /// A leading pod is dead when Redis has let its lease expire, and not before.
    case trustsExpiry = "trusts-expiry"
    /// A lease is renewed however long the upstream has been silent.
    case beatsWithoutProgress = "beats-without-progress"
    /// What was made under an older generation is served.
    case noGenerations = "no-generations"
    /// A purge leaves no trace: whoever has no lease, or gets it late, may store what it began before.
    case tracelessPurge = "traceless-purge"

    /// An attempt that has published takes the lease, because a question of long ago has arrived only now.
    case takesTwice = "takes-twice"
    /// Nobody counts how many pods a request has outlived.
    case uncountedTakeovers = "uncounted-takeovers"
    /// Whoever leads keeps the lease of what was invalidated.
    case keepsInvalidated = "keeps-invalidated"
    /// The upstream's answer is read to its end though nobody wants it.
    case readsForNobody = "reads-for-nobody"
    /// The upstream is given up with the last local caller, whoever follows on other pods.
    case forgetsFollowers = "forgets-followers"

    var machine: LeaseMachine.SeededBugs {
        switch self {
        case .noIndexCheck: .noIndexCheck
        case .splices: .splices
        case .callsLate: .callsLate
        case .trustsExpiry: .trustsExpiry
        case .beatsWithoutProgress: .beatsWithoutProgress
        case .keepsInvalidated: .keepsInvalidated
        case .readsForNobody: .readsForNobody
        case .forgetsFollowers: .forgetsFollowers
        default: []
        }
    }
}

/// A promise that was broken.
public struct Violation: Hashable, Sendable, CustomStringConvertible {
    public enum Promise: String, CaseIterable, Sendable {
        /// Every byte that a caller gets was made for its own tenant and request.
        case isolation
        /// A caller gets chunks 0, 1, 2, … of one attempt, and `complete` only with all of them.
        case integrity
        /// Two attempts for a key overlap only if one lost its lease, or had none for a reason.
        case oneCall = "one-call"
        /// After a purge nothing older is served from Redis to those who ask later.
        case noStaleSet = "no-stale-set"
        /// Once a pod knows of a newer generation, its later flights serve nothing older.
        case generations
        /// Every request ends in time, and nobody waits longer for a dead pod than one and a half leases.
        case liveness
        /// No call begins on a lease that is known to be another's, no living pod's lease is taken, nobody is sent to
        /// follow what is known to be invalidated, and a call goes on exactly as long as somebody wants it.
        case cost
    }

    public let seed: UInt64
    public let promise: Promise
    public let what: String

    public var description: String { "seed \(seed): \(promise.rawValue): \(what)" }
}
