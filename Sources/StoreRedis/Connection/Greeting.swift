import SamovarCore

/// What is said first on a new connection, and whether the answers make it a live one.
///
/// `PING` comes last, so that a server that is frozen, still loading or in want of a password shows itself here and
/// not to a caller.
struct Greeting: Sendable {
    private enum Step: Sendable {
        case auth
        case select(Int)
        case setName
        case role
        case ping
    }

    private let steps: [Step]
    /// The commands to send, in one write.
    let commands: [[[UInt8]]]

    /// - Parameter mustBePrimary: whether a server that calls itself a replica is refused.
    init(user: String?, password: Secret?, database: Int, mustBePrimary: Bool = false) {
        var steps: [Step] = []
        var commands: [[[UInt8]]] = []
        func add(_ step: Step, _ arguments: String...) {
            steps.append(step)
            commands.append(arguments.map { Array($0.utf8) })
        }
        if let password {
            if let user {
                add(.auth, "AUTH", user, password.revealed)
            } else {
                add(.auth, "AUTH", password.revealed)
            }
        }
        if database != 0 { add(.select(database), "SELECT", String(database)) }
        add(.setName, "CLIENT", "SETNAME", "samovar")
        if mustBePrimary { add(.role, "ROLE") }
        add(.ping, "PING")
        self.steps = steps
        self.commands = commands
    }

    enum Verdict: Hashable, Sendable {
        case live
        case refused(ConnectionLoss)
    }

    /// What the answers mean. The first refusal that matters decides.
    func verdict(_ replies: [RESPValue]) -> Verdict {
        guard replies.count == steps.count else { return .refused(.protocolError(.unasked)) }
        for (step, reply) in zip(steps, replies) {
            switch (step, reply) {
            case (.role, .array(let parts)):
                guard parts.first == .bulk(Array("master".utf8)) else {
                    return .refused(.unreachable("the server is no primary"))
                }
            case (.role, .error(ServerError(code: "NOPERM"))):
                return .refused(.refused("the user may not ask for the server's ROLE, which Sentinel needs"))
            case (.role, .status): return .refused(.protocolError(.unreadable))
            case (_, .status): continue
            // An ACL may leave these two out; neither is needed.
            case (.setName, .error), (.ping, .error(ServerError(code: "NOPERM"))): continue
            case (.auth, .error(let error)):
                return .refused(.refused("the server refused user and password (\(error.explanation))"))
            case (.select(let database), .error(let error)) where !error.meansDown:
                return .refused(.refused("the server refused database \(database) (\(error.code))"))
            case (_, .error(let error)):
                return .refused(Self.loss(error))
            default:
                return .refused(.protocolError(.unreadable))
            }
        }
        return .live
    }

    private static func loss(_ error: ServerError) -> ConnectionLoss {
        let reason = "the server refused the connection (\(error.explanation))"
        switch error.code {
        case "NOAUTH", "WRONGPASS", "DENIED": return .refused(reason)
        default: return .unreachable(reason)
        }
    }
}
