import SamovarCore
import SamovarEngine
import SamovarWire

/// A part of a reply, from whoever serves it, before any protocol has spelled it.
enum ReplyPart: Sendable {
    /// A whole answer.
    case answer(AnswerFacts, [UInt8])
    /// A stream begins.
    case begin(AnswerFacts)
    /// What is passed through begins.
    case passed(PassReply)
    case piece([UInt8])
    /// What came of an administrator's order.
    case done(Done)
    /// What an administrator asked to see.
    case text([UInt8])
    /// The whole reply, or the end of one that has begun: the answer is not whole.
    case failed(FailedReply)
    /// - isCut: what was passed through did not come to its end, and nobody may take it for whole.
    case end(isCut: Bool)
}

/// What is told about an answer beside its bytes.
struct AnswerFacts: Sendable {
    var provenance: Provenance
    var form: Form
    /// For a caller who asked which tenant it is.
    var tenant: String?
    /// Where an operator wants to see it.
    var key: String?
    /// Who has answered, where it is another than the one that was asked for.
    var model: String?
    /// How long ago the request came.
    var startedAt: Instant
}

/// An error on its way to a caller, in whatever protocol.
struct FailedReply: Error, Sendable {
    var code: ErrorCode
    var reply: ErrorReply
    /// The upstream's own status; 0 where it said none.
    var upstreamStatus = 0

    init(_ code: ErrorCode, _ reply: ErrorReply) {
        self.code = code
        self.reply = reply
    }

    /// A body was sent with a digest that is another body's.
    static let digestMismatch = FailedReply(
        .digestMismatch,
        ErrorReply(
            status: 400, message: "the body does not have this digest", type: "protocol_error",
            code: ErrorCode.digestMismatch.name))

    init(_ failure: Failure, hidesCredential: Bool) {
        self.init(ErrorCode(failure), ErrorReply(failure, hidesCredential: hidesCredential))
        if case .refused(let refusal) = failure { upstreamStatus = refusal.status }
    }
}

extension ErrorFrame {
    /// - Parameter bodySizeMax: `chunk_size`; an upstream's words that are larger are not passed on.
    init(_ failed: FailedReply, bodySizeMax: Int) {
        self.init(failed.code, failed.reply)
        upstreamStatus = UInt16(clamping: failed.upstreamStatus)
        if failed.code == .upstreamRefused {
            isRetryable = status == 408 || status == 429 || status >= 500
        }
        guard body.count > bodySizeMax else { return }
        body =
            ErrorReply(
                status: Int(status), message: "the upstream's words are larger than chunk_size", type: "upstream_error",
                code: failed.code.name
            ).body
    }
}
