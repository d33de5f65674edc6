import SamovarCore
import SamovarEngine
import SamovarWire

/// How replies are spelled on the HTTP port.
enum HTTPReply {
    /// How the head of one reply is to be.
    struct Manner {
        var requestID: UInt64
        var closes: Bool
        /// To HEAD the length is told, and the body is not sent.
        var hidesBody = false
    }

    /// The head of an answer.
    static func appendHead(
        _ facts: AnswerFacts, _ length: ReplyFraming.Length, _ manner: Manner, to output: inout OutputBuffer
    ) {
        ReplyFraming.appendStatus(200, to: &output)
        switch facts.form {
        case .body: output.append("content-type: application/json\r\n")
        case .stream:
            // Proxies on the way must neither keep a stream nor hold it back.
            output.append(
                "content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
            )
        }
        facts.provenance.appendFields(to: &output)
        if let tenant = facts.tenant { ReplyFraming.append("x-samovar-tenant", tenant, to: &output) }
        if let model = facts.model { ReplyFraming.append("x-samovar-model", model, to: &output) }
        if let key = facts.key { ReplyFraming.append("x-samovar-key", key, to: &output) }
        end(length, manner, to: &output)
    }

    /// The head of what is passed through.
    static func appendHead(
        _ reply: PassReply, _ length: ReplyFraming.Length, _ manner: Manner, to output: inout OutputBuffer
    ) {
        ReplyFraming.appendStatus(reply.status, to: &output)
        if let contentType = reply.contentType { ReplyFraming.append("content-type", contentType, to: &output) }
        Provenance(result: .bypass).appendFields(to: &output)
        if let retryAfter = reply.retryAfter { ReplyFraming.append("retry-after", retryAfter, to: &output) }
        end(length, manner, to: &output)
    }

    /// A whole error.
    static func append(_ error: ErrorReply, _ manner: Manner, to output: inout OutputBuffer) {
        ReplyFraming.appendStatus(error.status, to: &output)
        ReplyFraming.append("content-type", error.contentType, to: &output)
        Provenance(result: .error).appendFields(to: &output)
        if error.status == 407 { output.append("proxy-authenticate: Bearer\r\n") }
        if error.forbidsRetry { output.append("x-should-retry: false\r\n") }
        if let wait = error.retryAfter {
            // Whole seconds, rounded up: an early retry would only meet the same answer.
            ReplyFraming.append("retry-after", decimal: Int((wait.milliseconds + 999) / 1_000), to: &output)
        }
        end(.known(error.body.count), manner, to: &output)
        if !manner.hidesBody { output.append(error.body) }
    }

    private static func end(_ length: ReplyFraming.Length, _ manner: Manner, to output: inout OutputBuffer) {
        output.append("x-request-id: ")
        appendID(manner.requestID, to: &output)
        output.append("\r\n")
        ReplyFraming.appendEnd(length: length, closes: manner.closes, to: &output)
    }

    /// Sixteen hexadecimal digits.
    private static func appendID(_ id: UInt64, to output: inout OutputBuffer) {
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: id >> UInt64(shift)) & 15
            output.append(digit < 10 ? digit + 0x30 : digit + 0x57)
        }
    }
}
