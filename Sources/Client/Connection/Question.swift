import SamovarCore
import SamovarWire

/// What is asked on a connection: everything but its id and what is left of its time.
struct Question: Sendable {
    enum Content: Sendable {
        /// - digest: of the body, where it is to be sent first.
        case ask(Ask, body: [UInt8], digest: SentBodyDigest?)
        case put(Put, body: [UInt8], answer: [UInt8])
        case invalidate(Invalidate, what: [UInt8])
        case warm(Ask, body: [UInt8])
        case stats
        case ping
    }

    /// How the reply is handed over.
    enum Reading: Hashable, Sendable {
        /// Whole, when it is there.
        case gathered
        /// Piece by piece, as its reader gives credit.
        case pieces
    }

    var content: Content
    var reading = Reading.gathered
    var deadline = Instant.never

    var isPing: Bool {
        if case .ping = content { return true }
        return false
    }

    /// Of the frame that opens the request; the larger of the two where a digest goes before the body.
    var payloadByteCount: Int {
        switch content {
        case .ask(let ask, let body, let digest):
            Self.fixedByteCount + ask.metadata.byteCount + max(body.count, digest == nil ? 0 : Self.digestByteCount)
                + (digest == nil ? 0 : Self.digestFieldByteCount)
        case .warm(let ask, let body): Self.fixedByteCount + ask.metadata.byteCount + body.count
        case .put(let put, let body, let answer):
            Self.fixedByteCount + put.metadata.byteCount + body.count + answer.count
        case .invalidate(let invalidate, let what):
            if case .body(_, let metadata) = invalidate.target {
                Self.fixedByteCount + metadata.byteCount + what.count
            } else {
                Self.fixedByteCount + what.count
            }
        case .stats, .ping: 0
        }
    }

    private static let fixedByteCount = 16
    private static let digestByteCount = 32
    private static let digestFieldByteCount = 3 + digestByteCount

    /// Writes the frame.
    ///
    /// - Parameter usesDigest: whether the server takes digests.
    func append(id: UInt64, usesDigest: Bool, at now: Instant, to output: inout [UInt8]) {
        switch content {
        case .ask(var ask, let body, let digest):
            ask.deadlineMilliseconds = milliseconds(at: now)
            if let digest, usesDigest {
                ask.append(.askDigest, id: id, body: digest.bytes.span.bytes, to: &output)
            } else {
                ask.append(id: id, body: body.span.bytes, to: &output)
            }
        case .warm(var ask, let body):
            ask.deadlineMilliseconds = milliseconds(at: now)
            ask.append(.warm, id: id, body: body.span.bytes, to: &output)
        case .put(let put, let body, let answer):
            put.append(id: id, body: body.span.bytes, answer: answer.span.bytes, to: &output)
        case .invalidate(let invalidate, let what):
            invalidate.append(id: id, what: what.span.bytes, to: &output)
        case .stats: Frames.appendStats(id: id, to: &output)
        case .ping: Frames.append(.ping, cookie: PingCookie(id), to: &output)
        }
    }

    /// Writes the body that was asked for, with the digest that the server is to know it by.
    func appendBody(id: UInt64, at now: Instant, to output: inout [UInt8]) {
        guard case .ask(var ask, let body, let digest) = content else { return }
        ask.deadlineMilliseconds = milliseconds(at: now)
        ask.metadata.bodyDigest = digest
        ask.append(id: id, body: body.span.bytes, to: &output)
    }

    /// What is left, rounded up: 0 would be no deadline.
    private func milliseconds(at now: Instant) -> UInt32 {
        guard deadline != .never else { return 0 }
        return UInt32(clamping: max(1, (now.duration(to: deadline).nanoseconds + 999_999) / 1_000_000))
    }
}
