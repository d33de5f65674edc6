import SamovarWire

extension SamovarClient.Failure {
    /// What went wrong, for programs. Open: a newer sidecar may say others.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// As on the HTTP port: `upstream_refused`.
        public let name: String

        public init(_ name: String) { self.name = name }
        init(_ code: ErrorCode) { name = code.name }

        public var description: String { name }
    }
}

/// What the client itself finds.
extension SamovarClient.Failure.Code {
    /// No connection came about.
    public static let unreachable = Self("unreachable")
    /// The connection ended before the request did. It may have been executed.
    public static let connectionLost = Self("connection_lost")
    /// ``SamovarClient/close()`` was called.
    public static let closed = Self("closed")
    /// More requests wait than ``SamovarClient/Settings/waitingMax``.
    public static let waitingMax = Self("waiting_max")
    /// What came breaks the protocol's rules: the end of the connection.
    public static let protocolBreach = Self("protocol_breach")
    /// Larger than ``SamovarClient/Settings/answerSizeMax``.
    public static let answerTooLarge = Self("answer_too_large")
    /// The answer has other bytes than it was said to have.
    public static let answerCut = Self("answer_cut")

    /// Its own status, and whether asking again may help.
    var standing: (status: Int, isRetryable: Bool) {
        switch self {
        case .unreachable, .connectionLost, .waitingMax: (503, true)
        case .closed: (503, false)
        case .answerCut: (502, true)
        case .protocolBreach, .answerTooLarge: (502, false)
        default:
            ErrorCode.allCases.first { $0.name == name }.map { ($0.status, $0.isRetryable) } ?? (500, false)
        }
    }
}

/// What the sidecar says (Protocol.md §11). `deadline` and `cancelled` are the client's own finding too.
extension SamovarClient.Failure.Code {
    public static let noCommonVersion = Self(ErrorCode.noCommonVersion)
    public static let unauthenticated = Self(ErrorCode.unauthenticated)
    public static let tooSlow = Self(ErrorCode.tooSlow)
    public static let connectionsMax = Self(ErrorCode.connectionsMax)
    public static let malformed = Self(ErrorCode.malformed)
    public static let metadataTooLarge = Self(ErrorCode.metadataTooLarge)
    public static let featureNotAgreed = Self(ErrorCode.featureNotAgreed)
    public static let forbidden = Self(ErrorCode.forbidden)
    public static let inflightMax = Self(ErrorCode.inflightMax)
    public static let bodyTooLarge = Self(ErrorCode.bodyTooLarge)
    public static let invalidRequest = Self(ErrorCode.invalidRequest)
    public static let noRoute = Self(ErrorCode.noRoute)
    public static let notCached = Self(ErrorCode.notCached)
    public static let deadline = Self(ErrorCode.deadline)
    public static let cancelled = Self(ErrorCode.cancelled)
    public static let limited = Self(ErrorCode.limited)
    public static let lagged = Self(ErrorCode.lagged)
    public static let draining = Self(ErrorCode.draining)
    public static let notStorable = Self(ErrorCode.notStorable)
    public static let `internal` = Self(ErrorCode.internal)
    public static let upstreamRefused = Self(ErrorCode.upstreamRefused)
    public static let upstreamError = Self(ErrorCode.upstreamError)
    public static let upstreamUnreachable = Self(ErrorCode.upstreamUnreachable)
    public static let upstreamTimeout = Self(ErrorCode.upstreamTimeout)
    public static let upstreamCut = Self(ErrorCode.upstreamCut)
    public static let upstreamMalformed = Self(ErrorCode.upstreamMalformed)
    public static let upstreamTooLarge = Self(ErrorCode.upstreamTooLarge)
}
