import SamovarCore
import SamovarWire

/// What is still to come for one request, and how much of it the server may send.
struct PendingReply {
    /// What kind of reply the request has.
    private enum Expected {
        case answer
        case done
        case text
    }

    let question: Question
    private let expected: Expected
    /// When it fails, if it has had no end; for one that was given up: when the server must have confirmed that.
    var deadline: Instant
    /// Its caller has been told its end; the server's is awaited.
    private(set) var isAbandoned = false
    private let window: Int
    /// What the server may still send.
    private var credit: Int
    private var unreturned = 0
    private var origin: SamovarClient.Origin?
    private var isDigestAsked: Bool
    private var gathered: [UInt8] = []
    private var receivedCount = 0

    /// A frame that does not belong there: nothing on this connection can be believed.
    struct Breach: Error {
        let reason: String
    }

    /// Whether anything has come of it.
    var hasBegun: Bool { origin != nil || receivedCount > 0 }

    init(_ question: Question, window: Int, usesDigest: Bool) {
        self.question = question
        self.window = window
        credit = window
        deadline = question.deadline
        isDigestAsked = false
        switch question.content {
        case .ask(_, _, let digest):
            expected = .answer
            isDigestAsked = digest != nil && usesDigest
        case .stats: expected = .text
        case .put, .invalidate, .warm, .ping: expected = .done
        }
    }

    mutating func abandon(until: Instant) {
        isAbandoned = true
        deadline = until
        gathered = []
    }

    /// ANSWER's head.
    mutating func begin(_ head: AnswerHead, _ metadata: Metadata) throws(Breach) -> ReplyEvent? {
        guard expected == .answer, origin == nil else { throw Breach(reason: "an ANSWER where none is expected") }
        let origin = SamovarClient.Origin(head, metadata)
        self.origin = origin
        guard question.reading == .pieces else { return nil }
        return .began(origin, window: window)
    }

    /// The next bytes, and whether an event of the stream ends with them.
    ///
    /// - Throws: where they come without a beginning, or beyond the credit.
    mutating func take(_ bytes: RawSpan, endsEvent: Bool, sizeMax: Int) throws(Breach) -> ReplyEvent? {
        guard origin != nil || expected == .text else { throw Breach(reason: "DATA without an ANSWER") }
        guard bytes.byteCount <= credit else { throw Breach(reason: "more bytes than credit") }
        credit -= bytes.byteCount
        receivedCount += bytes.byteCount
        guard !isAbandoned, !bytes.isEmpty else { return nil }
        guard question.reading == .gathered else {
            return .piece(bytes.withUnsafeBytes { Array($0) }, endsEvent: endsEvent)
        }
        guard receivedCount <= sizeMax, origin?.total ?? 0 <= sizeMax else {
            return .failed(SamovarClient.Failure(.answerTooLarge, "the answer is over answerSizeMax"))
        }
        if gathered.isEmpty, let total = origin?.total { gathered.reserveCapacity(total) }
        bytes.withUnsafeBytes { gathered.append(contentsOf: $0) }
        unreturned += bytes.byteCount
        return nil
    }

    /// Credit to be given back for what was gathered, once that is half the window; 0 otherwise.
    mutating func gatheredCredit() -> Int {
        guard question.reading == .gathered, unreturned >= max(1, window / 2) else { return 0 }
        defer { unreturned = 0 }
        return give(unreturned)
    }

    /// The reader has done with so many bytes: so many more may come. Never more than a window.
    mutating func give(_ byteCount: Int) -> Int {
        let count = min(byteCount, window - credit)
        credit += count
        return count
    }

    /// The reply is whole.
    mutating func finish() throws(Breach) -> ReplyEvent {
        if expected == .text { return .text(gathered) }
        guard let origin else { throw Breach(reason: "an end without an ANSWER") }
        guard (origin.total ?? receivedCount) == receivedCount else {
            return .failed(SamovarClient.Failure(.answerCut, "the answer has other bytes than it said"))
        }
        return question.reading == .pieces ? .ended : .answer(SamovarClient.Answer(bytes: gathered, origin: origin))
    }

    func done(_ done: Done) throws(Breach) -> ReplyEvent {
        guard expected == .done else { throw Breach(reason: "a DONE where none is expected") }
        return .done(done)
    }

    /// BODY_NEEDED came: the digest was not enough. The credit begins anew.
    mutating func bodyNeeded() throws(Breach) {
        guard isDigestAsked, origin == nil else { throw Breach(reason: "a body was sent already") }
        isDigestAsked = false
        credit = window
    }
}
