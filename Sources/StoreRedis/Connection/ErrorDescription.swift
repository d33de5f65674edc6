import NIOCore
import NIOPosix
import NIOSSL

extension ConnectionLoss {
    /// What an error below Redis's protocol means for a connection.
    init(_ error: any Error) {
        switch error {
        case let loss as ConnectionLoss: self = loss
        // A server that goes away without saying goodbye; what it had sent is whole or it is not, Redis's own
        // protocol tells.
        case NIOSSLError.uncleanShutdown: self = .closedByServer
        // Whom to trust, and who we are, does not change by itself.
        case is NIOSSLError, is NIOSSLExtraError: self = .refused(describe(error))
        default: self = .unreachable(describe(error))
        }
    }
}

/// What went wrong below Redis's protocol, in a few words for an operator.
func describe(_ error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        if let first = error.connectionErrors.first { return describe(first.error) }
        return "no address found for \(error.host)"
    case ChannelError.connectTimeout: return "no connection within connect_timeout"
    case let error as IOError: return error.description
    case let error as NIOSSLError: return "TLS: \(error)"
    case let error as NIOSSLExtraError: return "TLS: \(error)"
    case let error as BoringSSLError: return "TLS: \(error)"
    default: return "\(error)"
    }
}
