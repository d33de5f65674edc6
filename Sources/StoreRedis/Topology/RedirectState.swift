import SamovarCore

/// What becomes of commands that a node of a cluster does not take, within their deadline.
///
///     MOVED ──▶ there, once         ASK ──▶ there with ASKING, once         TRYAGAIN ──▶ same node, once, a little later
///
/// Each of these replies says that the command was not executed, so nothing is done twice. Two nodes that send each
/// other's commands back and forth come to an end, as does everything else: with the reply itself.
struct RedirectState: Sendable {
    /// How long a slot is given to get its keys together.
    static let tryAgainDelay = Duration.milliseconds(5)

    private let deadline: Instant
    private var hasMoved = false
    private var hasAsked = false
    private var hasTriedAgain = false

    init(deadline: Instant) {
        self.deadline = deadline
    }

    enum Action: Hashable, Sendable {
        /// The reply stands.
        case stop
        /// Send it there.
        case follow(Redirection)
        /// Send it to the same node once more.
        case tryAgain(at: Instant)
    }

    /// A command was not executed. O(1).
    mutating func refused(_ error: ServerError, at now: Instant) -> Action {
        guard now < deadline else { return .stop }
        if let redirection = error.redirection {
            switch redirection.kind {
            case .moved where !hasMoved: hasMoved = true
            case .ask where !hasAsked: hasAsked = true
            default: return .stop
            }
            return .follow(redirection)
        }
        let again = now.advanced(by: Self.tryAgainDelay)
        guard error.code == "TRYAGAIN", !hasTriedAgain, again < deadline else { return .stop }
        hasTriedAgain = true
        return .tryAgain(at: again)
    }
}

extension ServerError {
    /// Whether it says that this node is the wrong one, or not ready yet, and has done nothing.
    var isRedirect: Bool { redirection != nil || code == "TRYAGAIN" }
}
