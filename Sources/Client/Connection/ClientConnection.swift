import SamovarCore
import SamovarWire

/// One connection to a sidecar, from the client's side (Protocol.md): what is in flight, what may be sent, and when it
/// must end.
///
///     greeting ──HELLO_REPLY──▶ open ──GOAWAY──▶ leaving ──the last reply──▶ over
///        └──────────────── refusal, breach, silence, end of bytes ───────────▲
///
/// Bytes and requests go in; bytes and news for those who asked come out. Every request that was sent gets exactly one
/// news that is its end, whatever the server does. O(1) a frame but for its bytes; O(requests) when time has passed.
struct ClientConnection {
    struct Settings: Sendable {
        var hello = Hello(features: [.digest, .events])
        /// The client's own; the server may allow fewer.
        var inflightMax = 256
        /// Of one gathered answer.
        var answerSizeMax = 64 << 20
        var helloTimeout = Duration.seconds(5)
        /// How long the server may take to end what was cancelled.
        var cancelTimeout = Duration.seconds(30)
        /// Where it is shorter than the server's idle_timeout.
        var silenceMax: Duration?
    }

    private enum Phase {
        case greeting(until: Instant)
        case open
        case leaving
        case over(SamovarClient.Failure?)
    }

    private let settings: Settings
    private var decoder = FrameDecoder(readingFrom: .server)
    private var phase: Phase
    private var features: Features = []
    private var frameSizeMax = 0
    private var inflightMax = 0
    private var window = 0
    private var pingInterval = Duration.zero
    private var silenceMax = Duration.zero
    private var pending: [UInt64: PendingReply] = [:]
    /// PINGs of callers, by their cookies, and until when their PONG is awaited.
    private var pings: [UInt64: Instant] = [:]
    private var lastID: UInt64 = 0
    /// No request's deadline is before it.
    private var earliestDeadline = Instant.never
    private var carry: [UInt8] = []
    private var lastReceived: Instant
    private var lastSent: Instant
    private var lastPing: Instant
    /// The first PING since something came.
    private var pingedAt: Instant?
    /// Whether the server has done more than to greet.
    private(set) var hasServed = false

    /// Callers' PINGs that may be on their way at once.
    static let pingMax = 16
    /// Pings are never closer than this, whatever the server's idle_timeout is.
    private static let pingIntervalMin = Duration.milliseconds(100)
    /// The largest chunk_size that the protocol has: what bounds our buffer.
    private static let chunkSizeMax = 1 << 20
    /// The cookie of PINGs that nobody waits for.
    private static let keepAlive = PingCookie(0)

    /// Greets: what is in the turn afterwards goes out first.
    init(settings: Settings, at now: Instant, into turn: inout ClientTurn) {
        self.settings = settings
        decoder.limits.chunkSize = Self.chunkSizeMax
        phase = .greeting(until: now.advanced(by: settings.helloTimeout))
        lastReceived = now
        lastSent = now
        lastPing = now
        turn.output += Magic.bytes
        settings.hello.append(to: &turn.output)
    }

    // MARK: How it stands

    /// Whether another request may be sent now.
    var hasPlace: Bool {
        if case .open = phase { pending.count < inflightMax } else { false }
    }
    var isGreeted: Bool {
        if case .greeting = phase { false } else { true }
    }
    /// No new requests here; those under way are finished.
    var isLeaving: Bool {
        if case .leaving = phase { true } else { false }
    }
    /// Nothing more will come of it: to be closed.
    var isOver: Bool {
        if case .over = phase { true } else { false }
    }
    /// Why it is over, where that is not the good end of one that was left.
    var failure: SamovarClient.Failure? {
        if case .over(let failure) = phase { failure } else { nil }
    }
    /// How many requests are in flight, given up or not.
    var inflightCount: Int { pending.count }

    /// When to call `tick`, if nothing happens before.
    var wakeAt: Instant {
        switch phase {
        case .greeting(let until): until
        case .open, .leaving: min(earliestDeadline, min(pingAt, silentAt))
        case .over: .never
        }
    }

    // MARK: Requests

    /// Writes a request.
    ///
    /// - Returns: its id; for a PING, which takes no place, its cookie.
    /// - Throws: where it cannot be sent here at all: it is larger than the server takes.
    /// - Precondition: `hasPlace`.
    mutating func send(
        _ question: Question, at now: Instant, into turn: inout ClientTurn
    ) throws(SamovarClient.Failure) -> UInt64 {
        precondition(hasPlace, "there is no place for it")
        guard question.payloadByteCount <= frameSizeMax else {
            throw SamovarClient.Failure(.bodyTooLarge, "the request is over the sidecar's frame_size_max")
        }
        if case .ask(let ask, _, _) = question.content, ask.options.contains(.events), !features.contains(.events) {
            throw SamovarClient.Failure(.featureNotAgreed, "the sidecar does not cut streams into events")
        }
        guard !question.isPing || pings.count < Self.pingMax else {
            throw SamovarClient.Failure(.waitingMax, "too many PINGs are on their way")
        }
        lastID += 1
        if question.isPing {
            pings[lastID] = question.deadline
        } else {
            pending[lastID] = PendingReply(question, window: window, usesDigest: features.contains(.digest))
        }
        earliestDeadline = min(earliestDeadline, question.deadline)
        question.append(id: lastID, usesDigest: features.contains(.digest), at: now, to: &turn.output)
        lastSent = now
        return lastID
    }

    /// The caller wants no more of it. Idempotent.
    mutating func cancel(_ id: UInt64, at now: Instant, into turn: inout ClientTurn) {
        giveUp(id, SamovarClient.Failure(.cancelled, "the caller cancelled"), at: now, into: &turn)
    }

    /// The reader of a stream has done with so many bytes.
    mutating func consumed(_ id: UInt64, _ byteCount: Int, at now: Instant, into turn: inout ClientTurn) {
        guard !isOver, pending[id]?.isAbandoned == false, let credit = pending[id]?.give(byteCount), credit > 0 else {
            return
        }
        Frames.appendWindow(id: id, credit: UInt32(credit), to: &turn.output)
        lastSent = now
    }

    /// Ends all of it.
    mutating func close(_ failure: SamovarClient.Failure, into turn: inout ClientTurn) {
        end(failure, requests: failure, into: &turn)
    }

    /// No more bytes will come.
    mutating func inputEnded(into turn: inout ClientTurn) {
        lose("the connection ended", into: &turn)
    }

    private mutating func giveUp(
        _ id: UInt64, _ failure: SamovarClient.Failure, at now: Instant, into turn: inout ClientTurn
    ) {
        if pings.removeValue(forKey: id) != nil { return turn.tell(id, .failed(failure)) }
        guard pending[id]?.isAbandoned == false else { return }
        let until = now.advanced(by: settings.cancelTimeout)
        pending[id]?.abandon(until: until)
        earliestDeadline = min(earliestDeadline, until)
        Frames.appendCancel(id: id, to: &turn.output)
        lastSent = now
        turn.tell(id, .failed(failure))
    }

    // MARK: Frames

    mutating func received(_ bytes: RawSpan, at now: Instant, into turn: inout ClientTurn) {
        guard !isOver else { return }
        lastReceived = now
        pingedAt = nil
        guard !carry.isEmpty else {
            let done = take(bytes, at: now, into: &turn)
            if !isOver, done < bytes.byteCount { keep(bytes.extracting(done..<bytes.byteCount)) }
            return
        }
        keep(bytes)
        guard carry.count >= decoder.neededByteCount || !isGreeted else { return }
        var whole: [UInt8] = []
        swap(&whole, &carry)
        let done = take(whole.span.bytes, at: now, into: &turn)
        guard !isOver else { return }
        whole.removeFirst(done)
        carry = whole
    }

    private mutating func keep(_ bytes: RawSpan) { bytes.withUnsafeBytes { carry.append(contentsOf: $0) } }

    private mutating func take(_ bytes: RawSpan, at now: Instant, into turn: inout ClientTurn) -> Int {
        var offset = 0
        while !isOver, let event = decoder.next(bytes, at: &offset) {
            switch event {
            case .frame(let header, let payload):
                frame(header, bytes.extracting(payload), at: now, into: &turn)
            case .refused(_, let error), .broken(let error): breach(error.message, into: &turn)
            case .foreign: breach("no sidecar's first bytes", into: &turn)
            }
        }
        if !isGreeted, FirstBytes.areForeign(bytes.extracting(offset..<bytes.byteCount)) {
            breach("no sidecar's first bytes", into: &turn)
        }
        return offset
    }

    private mutating func frame(
        _ header: FrameHeader, _ payload: RawSpan, at now: Instant, into turn: inout ClientTurn
    ) {
        do {
            switch Opcode(rawValue: header.opcode) {
            case .helloReply?: try greeted(try HelloReply(payload, limits: decoder.limits))
            case .ping?:
                Frames.append(.pong, cookie: PingCookie(payload), to: &turn.output)
                lastSent = now
            case .pong?: answered(PingCookie(payload), into: &turn)
            case .goAway?:
                _ = try GoAway(payload)
                if case .open = phase { phase = .leaving }
            case .error?: try refused(header, try ErrorFrame(payload), into: &turn)
            case .answer?, .data?, .done?, .bodyNeeded?: try reply(header, payload, at: now, into: &turn)
            default: throw PendingReply.Breach(reason: "an unexpected frame")
            }
            leaveIfDone(into: &turn)
        } catch let error as PendingReply.Breach {
            breach(error.reason, into: &turn)
        } catch let error as ProtocolError {
            breach(error.message, into: &turn)
        } catch {
            breach("an unreadable frame", into: &turn)
        }
    }

    private mutating func greeted(_ reply: HelloReply) throws(PendingReply.Breach) {
        let asked = settings.hello
        guard asked.versions.contains(reply.version), reply.features.subtracting(.admin).isSubset(of: asked.features),
            asked.window == 0 || reply.window <= asked.window, reply.chunkSize <= Self.chunkSizeMax
        else { throw PendingReply.Breach(reason: "a HELLO_REPLY to another HELLO") }
        decoder.version = reply.version
        decoder.limits.chunkSize = Int(reply.chunkSize)
        features = reply.features
        frameSizeMax = Int(reply.frameSizeMax)
        inflightMax = min(max(1, settings.inflightMax), Int(reply.inflightMax))
        window = Int(reply.window)
        let idleTimeout = Duration.milliseconds(reply.idleTimeoutMilliseconds)
        silenceMax = max(min(idleTimeout, settings.silenceMax ?? idleTimeout), Self.pingIntervalMin * 3)
        pingInterval = silenceMax / 3
        phase = .open
    }

    private mutating func answered(_ cookie: PingCookie, into turn: inout ClientTurn) {
        hasServed = true
        if pings.removeValue(forKey: cookie.word) != nil { turn.tell(cookie.word, .pong) }
    }

    private mutating func reply(
        _ header: FrameHeader, _ payload: RawSpan, at now: Instant, into turn: inout ClientTurn
    ) throws {
        let id = header.id
        guard pending[id] != nil else { throw PendingReply.Breach(reason: "a reply to nobody") }
        hasServed = true
        switch Opcode(rawValue: header.opcode) {
        case .answer?:
            let (head, metadata, bytes) = try AnswerHead.read(payload, limits: decoder.limits)
            try tell(id, try pending[id]?.begin(head, metadata), at: now, into: &turn)
            try take(payload.extracting(bytes), header, at: now, into: &turn)
        case .data?: try take(payload, header, at: now, into: &turn)
        case .done?:
            let done = try Done(payload, limits: decoder.limits)
            try tell(id, try pending[id]?.done(done), at: now, into: &turn)
        default: try bodyNeeded(id, at: now, into: &turn)
        }
    }

    private mutating func take(
        _ bytes: RawSpan, _ header: FrameHeader, at now: Instant, into turn: inout ClientTurn
    ) throws(PendingReply.Breach) {
        let id = header.id
        guard bytes.byteCount <= decoder.limits.chunkSize else {
            throw PendingReply.Breach(reason: "more bytes than chunk_size in a frame")
        }
        let event = try pending[id]?.take(
            bytes, endsEvent: header.flags.contains(.eventEnd), sizeMax: settings.answerSizeMax)
        if case .failed(let failure)? = event {
            giveUp(id, failure, at: now, into: &turn)
            if header.flags.contains(.end) { pending[id] = nil }
            return
        }
        try tell(id, event, at: now, into: &turn)
        if header.flags.contains(.end) {
            try tell(id, try pending[id]?.finish(), at: now, into: &turn)
        } else if let credit = pending[id]?.gatheredCredit(), credit > 0 {
            Frames.appendWindow(id: id, credit: UInt32(credit), to: &turn.output)
            lastSent = now
        }
    }

    /// Passes an event on to whoever still listens. One that is the end frees the id.
    private mutating func tell(
        _ id: UInt64, _ event: ReplyEvent?, at now: Instant, into turn: inout ClientTurn
    ) throws(PendingReply.Breach) {
        guard let event, let reply = pending[id] else { return }
        if event.isEnd { pending[id] = nil }
        if !reply.isAbandoned { turn.tell(id, event) }
    }

    private mutating func bodyNeeded(
        _ id: UInt64, at now: Instant, into turn: inout ClientTurn
    ) throws(PendingReply.Breach) {
        try pending[id]?.bodyNeeded()
        guard let reply = pending[id], !reply.isAbandoned else {
            pending[id] = nil
            return
        }
        guard case .open = phase else {
            pending[id] = nil
            return turn.tell(id, .failed(Self.left))
        }
        reply.question.appendBody(id: id, at: now, to: &turn.output)
        lastSent = now
    }

    private mutating func refused(
        _ header: FrameHeader, _ error: ErrorFrame, into turn: inout ClientTurn
    ) throws(PendingReply.Breach) {
        let failure = SamovarClient.Failure(error)
        guard header.id != 0 else { return end(failure, requests: failure, into: &turn) }
        guard header.flags.contains(.end), error.code != .duplicateID, let reply = pending[header.id] else {
            throw PendingReply.Breach(reason: "an ERROR that ends nothing")
        }
        hasServed = true
        pending[header.id] = nil
        if !reply.isAbandoned { turn.tell(header.id, .failed(failure)) }
    }

    // MARK: The end

    private mutating func leaveIfDone(into turn: inout ClientTurn) {
        guard isLeaving, pending.isEmpty else { return }
        end(nil, requests: Self.lost("the sidecar left"), into: &turn)
    }

    private mutating func breach(_ reason: String, into turn: inout ClientTurn) {
        let failure = SamovarClient.Failure(.protocolBreach, reason)
        end(failure, requests: failure, into: &turn)
    }

    private mutating func lose(_ reason: String, into turn: inout ClientTurn) {
        end(Self.lost(reason), requests: Self.lost(reason), into: &turn)
    }

    private static let left = SamovarClient.Failure(.draining, "the sidecar leaves")

    private static func lost(_ reason: String) -> SamovarClient.Failure {
        SamovarClient.Failure(.connectionLost, reason)
    }

    /// Tells everyone who waits, in the order in which they asked.
    private mutating func end(
        _ failure: SamovarClient.Failure?, requests: SamovarClient.Failure, into turn: inout ClientTurn
    ) {
        guard !isOver else { return }
        // What has had no word from a server that leaves may be asked again elsewhere (Protocol.md §10.4).
        let unheard = isLeaving && requests.code == .connectionLost ? Self.left : requests
        phase = .over(failure)
        let waiting = pending.filter { !$0.value.isAbandoned }.map(\.key) + pings.keys
        for id in waiting.sorted() { turn.tell(id, .failed(pending[id]?.hasBegun == true ? requests : unheard)) }
        pending = [:]
        pings = [:]
        carry = []
    }

    // MARK: Time

    /// What keeps the server from taking us for idle, and shows that it is there.
    private var pingAt: Instant {
        max(lastPing, min(lastSent, lastReceived)).advanced(by: pingInterval)
    }

    /// A PING must have gone unanswered too: bytes may lie unread for as long as this process was stopped.
    private var silentAt: Instant {
        guard let pingedAt else { return .never }
        return max(lastReceived.advanced(by: silenceMax), pingedAt.advanced(by: pingInterval))
    }

    mutating func tick(at now: Instant, into turn: inout ClientTurn) {
        switch phase {
        case .greeting(let until):
            if now >= until { lose("no greeting in time", into: &turn) }
            return
        case .over: return
        case .open, .leaving: break
        }
        if now >= silentAt { return lose("the sidecar is silent", into: &turn) }
        if now >= earliestDeadline { expire(at: now, into: &turn) }
        if !isOver, now >= pingAt {
            Frames.append(.ping, cookie: Self.keepAlive, to: &turn.output)
            (lastSent, lastPing) = (now, now)
            if pingedAt == nil { pingedAt = now }
        }
        leaveIfDone(into: &turn)
    }

    private mutating func expire(at now: Instant, into turn: inout ClientTurn) {
        let due = pending.filter { $0.value.deadline <= now }
        guard due.values.allSatisfy({ !$0.isAbandoned }) else {
            return breach("a cancelled request has had no end", into: &turn)
        }
        let failure = SamovarClient.Failure(.deadline, "the deadline has passed")
        for id in (due.map(\.key) + pings.filter { $0.value <= now }.map(\.key)).sorted() {
            giveUp(id, failure, at: now, into: &turn)
        }
        earliestDeadline = pings.values.reduce(.never, min)
        for reply in pending.values { earliestDeadline = min(earliestDeadline, reply.deadline) }
    }
}
