// Raw bytes, because replies are read where they were received.

/// What a port is asked in. A value that is shared by all connections; what one connection is in the midst of is its
/// `Reader`.
protocol Dialect: Sendable {
    associatedtype Reader: ReplyReader

    /// What is said first on a connection; empty where nothing is.
    var greeting: [UInt8] { get }
    func makeReader(slotCount: Int) -> Reader

    /// Writes a request behind what is already in the output.
    ///
    /// - Parameters:
    ///   - id: from the reader's `asked`.
    ///   - withBody: once more with the body, since its digest was not enough.
    func append(_ request: RequestDraw.Drawn, id: UInt64, withBody: Bool, to output: inout [UInt8])
    /// Writes that a request is no longer wanted; false where only the end of the connection says so.
    func appendCancel(id: UInt64, to output: inout [UInt8]) -> Bool
}

/// Reads one connection's replies. A machine: bytes in, events out.
protocol ReplyReader: Sendable {
    /// A request is sent from this slot.
    ///
    /// - Returns: the id to send it with.
    mutating func asked(slot: Int, isStream: Bool) -> UInt64
    /// The slot's request is given up: what still comes for it is passed over.
    mutating func gaveUp(slot: Int)
    /// The next thing that these bytes say.
    ///
    /// - Parameter offset: what was read before; moved behind what is read now. With `needsMore` the bytes behind it
    ///   are to be offered again, with more behind them.
    mutating func next(_ bytes: UnsafeRawBufferPointer, from offset: inout Int) -> ReplyEvent
}

/// What a connection's bytes say.
enum ReplyEvent: Hashable, Sendable {
    case needsMore
    /// The connection takes requests now: so many at once, where the server said.
    case greeted(inflightMax: Int)
    case ended(slot: Int, ReplyOutcome, byteCount: Int)
    /// To be asked once more, with its body.
    case bodyNeeded(slot: Int)
    /// To be sent.
    case say([UInt8])
    /// No more requests on this connection: it ends when its last reply has.
    case leaving
    /// Nothing on this connection can be believed any more.
    case broken(String)
}

/// The last bytes of an answer, by which a stream is known to have come to its end.
struct AnswerEnd: Hashable, Sendable {
    /// The last byte lowest.
    private var last: UInt128 = 0

    mutating func take(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes.suffix(16) { last = last << 8 | UInt128(byte) }
    }

    /// A stream ends with `[DONE]`, a body with a bracket; line ends may follow.
    func isWhole(asStream isStream: Bool) -> Bool {
        var rest = last
        while rest & 0xFF == 0x0A || rest & 0xFF == 0x0D || rest & 0xFF == 0x20 { rest >>= 8 }
        return isStream ? rest & 0xFFFF_FFFF_FFFF == 0x5B44_4F4E_455D : rest & 0xFF == 0x7D
    }
}
