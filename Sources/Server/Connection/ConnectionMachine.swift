import SamovarCore
import SamovarEngine
import SamovarWire

/// One connection of a data port without its socket: bytes and time go in, bytes and wishes come out.
///
/// A value with no clock, task or lock in it. Whoever owns the socket drives it: a channel handler or an epoll loop.
/// After every call the driver carries out the turn (write, serve, hang up) and then does as `standing` says.
protocol ConnectionMachine: SendableMetatype {
    /// Where its requests are counted.
    static var front: DataFront { get }

    /// Bytes came. What can be answered out of memory is answered in this very turn.
    mutating func received(_ bytes: Span<UInt8>, at now: Instant, into turn: inout ConnectionTurn)
    /// The caller will send no more.
    mutating func inputEnded(at now: Instant, into turn: inout ConnectionTurn)
    /// A part of the reply to what was handed over under this number. What comes too late is dropped.
    mutating func replied(_ part: ReplyPart, to number: UInt64, at now: Instant, into turn: inout ConnectionTurn)
    /// The turn's output was handed to the socket.
    ///
    /// - Parameters:
    ///   - unsent: bytes of all there was that the socket has not taken; 0 when it would take more.
    ///   - hasTaken: whether it has taken any since the last time.
    mutating func wrote(unsent: Int, hasTaken: Bool, at now: Instant, into turn: inout ConnectionTurn)
    /// Everything has been sent. Told only to a connection that is to end after its output.
    mutating func drained(at now: Instant)
    /// `standing.wakeAt` has come.
    mutating func tick(at now: Instant, into turn: inout ConnectionTurn)
    /// The process is leaving: the connection ends after what it is doing.
    mutating func leave(at now: Instant, into turn: inout ConnectionTurn)
    /// The connection is gone, whoever ended it.
    mutating func closed(into turn: inout ConnectionTurn)

    var standing: ConnectionStanding { get }
}

/// What one event led to. Reused from event to event.
struct ConnectionTurn: ~Copyable {
    /// To be sent, in this order, before anything that comes later.
    var output = OutputBuffer()
    /// For whatever must be made before it is known how long it is.
    var scratch = OutputBuffer()
    /// To be served by somebody else.
    var handovers: [Handover] = []
    /// Whoever asked these has gone, or waits no longer.
    var hangUps: [UInt64] = []
    /// What was answered out of memory.
    var hits = HitTally()

    var isEmpty: Bool { output.isEmpty && handovers.isEmpty && hangUps.isEmpty }

    mutating func removeAll() {
        output.removeAll(keepingCapacity: true)
        handovers = []
        hangUps = []
        hits.removeAll()
    }
}

/// What a connection cannot answer by itself.
struct Handover: Sendable {
    enum Job: Sendable {
        case ask(Request)
        /// To this upstream: the one whose rule let it pass.
        case pass(PassRequest, to: String?)
        /// Nobody waits for the answer, but for what came of it.
        case warm(Request)
        case put(Request, Form, answer: [UInt8], ttl: Duration?)
        case invalidate(Request)
        case invalidateScopes([Scope])
        case stats
    }

    /// Names it on its connection.
    let number: UInt64
    let job: Job
    /// An upstream's words about our own key are not for the caller.
    let hidesCredential: Bool
    let startedAt: Instant
}

/// What a connection wants of its driver until the next event.
struct ConnectionStanding: Equatable {
    enum Ending {
        case open
        /// Send what there is, then say `drained`.
        case afterOutput
        /// Send no more, and tell the caller so; go on reading.
        case shutOutput
        case now
    }

    var ending = Ending.open
    /// False: take nothing from the socket, so that the caller feels it.
    var wantsRead = true
    var wakeAt = Instant.never
}
