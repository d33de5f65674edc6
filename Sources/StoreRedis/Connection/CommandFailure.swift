/// Why a command has no reply.
enum CommandFailure: Error, Hashable, Sendable {
    /// No connection is live: it failed at once, without waiting for one.
    case notConnected
    /// `pipeline_depth_max` commands wait on the connection already, or `pipeline_size_max` bytes.
    case pipelineFull
    /// The reply did not come by the deadline. The connection is closed.
    case timeout
    /// The connection ended while the reply was due.
    case lost(ConnectionLoss)
    /// The node that was asked has sent us on, and there was no reply where it sent us. Nothing is wrong with the one
    /// that was asked.
    case sentOn
    /// The caller went away. The reply still comes, and nobody reads it.
    case cancelled
}

/// Why a connection ended, or never came to be.
enum ConnectionLoss: Error, Hashable, Sendable, CustomStringConvertible {
    /// The server closed it.
    case closedByServer
    /// A reply was overdue.
    case overdue
    case protocolError(ProtocolError)
    /// It answered with something that belongs elsewhere.
    case distrusted
    /// The server refused what we are: password, user, database. Does not heal by itself.
    case refused(String)
    /// The name, the network or TLS.
    case unreachable(String)
    /// We are shutting down.
    case shutDown

    /// Whether only an operator can help.
    var needsOperator: Bool {
        if case .refused = self { true } else { false }
    }

    /// For a log line. Holds no secret: what the server says is quoted by its code only.
    var description: String {
        switch self {
        case .closedByServer: "the server closed the connection"
        case .overdue: "a reply was overdue"
        case .protocolError(.unreadable): "the server does not speak Redis's protocol"
        case .protocolError(.replyTooLarge(let replySizeMax)):
            "a reply was larger than reply_size_max (\(replySizeMax) bytes)"
        case .protocolError(.unasked): "the server sent a reply that nobody had asked for"
        case .distrusted: "the server answered with what belongs elsewhere"
        case .refused(let reason), .unreachable(let reason): reason
        case .shutDown: "shut down"
        }
    }
}
