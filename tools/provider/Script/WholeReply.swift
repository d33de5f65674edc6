import NIOCore
import NIOHTTP1

/// A reply whose body is sent in one go: JSON, an error, a page of garbage.
struct WholeReply: Sendable {
    private var head: HTTPResponseHead
    private let body: ByteBuffer
    private let due: TimeAmount
    private let isCut: Bool
    private var pace: Pace?
    private var headIsSent = false

    /// - Parameters:
    ///   - pace: its silence is kept, with blank lines for signs of life; nil for none.
    ///   - isCut: half of the body is sent, then the connection closed.
    init(head: HTTPResponseHead, body: ByteBuffer, due: TimeAmount = .zero, pace: Pace? = nil, isCut: Bool = false) {
        self.head = head
        self.body = body
        self.due = due
        self.isCut = isCut
        self.pace = pace
        // Blank lines come before the body, so its length is not known at the head.
        if pace.map({ $0.silence > .zero }) != true {
            self.head.headers.add(name: "content-length", value: String(body.readableBytes))
        }
    }

    mutating func play(at elapsed: TimeAmount) -> Passage {
        let keepAlives = pace?.takeKeepAlives(at: elapsed) ?? 0
        let isDue = elapsed >= due
        var passage = Passage(bytes: ByteBuffer(), then: .resume(at: min(pace?.nextKeepAlive ?? due, due)))
        if !headIsSent, isDue || pace.map({ $0.silence > .zero }) == true {
            passage.head = head
            headIsSent = true
        }
        if keepAlives > 0 {
            passage.bytes.writeRepeatingByte(0x0A, count: keepAlives)
        }
        guard isDue else { return passage }
        let sent = isCut ? body.getSlice(at: body.readerIndex, length: body.readableBytes / 2) ?? body : body
        if keepAlives > 0 { passage.bytes.writeImmutableBuffer(sent) } else { passage.bytes = sent }
        passage.then = isCut ? .cut : .end
        return passage
    }
}
