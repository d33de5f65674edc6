import SamovarCore

/// Why a request ended, or with id 0 the connection (Protocol.md §7.3).
///
///     0               2               4               6               8               12              16
///     ┌───────────────┬───────────────┬───────────────┬───────────────┬───────────────┬───────────────┬──────┐
///     │     code      │    status     │     facts     │   upstream    │  retry after  │   reserved    │ body │
///     │     u16       │      u16      │      u16      │  status, u16  │    u32, ms    │      u32      │      │
///     └───────────────┴───────────────┴───────────────┴───────────────┴───────────────┴───────────────┴──────┘
public struct ErrorFrame: Error, Hashable, Sendable {
    /// `ErrorCode`, or one that this code does not know yet.
    public var rawCode: UInt16
    /// What HTTP would have answered.
    public var status: UInt16
    public var isRetryable: Bool
    /// The upstream's own status; 0 where it said none.
    public var upstreamStatus: UInt16
    public var retryAfterMilliseconds: UInt32?
    /// JSON in OpenAI's shape.
    public var body: [UInt8]

    static let fixedByteCount = 16
    private static let retryableFact: UInt16 = 0x0001
    private static let retryAfterFact: UInt16 = 0x0002

    public var code: ErrorCode? { ErrorCode(rawValue: rawCode) }

    /// An error of the protocol, or one whose text says all there is to say.
    ///
    /// - Parameter message: for people; must hold nothing of a prompt, an answer or a credential.
    public init(_ code: ErrorCode, message: String, retryAfter: Duration? = nil) {
        let type: String
        switch code {
        case .cancelled: type = "cancelled"
        case .draining, .lagged, .limited: type = "overloaded"
        default: type = code.rawValue < 40 ? "protocol_error" : "invalid_request_error"
        }
        self.init(
            code, ErrorReply(status: code.status, message: message, type: type, code: code.name, retryAfter: retryAfter)
        )
    }

    public init(_ error: ProtocolError) { self.init(error.code, message: error.message) }

    /// An error as HTTP tells it.
    public init(_ code: ErrorCode, _ reply: ErrorReply) {
        rawCode = code.rawValue
        status = UInt16(clamping: reply.status)
        isRetryable = code.isRetryable && !reply.forbidsRetry
        upstreamStatus = 0
        retryAfterMilliseconds = reply.retryAfter.map { UInt32(clamping: $0.milliseconds) }
        body = reply.body
    }

    /// How a failure is told: an upstream's own refusal keeps its status and its words, where they fit.
    ///
    /// - Parameters:
    ///   - hidesCredential: the upstream was asked with our own key, of which its words may show a part.
    ///   - bodySizeMax: `chunk_size`.
    public init(_ failure: Failure, hidesCredential: Bool, bodySizeMax: Int) {
        self.init(ErrorCode(failure), ErrorReply(failure, hidesCredential: hidesCredential))
        if case .refused(let refusal) = failure {
            upstreamStatus = UInt16(clamping: refusal.status)
            isRetryable = refusal.status == 408 || refusal.status == 429 || refusal.status >= 500
        }
        guard body.count > bodySizeMax else { return }
        // Half a JSON text is none.
        body =
            ErrorReply(
                status: Int(status), message: "the upstream's words are larger than chunk_size",
                type: "upstream_error", code: ErrorCode(failure).name
            ).body
    }

    /// - Parameter payload: at least the fixed part.
    public init(_ payload: RawSpan) throws(ProtocolError) {
        rawCode = payload.quarter(at: 0)
        status = payload.quarter(at: 2)
        let facts = payload.quarter(at: 4)
        guard facts & ~(Self.retryableFact | Self.retryAfterFact) == 0 else { throw .malformed(.facts) }
        isRetryable = facts & Self.retryableFact != 0
        upstreamStatus = payload.quarter(at: 6)
        let hasRetryAfter = facts & Self.retryAfterFact != 0
        guard hasRetryAfter || payload.half(at: 8) == 0 else { throw .malformed(.absent) }
        retryAfterMilliseconds = hasRetryAfter ? payload.half(at: 8) : nil
        guard payload.half(at: 12) == 0 else { throw .malformed(.reserved) }
        body = payload.array(Self.fixedByteCount..<payload.byteCount)
    }

    /// Writes the frame.
    ///
    /// - Parameter id: the request's, which then has its end; 0 for the connection's last words. What concerns an id
    ///   that is in flight for another request ends nothing (Protocol.md §6.1).
    public func append(id: UInt64, to output: inout (some FrameOutput & ~Copyable)) {
        let endsRequest = id != 0 && code != .duplicateID
        FrameHeader(.error, id: id, length: Self.fixedByteCount + body.count, flags: endsRequest ? .end : [])
            .append(to: &output)
        let facts =
            (isRetryable ? Self.retryableFact : 0) | (retryAfterMilliseconds == nil ? 0 : Self.retryAfterFact)
        output.write(
            FixedPart(
                UInt64(rawCode) | UInt64(status) << 16 | UInt64(facts) << 32 | UInt64(upstreamStatus) << 48,
                UInt64(retryAfterMilliseconds ?? 0)))
        output.write(body.span.bytes)
    }
}
