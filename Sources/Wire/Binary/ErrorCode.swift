import SamovarCore

/// What went wrong, for programs (Protocol.md §11). Those below 20 are the end of the connection.
public enum ErrorCode: UInt16, CaseIterable, Hashable, Sendable {
    case noCommonVersion = 1
    case unauthenticated = 2
    case helloExpected = 3
    case helloRepeated = 4
    case frameTooLarge = 5
    case malformedFrame = 6
    case tooSlow = 7
    case connectionsMax = 8

    case duplicateID = 20
    case unknownVersion = 21
    case unknownOpcode = 22
    case malformed = 23
    case metadataTooLarge = 24
    case unknownField = 25
    case unknownKind = 26
    case featureNotAgreed = 27
    case forbidden = 28
    case inflightMax = 29
    case bodyTooLarge = 30
    case digestMismatch = 31

    case invalidRequest = 40
    case noRoute = 41
    case notCached = 42
    case deadline = 43
    case cancelled = 44
    case limited = 45
    case lagged = 46
    case draining = 47
    case notStorable = 48
    case `internal` = 49

    case upstreamRefused = 60
    case upstreamError = 61
    case upstreamUnreachable = 62
    case upstreamTimeout = 63
    case upstreamCut = 64
    case upstreamMalformed = 65
    case upstreamTooLarge = 66

    /// Whether the connection ends with it (Protocol.md §3.6).
    public var closes: Bool { rawValue < 20 }

    /// What HTTP would answer.
    public var status: Int {
        switch self {
        case .noCommonVersion, .helloExpected, .helloRepeated, .malformedFrame, .duplicateID, .unknownVersion,
            .unknownOpcode, .malformed, .unknownField, .unknownKind, .featureNotAgreed, .digestMismatch,
            .invalidRequest:
            400
        case .unauthenticated: 401
        case .forbidden: 403
        case .noRoute: 404
        case .tooSlow: 408
        case .frameTooLarge, .bodyTooLarge: 413
        case .notStorable: 422
        case .metadataTooLarge: 431
        case .cancelled: 499
        case .internal: 500
        case .upstreamRefused, .upstreamError, .upstreamUnreachable, .upstreamCut, .upstreamMalformed,
            .upstreamTooLarge:
            502
        case .connectionsMax, .inflightMax, .limited, .lagged, .draining: 503
        case .notCached, .deadline, .upstreamTimeout: 504
        }
    }

    /// Whether the same request may succeed if it is sent again; for `upstreamRefused` its status decides.
    public var isRetryable: Bool {
        switch self {
        case .tooSlow, .connectionsMax, .inflightMax, .limited, .lagged, .draining, .internal, .upstreamError,
            .upstreamUnreachable, .upstreamTimeout, .upstreamCut, .upstreamMalformed:
            true
        default: false
        }
    }

    /// The name that Protocol.md uses, in lower case: `frame_too_large`.
    public var name: String {
        var name = ""
        for character in "\(self)" {
            // An abbreviation at the end (`duplicateID`) is one word.
            if character.isUppercase, name.last?.isUppercase != true { name += "_" }
            name.append(character)
        }
        return name.lowercased()
    }

    public init(_ failure: Failure) {
        self =
            switch failure {
            case .refused: .upstreamRefused
            case .erred: .upstreamError
            case .unreachable: .upstreamUnreachable
            case .timedOut: .upstreamTimeout
            case .cut: .upstreamCut
            case .malformed: .upstreamMalformed
            case .tooLarge: .upstreamTooLarge
            case .limited: .limited
            case .lagged: .lagged
            case .notCached: .notCached
            case .deadline: .deadline
            case .draining: .draining
            }
    }
}
