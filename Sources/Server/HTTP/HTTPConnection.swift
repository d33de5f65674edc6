import SamovarCore
import SamovarEngine
import SamovarWire

/// One HTTP/1.1 connection of the data port: whose turn it is, how its reply is framed, and when it must end.
///
/// Requests are answered one at a time and in order. What was pipelined behind one that is being served stays in
/// bytes, undecoded, and no more of it is read than `carryMax`.
struct HTTPConnection<Service: HTTPService>: ConnectionMachine {
    static var front: DataFront { .http }

    struct Limits: Sendable {
        var writeTimeout: Duration
        var keepAliveInterval: Duration
        /// How long, and how much, a caller that was refused may go on sending before it must have read why.
        var lingerMax = Duration.seconds(1)
        var lingerByteMax = 16 << 20
    }

    private enum Phase {
        case open
        /// The last reply is on its way out.
        case ending(lingers: Bool, until: Instant)
        /// It is out; what the caller still sends is dropped until it stops, so that no reset overtakes the reply.
        case lingering(until: Instant)
        case closed
    }

    /// The request that somebody else serves.
    private struct Serving {
        let number: UInt64
        let framing: Framing
        /// How the body of the reply that has begun ends; nil before its head.
        var length: ReplyFraming.Length?
        /// When the caller waits no longer.
        var deadline = Instant.never
        /// When it must have heard a sign of life.
        var keepAliveAt = Instant.never
    }

    /// What of a request decides how its reply is written.
    private struct Framing {
        let isHead: Bool
        let isHTTP11: Bool
    }

    private let service: Service
    /// Nil where nobody asks who it is.
    private let peerAddress: String?
    private let limits: Limits
    private var decoder: RequestDecoder
    private var pace: ReadPace
    private var requestIDs: RequestIDs
    private var phase = Phase.open
    private var serving: Serving?
    private var number: UInt64 = 0
    private var closesAfterReply = false
    /// What has come and is not done: a part of a request, or what was pipelined.
    private var carry: [UInt8] = []
    private var droppedByteCount = 0
    private var unsent = 0
    /// Since when the socket has taken nothing.
    private var blockedSince = Instant.never

    /// As much is read ahead of a reply.
    private static var carryMax: Int { 64 << 10 }
    /// As much is answered before the socket is asked whether it takes more.
    private static var outputMax: Int { 256 << 10 }

    init(
        service: Service, limits: Limits, decoder: RequestDecoder, pace: ReadPace, requestIDs: RequestIDs,
        peerAddress: String? = nil
    ) {
        self.service = service
        self.peerAddress = peerAddress
        self.limits = limits
        self.decoder = decoder
        self.pace = pace
        self.requestIDs = requestIDs
    }

    // MARK: Requests

    mutating func received(_ bytes: Span<UInt8>, at now: Instant, into turn: inout ConnectionTurn) {
        guard case .open = phase else { return drop(bytes.count) }
        pace.received(bytes.count)
        if carry.isEmpty {
            let done = take(bytes, at: now, into: &turn)
            guard done < bytes.count, case .open = phase else { return }
            bytes.extracting(done..<bytes.count).withUnsafeBufferPointer { carry.append(contentsOf: $0) }
        } else {
            bytes.withUnsafeBufferPointer { carry.append(contentsOf: $0) }
            takeCarry(at: now, into: &turn)
        }
    }

    /// A caller that was refused may still be sending what it has begun.
    private mutating func drop(_ byteCount: Int) {
        droppedByteCount += byteCount
        if droppedByteCount > limits.lingerByteMax { phase = .closed }
    }

    /// Goes on with what has come meanwhile.
    private mutating func takeCarry(at now: Instant, into turn: inout ConnectionTurn) {
        guard !carry.isEmpty else { return }
        var bytes: [UInt8] = []
        swap(&bytes, &carry)
        let done = take(bytes.span, at: now, into: &turn)
        guard case .open = phase, done < bytes.count else { return }
        if done > 0 { bytes.removeFirst(done) }
        carry = bytes
    }

    /// Takes requests while it is their turn; returns how many bytes are done.
    private mutating func take(_ bytes: Span<UInt8>, at now: Instant, into turn: inout ConnectionTurn) -> Int {
        var start = 0
        while canTake(turn), start < bytes.count {
            switch decoder.next(bytes, from: start) {
            case .more(let done):
                notePart(at: now)
                return start + done
            case .sayContinue(let done):
                ReplyFraming.appendContinue(to: &turn.output)
                notePart(at: now)
                return start + done
            case .request(let fields, let body, let done):
                request(fields, body, bytes, start, at: now, into: &turn)
                start += done
            case .gathered(let head, let body, let done):
                request(head, body, at: now, into: &turn)
                start += done
            case .refuse(let error):
                refuse(error, at: now, into: &turn)
                return bytes.count
            }
        }
        return start
    }

    private func canTake(_ turn: borrowing ConnectionTurn) -> Bool {
        guard case .open = phase else { return false }
        return serving == nil && unsent == 0 && turn.output.count < Self.outputMax
    }

    private mutating func notePart(at now: Instant) {
        switch decoder.progress {
        case .nothing: break
        case .head: pace.headBegan(at: now)
        case .body: pace.bodyBegan(at: now)
        }
    }

    private mutating func request(
        _ fields: HeadFields, _ body: Range<Int>, _ bytes: Span<UInt8>, _ start: Int, at now: Instant,
        into turn: inout ConnectionTurn
    ) {
        let isPlain =
            !fields[.steering].isThere && !fields[.connection].isThere && !fields.isRepeated(.authorization)
            && fields.isHTTP11
        guard isPlain, let kind = Endpoint.kind(of: fields, in: bytes, from: start) else {
            let head = RequestHead(fields, in: bytes, from: start)
            return request(head, bytes.array(body), at: now, into: &turn)
        }
        var arrival = Request.Arrival(kind: kind, body: kind == .models ? nil : bytes.array(body))
        let authorization = fields[.authorization]
        if authorization.isThere { arrival.authorization = Secret(bytes.text(authorization, from: start)) }
        answer(
            service.call(arrival, digest: nil, from: Self.front, at: now), Framing(isHead: false, isHTTP11: true),
            at: now, into: &turn)
    }

    private mutating func request(
        _ head: RequestHead, _ body: [UInt8], at now: Instant, into turn: inout ConnectionTurn
    ) {
        closesAfterReply = closesAfterReply || !head.keepsAlive
        let served: Served
        switch Endpoint(method: head.method, target: head.target) {
        case .api(let kind):
            served =
                service.call(
                    Request.Arrival(kind: kind, head: head, body: body), digest: nil, from: Self.front, at: now)
        case .other: served = service.pass(head, body, at: now)
        }
        answer(served, Framing(isHead: head.method == "HEAD", isHTTP11: head.isHTTP11), at: now, into: &turn)
    }

    private mutating func answer(
        _ served: Served, _ framing: Framing, at now: Instant, into turn: inout ConnectionTurn
    ) {
        pace.requestCompleted()
        switch served {
        case .hit(let stored, let provenance, let request):
            append(stored, provenance, request, at: now, to: &turn)
            answered(at: now)
        case .failed(let failed):
            HTTPReply.append(failed.reply, manner(framing), to: &turn.output)
            answered(at: now)
        case .serve(let job, let hidesCredential, let timeout, let streams):
            number += 1
            var serving = Serving(number: number, framing: framing)
            if let timeout { serving.deadline = now.advanced(by: timeout) }
            if streams { serving.keepAliveAt = now.advanced(by: limits.keepAliveInterval) }
            self.serving = serving
            turn.handovers.append(Handover(number: number, job: job, hidesCredential: hidesCredential, startedAt: now))
        }
    }

    /// Answers what must not be served, and ends: nothing that follows can be trusted.
    private mutating func refuse(_ error: ErrorReply, at now: Instant, into turn: inout ConnectionTurn) {
        service.refused(at: Self.front, since: now)
        if error.status == 407, let peerAddress { service.tokenFailed(from: peerAddress, at: now) }
        closesAfterReply = true
        HTTPReply.append(error, manner(Framing(isHead: false, isHTTP11: true)), to: &turn.output)
        end(lingers: true, at: now)
    }

    // MARK: Replies

    mutating func replied(_ part: ReplyPart, to number: UInt64, at now: Instant, into turn: inout ConnectionTurn) {
        guard case .open = phase, var serving, serving.number == number else { return }
        switch part {
        case .answer(let facts, let body):
            if let length = serving.length {
                ReplyFraming.appendPiece(body, length: length, to: &turn.output)
                finish(length, isCut: false, at: now, into: &turn)
            } else {
                let manner = manner(serving.framing)
                HTTPReply.appendHead(facts, .known(body.count), manner, to: &turn.output)
                if !manner.hidesBody { turn.output.append(body) }
                finished(at: now, into: &turn)
            }
        case .failed(let failed):
            if let length = serving.length {
                ReplyFraming.appendPiece(failed.reply.event, length: length, to: &turn.output)
                finish(length, isCut: true, at: now, into: &turn)
            } else {
                HTTPReply.append(failed.reply, manner(serving.framing), to: &turn.output)
                finished(at: now, into: &turn)
            }
        case .begin(let facts):
            guard serving.length == nil else { return }
            begin(&serving, facts, to: &turn)
            self.serving = serving
        case .passed(let reply):
            guard serving.length == nil else { return }
            let length = length(of: serving, status: reply.status)
            serving.length = length
            HTTPReply.appendHead(reply, length, manner(serving.framing), to: &turn.output)
            self.serving = serving
        case .piece(let bytes):
            guard let length = serving.length else { return }
            ReplyFraming.appendPiece(bytes, length: length, to: &turn.output)
            if serving.keepAliveAt != .never { serving.keepAliveAt = now.advanced(by: limits.keepAliveInterval) }
            self.serving = serving
        case .end(let isCut):
            finish(serving.length ?? .untilClose, isCut: isCut, at: now, into: &turn)
        case .done, .text:
            // Replies to orders, of which HTTP has none.
            break
        }
    }

    /// Without its last chunk a body is visibly not whole; with an error event a stream says so itself.
    private mutating func finish(
        _ length: ReplyFraming.Length, isCut: Bool, at now: Instant, into turn: inout ConnectionTurn
    ) {
        if isCut {
            serving = nil
            end(lingers: false, at: now)
        } else {
            ReplyFraming.appendLast(length, to: &turn.output)
            if length == .untilClose { closesAfterReply = true }
            finished(at: now, into: &turn)
        }
    }

    private mutating func finished(at now: Instant, into turn: inout ConnectionTurn) {
        serving = nil
        answered(at: now)
        takeCarry(at: now, into: &turn)
    }

    private mutating func answered(at now: Instant) {
        pace.answered(at: now)
        if closesAfterReply { end(lingers: false, at: now) }
    }

    /// A hit: head and body in the output itself where the body's length is known before it is made.
    private mutating func append(
        _ stored: StoredAnswer, _ provenance: Provenance, _ request: Request, at now: Instant,
        to turn: inout ConnectionTurn
    ) {
        let manner = manner(Framing(isHead: false, isHTTP11: true))
        let facts = service.facts(request, provenance, since: now)
        let recording = stored.answer.recording
        let start = turn.output.count
        do throws(Failure) {
            if let count = recording.shownByteCount(as: request.form, withUsage: request.wantsUsage) {
                HTTPReply.appendHead(facts, .known(count), manner, to: &turn.output)
                try AnswerRenderer.render(
                    recording, as: request.form, withUsage: request.wantsUsage, kind: request.kind, into: &turn.output)
            } else {
                turn.scratch.removeAll(keepingCapacity: true)
                try AnswerRenderer.render(
                    recording, as: request.form, withUsage: request.wantsUsage, kind: request.kind, into: &turn.scratch)
                HTTPReply.appendHead(facts, .known(turn.scratch.count), manner, to: &turn.output)
                turn.scratch.withUnsafeBytes { turn.output.append($0) }
            }
            turn.hits.add(stored.answer, provenance, arm: request.arm)
        } catch {
            turn.output.truncate(to: start)
            service.refused(at: Self.front, since: now)
            HTTPReply.append(ErrorReply(error, hidesCredential: true), manner, to: &turn.output)
        }
    }

    private mutating func begin(_ serving: inout Serving, _ facts: AnswerFacts, to turn: inout ConnectionTurn) {
        let length = length(of: serving, status: 200)
        serving.length = length
        HTTPReply.appendHead(facts, length, manner(serving.framing), to: &turn.output)
    }

    private func length(of serving: Serving, status: Int) -> ReplyFraming.Length {
        if serving.framing.isHead || status == 204 || status == 304 { return .noBody }
        return serving.framing.isHTTP11 ? .chunked : .untilClose
    }

    private mutating func manner(_ framing: Framing) -> HTTPReply.Manner {
        HTTPReply.Manner(requestID: requestIDs.next(), closes: closesAfterReply, hidesBody: framing.isHead)
    }

    // MARK: The socket

    mutating func wrote(unsent: Int, hasTaken: Bool, at now: Instant, into turn: inout ConnectionTurn) {
        if unsent == 0 {
            blockedSince = .never
        } else if self.unsent == 0 || hasTaken {
            blockedSince = now
        }
        self.unsent = unsent
        // The last reply has as long as it is being taken.
        if hasTaken, case .ending(let lingers, _) = phase {
            phase = .ending(lingers: lingers, until: now.advanced(by: limits.writeTimeout))
        }
        if unsent == 0, serving == nil { takeCarry(at: now, into: &turn) }
    }

    mutating func inputEnded(at now: Instant, into turn: inout ConnectionTurn) {
        // Nobody who speaks HTTP/1.1 takes half of its leave: the caller has gone, and what it asked with it.
        hangUp(into: &turn)
        switch phase {
        case .open: end(lingers: false, at: now)
        case .lingering: phase = .closed
        case .ending, .closed: break
        }
    }

    private mutating func end(lingers: Bool, at now: Instant) {
        guard case .open = phase else { return }
        carry = []
        phase = .ending(lingers: lingers, until: now.advanced(by: limits.writeTimeout))
    }

    mutating func drained(at now: Instant) {
        guard case .ending(let lingers, _) = phase else { return }
        phase = lingers ? .lingering(until: now.advanced(by: limits.lingerMax)) : .closed
    }

    mutating func leave(at now: Instant, into turn: inout ConnectionTurn) {
        closesAfterReply = true
        if serving == nil, decoder.progress == .nothing { end(lingers: false, at: now) }
    }

    mutating func closed(into turn: inout ConnectionTurn) {
        hangUp(into: &turn)
        phase = .closed
        carry = []
    }

    private mutating func hangUp(into turn: inout ConnectionTurn) {
        if let gone = serving.take() { turn.hangUps.append(gone.number) }
    }

    // MARK: Time

    mutating func tick(at now: Instant, into turn: inout ConnectionTurn) {
        switch phase {
        case .open: break
        case .ending(_, let until), .lingering(let until):
            if now >= until { phase = .closed }
            return
        case .closed: return
        }
        // A caller that takes nothing for so long is as good as gone.
        guard now < blockedUntil else { return closed(into: &turn) }
        guard var serving else { return look(at: pace.verdict(at: now), now, into: &turn) }
        if now >= serving.deadline {
            serving.deadline = .never
            turn.hangUps.append(serving.number)
        }
        if now >= serving.keepAliveAt {
            serving.keepAliveAt = now.advanced(by: limits.keepAliveInterval)
            if unsent == 0 { appendKeepAlive(&serving, to: &turn) }
        }
        self.serving = serving
    }

    private mutating func look(
        at verdict: ReadPace.Verdict, _ now: Instant, into turn: inout ConnectionTurn
    ) {
        switch verdict {
        case .wait: break
        // A slow reader may still be taking the last reply: the end comes after it.
        case .closeIdle: end(lingers: false, at: now)
        case .tooSlow:
            let error = ErrorReply(
                status: 408, message: "the request is too slow in coming (header_timeout, body_rate_min)",
                type: "invalid_request_error", code: "header_timeout")
            refuse(error, at: now, into: &turn)
        }
    }

    private mutating func appendKeepAlive(_ serving: inout Serving, to turn: inout ConnectionTurn) {
        if serving.length == nil {
            // Whether it is a miss or a follower is not known yet; that nothing stored was found is.
            let facts = AnswerFacts(provenance: Provenance(result: .miss), form: .stream, startedAt: .zero)
            begin(&serving, facts, to: &turn)
        }
        guard let length = serving.length else { return }
        ReplyFraming.appendPiece(Array(": keep-alive\n\n".utf8), length: length, to: &turn.output)
    }

    private var blockedUntil: Instant {
        blockedSince == .never ? .never : blockedSince.advanced(by: limits.writeTimeout)
    }

    var standing: ConnectionStanding {
        switch phase {
        case .open:
            let wantsRead = serving == nil && unsent == 0 || carry.count < Self.carryMax
            return ConnectionStanding(wantsRead: wantsRead, wakeAt: wakeAt)
        case .ending(_, let until): return ConnectionStanding(ending: .afterOutput, wakeAt: until)
        case .lingering(let until): return ConnectionStanding(ending: .shutOutput, wakeAt: until)
        case .closed: return ConnectionStanding(ending: .now, wantsRead: false)
        }
    }

    private var wakeAt: Instant {
        guard let serving else {
            // The verdict waits until the same point in time, whenever it is asked.
            guard case .wait(let until) = pace.verdict(at: .zero) else { return .zero }
            return min(until, blockedUntil)
        }
        return min(serving.deadline, serving.keepAliveAt, blockedUntil)
    }
}

extension RequestHead {
    /// Whether the caller means to ask more on this connection (RFC 9112, 9.3).
    var keepsAlive: Bool {
        let options = value("connection")?.lowercased().split(separator: ",").map { $0.trimmed } ?? []
        if options.contains("close") { return false }
        return isHTTP11 || options.contains("keep-alive")
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}

extension Span<UInt8> {
    fileprivate func array(_ range: Range<Int>) -> [UInt8] {
        extracting(range).withUnsafeBufferPointer { Array($0) }
    }

    fileprivate func text(_ place: HeadFields.Place, from start: Int) -> String {
        extracting(start + place.range.lowerBound..<start + place.range.upperBound).withUnsafeBufferPointer {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
