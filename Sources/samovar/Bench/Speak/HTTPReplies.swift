// Raw bytes, because replies are read where they were received.

/// Reads the replies of one HTTP/1.1 connection, in the order in which they were asked for (RFC 9112).
///
///        head ──▶ body of known length ─────────────▶ head
///          └────▶ chunk size ──▶ chunk ──▶ … ──▶ trailer ──▶ head
struct HTTPReplies: ReplyReader {
    private enum Phase: Sendable {
        case head
        case body(left: Int)
        case chunkSize
        case chunk(left: Int)
        case chunkEnd
        case trailer
    }

    /// A ring of the slots that wait for their replies.
    private var waiting: [(slot: Int, isStream: Bool)]
    private var first = 0
    private var waitingCount = 0
    private var phase = Phase.head
    private var head = ReplyHead()
    private var byteCount = 0
    private var end = AnswerEnd()
    private var isGreeted = false
    private var saidLeaving = false

    /// A head, or a line of a chunk's size, beyond this is malformed.
    static let headSizeMax = 64 << 10

    init(slotCount: Int) { waiting = [(slot: Int, isStream: Bool)](repeating: (0, false), count: slotCount) }

    mutating func asked(slot: Int, isStream: Bool) -> UInt64 {
        precondition(waitingCount < waiting.count, "a slot is asked from once at a time")
        waiting[(first + waitingCount) % waiting.count] = (slot, isStream)
        waitingCount += 1
        return 0
    }

    /// Nothing on this connection can be given up by itself: replies have no names.
    mutating func gaveUp(slot: Int) {}

    mutating func next(_ bytes: UnsafeRawBufferPointer, from offset: inout Int) -> ReplyEvent {
        guard isGreeted else {
            isGreeted = true
            return .greeted(inflightMax: .max)
        }
        if saidLeaving { return .needsMore }
        while true {
            switch phase {
            case .head:
                guard offset < bytes.count || leavesNow() else { return .needsMore }
                if leavesNow() { return leave() }
                guard let size = ReplyHead.size(bytes, from: offset) else { return tooLong(bytes, offset) }
                guard let head = ReplyHead(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + size])) else {
                    return .broken("a head that is none")
                }
                guard waitingCount > 0 else { return .broken("\(head.status) before anything was asked") }
                offset += size
                if head.isInterim { continue }
                guard let body = Self.phase(of: head) else { return .broken("a reply without a length") }
                (self.head, phase, byteCount, end) = (head, body, 0, AnswerEnd())
            case .body(let left):
                let taken = take(left, bytes, &offset)
                phase = .body(left: left - taken)
                guard taken == left else { return .needsMore }
                return ended()
            case .chunkSize:
                guard let (size, end) = Self.chunkSize(bytes, from: offset) else { return tooLong(bytes, offset) }
                guard size >= 0 else { return .broken("a chunk's size that is none") }
                offset = end
                phase = size == 0 ? .trailer : .chunk(left: size)
            case .chunk(let left):
                let taken = take(left, bytes, &offset)
                phase = .chunk(left: left - taken)
                guard taken == left else { return .needsMore }
                phase = .chunkEnd
            case .chunkEnd:
                guard bytes.count - offset >= 2 else { return .needsMore }
                guard bytes[offset] == 0x0D, bytes[offset + 1] == 0x0A else { return .broken("a chunk without an end") }
                offset += 2
                phase = .chunkSize
            case .trailer:
                guard let line = Self.lineEnd(bytes, from: offset) else { return tooLong(bytes, offset) }
                let isBlank = line - offset <= 2
                offset = line
                if isBlank { return ended() }
            }
        }
    }

    /// Told that it will close, and nothing of a reply is open.
    private func leavesNow() -> Bool { head.closes }

    private mutating func leave() -> ReplyEvent {
        saidLeaving = true
        return .leaving
    }

    private func tooLong(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> ReplyEvent {
        bytes.count - offset > Self.headSizeMax ? .broken("a line without an end") : .needsMore
    }

    private mutating func take(_ left: Int, _ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> Int {
        let taken = min(left, bytes.count - offset)
        end.take(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + taken]))
        byteCount += taken
        offset += taken
        return taken
    }

    private mutating func ended() -> ReplyEvent {
        phase = .head
        let (slot, isStream) = waiting[first]
        first = (first + 1) % waiting.count
        waitingCount -= 1
        let outcome: ReplyOutcome
        if head.status != 200 {
            outcome = .failed(.status, detail: "\(head.status)")
        } else if head.isStream != isStream || !end.isWhole(asStream: isStream) {
            outcome = .failed(.malformed)
        } else {
            outcome = .verified(head.result)
        }
        return .ended(slot: slot, outcome, byteCount: byteCount)
    }

    private static func phase(of head: ReplyHead) -> Phase? {
        if head.isChunked { return .chunkSize }
        return head.contentLength.map { .body(left: $0) }
    }

    /// The size and what is behind its line; -1 for what is no number; nil where the line has no end yet.
    private static func chunkSize(_ bytes: UnsafeRawBufferPointer, from start: Int) -> (size: Int, end: Int)? {
        guard let end = lineEnd(bytes, from: start) else { return nil }
        var (size, digits) = (0, 0)
        for byte in bytes[start..<end] {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x37
            case 0x61...0x66: digit = byte - 0x57
            // An extension (RFC 9112, 7.1.1), or the line's end.
            case 0x3B, 0x0D, 0x20, 0x09: return (digits == 0 ? -1 : size, end)
            default: return (-1, end)
            }
            digits += 1
            guard digits <= 8 else { return (-1, end) }
            size = size << 4 | Int(digit)
        }
        return (-1, end)
    }

    /// What is behind the next line feed.
    static func lineEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        bytes[start...].firstIndex(of: 0x0A).map { $0 + 1 }
    }
}
