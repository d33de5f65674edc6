import SamovarCore
import SamovarEngine
import SamovarWire

/// One connection of the binary port (Protocol.md): who is there, what is in flight, and when it must end.
///
/// Hits go out in the turn in which they were asked for; everything else is handed over, and its reply takes turns
/// with the others in the outbox.
struct BinaryConnection<Service: BinaryService>: ConnectionMachine {
    static var front: DataFront { .binary }

    struct Settings: Sendable {
        var guarding = Guarding()
        var limits = BinaryLimits()
        var followerLagMax = 256 << 10
        var headerTimeout = Duration.seconds(5)
        var idleTimeout = Duration.seconds(60)
        var writeTimeout = Duration.seconds(30)
        var keepAliveInterval = Duration.seconds(10)
        var pace = ReadPace.Limits()
        /// How long requests may take that are in flight when the process leaves.
        var grace = Duration.seconds(30)
    }

    private enum Phase {
        /// Magic and HELLO are awaited.
        case greeting(until: Instant)
        case open
        /// GOAWAY was said: what is in flight is finished.
        case leaving
        case ending(lingers: Bool, until: Instant)
        case lingering(until: Instant)
        case closed
    }

    /// A request whose end has not been sent.
    private struct InFlight {
        /// Under which it was handed over; nil once its reply lies whole in the outbox.
        var number: UInt64?
        var deadline = Instant.never
        var events = false
    }

    private let service: Service
    private let settings: Settings
    private var decoder: FrameDecoder
    private var pace: ReadPace
    private var phase: Phase
    private var session = BinarySession()
    private var outbox: BinaryOutbox
    private var inFlight: [UInt64: InFlight] = [:]
    /// The ids behind the numbers under which requests were handed over.
    private var ids: [UInt64: UInt64] = [:]
    private var lastNumber: UInt64 = 0
    /// What has come and is not done: a part of a frame, or frames that must wait for room in the output.
    private var carry: [UInt8] = []
    /// Whether a part of a frame has come, and its rest is awaited.
    private var isWithinFrame = false
    private var unsent = 0
    private var blockedSince = Instant.never
    private var isBacklogged = false
    private var hasInputEnded = false
    private var lastReceived: Instant
    private var lastPing = Instant.zero
    private var isPinged = false

    /// Of DATA that wait in the output: more would make a small answer wait for a large one (Protocol.md §8.1).
    private static var dataMax: Int { 64 << 10 }
    private static var lingerMax: Duration { .seconds(1) }

    init(service: Service, settings: Settings, at now: Instant) {
        self.service = service
        self.settings = settings
        decoder = FrameDecoder(readingFrom: .client, limits: settings.limits)
        pace = ReadPace(limits: settings.pace, at: now)
        phase = .greeting(until: now.advanced(by: settings.headerTimeout))
        outbox = BinaryOutbox(
            limits: .init(
                chunkSize: settings.limits.chunkSize, window: settings.limits.windowSize,
                lagMax: settings.followerLagMax))
        lastReceived = now
    }

    // MARK: Frames

    mutating func received(_ bytes: Span<UInt8>, at now: Instant, into turn: inout ConnectionTurn) {
        guard isReading else { return }
        lastReceived = now
        isPinged = false
        pace.received(bytes.count)
        if carry.isEmpty {
            let done = take(bytes.bytes, at: now, into: &turn)
            if done < bytes.count, isReading {
                bytes.extracting(done..<bytes.count).withUnsafeBufferPointer { carry.append(contentsOf: $0) }
            }
        } else {
            bytes.withUnsafeBufferPointer { carry.append(contentsOf: $0) }
            takeCarry(at: now, into: &turn)
        }
        pump(at: now, into: &turn)
    }

    private mutating func takeCarry(at now: Instant, into turn: inout ConnectionTurn) {
        guard !carry.isEmpty else { return }
        guard carry.count >= decoder.neededByteCount else { return notePart(carry.count, at: now) }
        var bytes: [UInt8] = []
        swap(&bytes, &carry)
        let done = take(bytes.span.bytes, at: now, into: &turn)
        guard isReading, done < bytes.count else { return }
        if done > 0 { bytes.removeFirst(done) }
        carry = bytes
    }

    /// Takes frames while more may be answered; returns how many bytes are done.
    private mutating func take(_ bytes: RawSpan, at now: Instant, into turn: inout ConnectionTurn) -> Int {
        var offset = 0
        isWithinFrame = false
        while isReading, unsent + turn.output.count < settings.limits.outputSizeMax {
            guard let event = decoder.next(bytes, at: &offset) else {
                notePart(bytes.byteCount - offset, at: now)
                return offset
            }
            pace.answered(at: now)
            switch event {
            case .frame(let header, let payload):
                frame(header, bytes.extracting(payload), at: now, into: &turn)
            case .refused(let header, let error):
                let isTaken = inFlight[header.id] != nil
                let error = isTaken ? ProtocolError(.duplicateID, error.fault) : error
                refuse(header.id, ErrorFrame(error), since: now, into: &turn)
            case .broken(let error):
                breakOff(ErrorFrame(error), at: now, into: &turn)
            case .foreign(let foreign):
                if let answer = foreign.answer { turn.output.append(answer) }
                end(lingers: foreign.answer != nil, at: now, into: &turn)
            }
        }
        return offset
    }

    private mutating func notePart(_ byteCount: Int, at now: Instant) {
        isWithinFrame = byteCount > 0 || decoder.isSkipping
        guard isWithinFrame else { return }
        if decoder.isSkipping || byteCount >= FrameHeader.byteCount {
            pace.bodyBegan(at: now)
        } else {
            pace.headBegan(at: now)
        }
    }

    private var isReading: Bool {
        switch phase {
        case .greeting, .open, .leaving: true
        case .ending, .lingering, .closed: false
        }
    }

    private mutating func frame(
        _ header: FrameHeader, _ payload: RawSpan, at now: Instant, into turn: inout ConnectionTurn
    ) {
        do throws(ProtocolError) {
            switch Opcode(rawValue: header.opcode) {
            case .hello?: try hello(payload, at: now, into: &turn)
            case .ping?: Frames.append(.pong, cookie: PingCookie(payload), to: &turn.output)
            case .pong?: break
            case .cancel?: cancel(header.id, into: &turn)
            case .window?: credit(header.id, try Frames.readCredit(payload))
            case .askDigest? where plainHit(header.id, payload, at: now, into: &turn): break
            case let opcode?: try request(opcode, header.id, payload, at: now, into: &turn)
            case nil: break
            }
        } catch {
            if error.closes {
                breakOff(ErrorFrame(error), at: now, into: &turn)
            } else {
                refuse(header.id, ErrorFrame(error), since: now, into: &turn)
            }
        }
    }

    private mutating func hello(
        _ payload: RawSpan, at now: Instant, into turn: inout ConnectionTurn
    ) throws(ProtocolError) {
        let hello = try Hello(payload, limits: settings.limits)
        guard settings.guarding.admits(hello.metadata.secret(.accessToken)),
            let isAdmin = service.admits(adminToken: hello.metadata.secret(.adminToken))
        else {
            if let address = settings.guarding.peerAddress { service.tokenFailed(from: address, at: now) }
            return breakOff(
                ErrorFrame(.unauthenticated, message: "a token is wrong, or missing"), at: now, into: &turn)
        }
        let reply = try HelloReply(
            to: hello, offered: [.digest, .events], isAdmin: isAdmin, limits: settings.limits,
            idleTimeout: settings.idleTimeout)
        decoder.version = reply.version
        session = BinarySession(reply, authorization: hello.metadata.secret(.authorization))
        outbox = BinaryOutbox(
            limits: .init(
                chunkSize: settings.limits.chunkSize, window: Int(reply.window), lagMax: settings.followerLagMax))
        if case .greeting = phase { phase = .open }
        reply.append(to: &turn.output)
    }

    // MARK: Requests

    /// Answers the commonest question by the shortest way: a digest with nothing beside it, whose answer is small and
    /// in memory. False: it has done nothing.
    private mutating func plainHit(
        _ id: UInt64, _ payload: RawSpan, at now: Instant, into turn: inout ConnectionTurn
    ) -> Bool {
        guard inFlight.isEmpty, case .open = phase, session.features.contains(.digest),
            let (kind, digest) = PlainDigest.read(payload),
            let hit = service.recallPlain(digest, kind, &session.caller, at: now)
        else { return false }
        let recording = hit.stored.answer.recording
        guard let total = recording.shownByteCount(as: hit.form, withUsage: hit.wantsUsage),
            total <= min(settings.limits.chunkSize, session.window)
        else { return false }
        let head = AnswerHead(hit.provenance, form: hit.form, total: total)
        guard
            Self.appendWhole(
                recording, head, Metadata(), total, withUsage: hit.wantsUsage, id, to: &turn.output)
        else {
            return false
        }
        turn.hits.add(hit.stored.answer, hit.provenance, arm: hit.arm)
        return true
    }

    private mutating func request(
        _ opcode: Opcode, _ id: UInt64, _ payload: RawSpan, at now: Instant, into turn: inout ConnectionTurn
    ) throws(ProtocolError) {
        if !inFlight.isEmpty {
            guard inFlight[id] == nil else { throw ProtocolError(.duplicateID, .idInFlight) }
            guard inFlight.count < settings.limits.inflightMax else {
                return refuse(
                    id, ErrorFrame(.inflightMax, message: "the limit inflight_max is reached"), since: now,
                    into: &turn)
            }
        }
        if case .leaving = phase {
            let error = ErrorFrame(Failure.draining, hidesCredential: true, bodySizeMax: settings.limits.chunkSize)
            return refuse(id, error, since: now, into: &turn)
        }
        guard !opcode.needsAdmin || session.isAdmin else {
            let error = ErrorFrame(.forbidden, message: "this needs the admin token in HELLO")
            return refuse(id, error, since: now, into: &turn)
        }
        switch try session.read(opcode, payload, limits: settings.limits) {
        case .ask(let arrival, let digest, let events):
            answer(service.call(arrival, digest: digest, from: Self.front, at: now), events, id, at: now, into: &turn)
        case .digest(let arrival, let digest, let events):
            guard let served = service.recall(arrival, digest, at: now), case .hit = served else {
                return Frames.appendBodyNeeded(id: id, to: &turn.output)
            }
            answer(served, events, id, at: now, into: &turn)
        case .put(let arrival, let form, let bytes, let ttl):
            answer(
                service.order(.put(arrival, form, answer: bytes, ttl: ttl), at: now), false, id, at: now, into: &turn)
        case .invalidate(.body, let arrival?, _):
            answer(service.order(.invalidate(arrival), at: now), false, id, at: now, into: &turn)
        case .invalidate(let target, _, let what):
            let name = String(decoding: what, as: UTF8.self)
            let order = Order.invalidateScope(target, name: name, authorization: session.caller.authorization)
            answer(service.order(order, at: now), false, id, at: now, into: &turn)
        case .warm(let arrival, let digest):
            answer(service.order(.warm(arrival, digest: digest), at: now), false, id, at: now, into: &turn)
        case .stats: answer(service.order(.stats, at: now), false, id, at: now, into: &turn)
        }
    }

    private mutating func answer(
        _ served: Served, _ events: Bool, _ id: UInt64, at now: Instant, into turn: inout ConnectionTurn
    ) {
        switch served {
        case .hit(let stored, let provenance, let request):
            hit(stored, provenance, request, events, id, at: now, into: &turn)
        case .failed(let failed):
            ErrorFrame(failed, bodySizeMax: settings.limits.chunkSize).append(id: id, to: &turn.output)
        case .serve(let job, let hidesCredential, let timeout, _):
            lastNumber += 1
            var request = InFlight(number: lastNumber, events: events)
            if let timeout { request.deadline = now.advanced(by: timeout) }
            inFlight[id] = request
            ids[lastNumber] = id
            turn.handovers.append(
                Handover(number: lastNumber, job: job, hidesCredential: hidesCredential, startedAt: now))
        }
    }

    /// A small answer is one frame, written where it is sent from. A large one takes turns.
    private mutating func hit(
        _ stored: StoredAnswer, _ provenance: Provenance, _ request: Request, _ events: Bool, _ id: UInt64,
        at now: Instant, into turn: inout ConnectionTurn
    ) {
        let recording = stored.answer.recording
        let facts = service.facts(request, provenance, since: now)
        let total = recording.shownByteCount(as: request.form, withUsage: request.wantsUsage)
        let isWhole = !(events && request.form == .stream)
        do throws(Failure) {
            if isWhole, let total, total <= min(settings.limits.chunkSize, session.window) {
                let head = AnswerHead(provenance, form: request.form, total: total)
                guard
                    Self.appendWhole(
                        recording, head, facts.metadata, total, withUsage: request.wantsUsage, id, to: &turn.output)
                else { throw .malformed(reason: "the recording is damaged") }
            } else if recording.form == request.form {
                open(id, events: !isWhole)
                outbox.begin(id, facts, total: total)
                outbox.append(recording, withUsage: request.wantsUsage || request.form == .body, to: id)
            } else {
                let bytes = try AnswerRenderer.render(
                    recording, as: request.form, withUsage: request.wantsUsage, kind: request.kind)
                open(id, events: !isWhole)
                outbox.begin(id, facts, total: bytes.count)
                append(bytes, form: request.form, to: id, isLive: false, at: now)
                outbox.end(id)
            }
            turn.hits.add(stored.answer, provenance, arm: request.arm)
        } catch {
            let error = ErrorFrame(error, hidesCredential: true, bodySizeMax: settings.limits.chunkSize)
            refuse(id, error, since: now, into: &turn)
        }
    }

    /// One frame with all of an answer, whose size is known. False: the recording is damaged, and nothing was written.
    private static func appendWhole(
        _ recording: Recording, _ head: AnswerHead, _ metadata: Metadata, _ total: Int, withUsage: Bool,
        _ id: UInt64, to output: inout OutputBuffer
    ) -> Bool {
        let start = output.count
        let length = AnswerHead.byteCount + metadata.byteCount + total
        FrameHeader(.answer, id: id, length: length, flags: .end).append(to: &output)
        head.append(metadata: metadata, to: &output)
        do throws(RecordingError) {
            // A body is not changed: whoever asks for one is told its usage.
            try recording.render(into: &output, withUsage: withUsage || head.form == .body)
            return true
        } catch {
            output.truncate(to: start)
            return false
        }
    }

    private mutating func open(_ id: UInt64, events: Bool) {
        if inFlight[id] == nil { inFlight[id] = InFlight(number: nil, events: events) }
        outbox.open(id, events: events)
    }

    /// Bytes of an answer, cut into events where the request wants that.
    private mutating func append(_ bytes: [UInt8], form: Form, to id: UInt64, isLive: Bool, at now: Instant) {
        guard form == .stream, inFlight[id]?.events == true else {
            _ = outbox.append(bytes, endsEvent: false, to: id, isLive: isLive, at: now)
            return
        }
        for event in EventPieces(bytes) {
            _ = outbox.append(Array(event), endsEvent: true, to: id, isLive: isLive, at: now)
        }
    }

    /// Credit may come before the reply has begun: it is added to what that begins with.
    private mutating func credit(_ id: UInt64, _ byteCount: UInt32) {
        guard let request = inFlight[id] else { return }
        if !outbox.contains(id) { outbox.open(id, events: request.events) }
        outbox.credit(id, byteCount)
    }

    private mutating func cancel(_ id: UInt64, into turn: inout ConnectionTurn) {
        guard let request = inFlight[id] else { return }
        if let number = request.number {
            ids[number] = nil
            turn.hangUps.append(number)
            inFlight[id]?.number = nil
            inFlight[id]?.deadline = .never
        }
        if !outbox.contains(id) { outbox.open(id, events: false) }
        outbox.breakOff(id, ErrorFrame(.cancelled, message: "the caller cancelled"))
    }

    // MARK: Replies

    mutating func replied(_ part: ReplyPart, to number: UInt64, at now: Instant, into turn: inout ConnectionTurn) {
        guard isReading, let id = ids[number], let request = inFlight[id] else { return }
        if !outbox.contains(id) { outbox.open(id, events: request.events) }
        switch part {
        case .begin(let facts): outbox.begin(id, facts)
        case .piece(let bytes):
            guard outbox.append(bytes, endsEvent: true, to: id, isLive: true, at: now) else {
                lag(id, number, into: &turn)
                break
            }
        case .answer(let facts, let bytes):
            outbox.begin(id, facts, total: bytes.count)
            append(bytes, form: facts.form, to: id, isLive: false, at: now)
            outbox.end(id)
            served(id, number)
        case .done(let done):
            outbox.finish(id, done)
            served(id, number)
        case .text(let bytes):
            _ = outbox.append(bytes, endsEvent: false, to: id, isLive: false, at: now)
            outbox.end(id)
            served(id, number)
        case .failed(let failed):
            outbox.breakOff(id, ErrorFrame(failed, bodySizeMax: settings.limits.chunkSize))
            served(id, number)
        case .end(let isCut):
            if isCut {
                outbox.breakOff(id, ErrorFrame(.upstreamCut, message: "the answer broke off"))
            } else {
                outbox.end(id)
            }
            served(id, number)
        case .passed: break
        }
        pump(at: now, into: &turn)
    }

    private mutating func served(_ id: UInt64, _ number: UInt64) {
        ids[number] = nil
        inFlight[id]?.number = nil
        inFlight[id]?.deadline = .never
    }

    /// A reader that does not keep up loses its answer; the others never wait for it.
    private mutating func lag(_ id: UInt64, _ number: UInt64?, into turn: inout ConnectionTurn) {
        if let number {
            served(id, number)
            turn.hangUps.append(number)
        }
        service.lagged()
        let failed = FailedReply(.lagged, hidesCredential: false)
        outbox.breakOff(id, ErrorFrame(failed, bodySizeMax: settings.limits.chunkSize))
    }

    /// Sends frames while they would not make others wait.
    private mutating func pump(at now: Instant, into turn: inout ConnectionTurn) {
        guard isReading else { return }
        while unsent + turn.output.count < Self.dataMax, let sent = outbox.appendFrame(to: &turn.output, at: now) {
            if sent.isLast { inFlight[sent.id] = nil }
        }
        endIfDone(at: now, into: &turn)
    }

    private mutating func endIfDone(at now: Instant, into turn: inout ConnectionTurn) {
        // Frames that wait for room in the output are still to be answered.
        guard inFlight.isEmpty, carry.isEmpty || isWithinFrame else { return }
        if case .leaving = phase { end(lingers: true, at: now, into: &turn) }
        if hasInputEnded { end(lingers: false, at: now, into: &turn) }
    }

    // MARK: Errors

    private mutating func refuse(
        _ id: UInt64, _ error: ErrorFrame, since startedAt: Instant, into turn: inout ConnectionTurn
    ) {
        service.refused(at: Self.front, since: startedAt)
        error.append(id: id, to: &turn.output)
    }

    /// The connection's last words.
    private mutating func breakOff(_ error: ErrorFrame, at now: Instant, into turn: inout ConnectionTurn) {
        service.refused(at: Self.front, since: now)
        error.append(id: 0, to: &turn.output)
        end(lingers: true, at: now, into: &turn)
    }

    private mutating func end(lingers: Bool, at now: Instant, into turn: inout ConnectionTurn) {
        guard isReading else { return }
        hangUp(into: &turn)
        carry = []
        isWithinFrame = false
        phase = .ending(lingers: lingers, until: now.advanced(by: settings.writeTimeout))
    }

    private mutating func hangUp(into turn: inout ConnectionTurn) {
        turn.hangUps.append(contentsOf: ids.keys)
        ids = [:]
        inFlight = [:]
    }

    // MARK: The socket

    mutating func wrote(unsent: Int, hasTaken: Bool, at now: Instant, into turn: inout ConnectionTurn) {
        if unsent == 0 {
            blockedSince = .never
        } else if self.unsent == 0 || hasTaken {
            blockedSince = now
        }
        self.unsent = unsent
        // The last words have as long as they are being taken.
        if hasTaken, case .ending(let lingers, _) = phase {
            phase = .ending(lingers: lingers, until: now.advanced(by: settings.writeTimeout))
        }
        noteBacklog(at: now)
        guard isReading, !isBacklogged else { return }
        takeCarry(at: now, into: &turn)
        if hasInputEnded, isWithinFrame { return closed(into: &turn) }
        pump(at: now, into: &turn)
    }

    private mutating func noteBacklog(at now: Instant) {
        if unsent >= settings.limits.outputSizeMax { isBacklogged = true }
        guard isBacklogged, unsent <= settings.limits.outputSizeMax / 2 else { return }
        isBacklogged = false
        // Nothing was read meanwhile: that nothing came was not the client's silence.
        lastReceived = now
        isPinged = false
    }

    mutating func inputEnded(at now: Instant, into turn: inout ConnectionTurn) {
        switch phase {
        case .lingering: phase = .closed
        case .ending, .closed: break
        case .greeting: closed(into: &turn)
        case .open, .leaving:
            // Within a frame the client is gone; between two it has asked all that it will (Protocol.md §10.5), though
            // not all of it may have been answered for want of room.
            guard !isWithinFrame else { return closed(into: &turn) }
            hasInputEnded = true
            ping(at: now, into: &turn)
            endIfDone(at: now, into: &turn)
        }
    }

    mutating func drained(at now: Instant) {
        guard case .ending(let lingers, _) = phase else { return }
        phase = lingers ? .lingering(until: now.advanced(by: Self.lingerMax)) : .closed
    }

    mutating func leave(at now: Instant, into turn: inout ConnectionTurn) {
        switch phase {
        case .greeting: end(lingers: false, at: now, into: &turn)
        case .open:
            phase = .leaving
            GoAway(reason: GoAway.draining, graceMilliseconds: UInt32(clamping: settings.grace.milliseconds))
                .append(to: &turn.output)
            endIfDone(at: now, into: &turn)
        case .leaving, .ending, .lingering, .closed: break
        }
    }

    mutating func closed(into turn: inout ConnectionTurn) {
        hangUp(into: &turn)
        phase = .closed
        carry = []
        isWithinFrame = false
    }

    private mutating func ping(at now: Instant, into turn: inout ConnectionTurn) {
        lastPing = now
        Frames.append(.ping, cookie: PingCookie(UInt64(bitPattern: now.nanoseconds)), to: &turn.output)
    }

    // MARK: Time

    mutating func tick(at now: Instant, into turn: inout ConnectionTurn) {
        switch phase {
        case .greeting(let until):
            if now >= until { tooSlow(at: now, into: &turn) }
            return
        case .ending(_, let until), .lingering(let until):
            if now >= until { phase = .closed }
            return
        case .closed: return
        case .open, .leaving: break
        }
        guard now < blockedUntil else { return closed(into: &turn) }
        if isWithinFrame, case .tooSlow = pace.verdict(at: now) { return tooSlow(at: now, into: &turn) }
        expire(at: now, into: &turn)
        if now >= silenceAt { lookAtSilence(at: now, into: &turn) }
        pump(at: now, into: &turn)
    }

    private mutating func tooSlow(at now: Instant, into turn: inout ConnectionTurn) {
        breakOff(
            ErrorFrame(.tooSlow, message: "too slow in coming (header_timeout, body_rate_min)"), at: now, into: &turn)
    }

    /// Requests whose own deadline has passed, and answers whose reader has given no credit for too long.
    private mutating func expire(at now: Instant, into turn: inout ConnectionTurn) {
        for (id, request) in inFlight where request.deadline <= now {
            inFlight[id]?.deadline = .never
            if let number = request.number { turn.hangUps.append(number) }
        }
        for id in outbox.starved(since: now.advanced(by: .zero - settings.writeTimeout)) {
            lag(id, inFlight[id]?.number, into: &turn)
        }
    }

    /// When it next means something that nothing comes.
    private var silenceAt: Instant {
        if hasInputEnded { return lastPing.advanced(by: settings.keepAliveInterval) }
        // Nothing is read, so nothing can come; and whoever is sending a frame is held to its pace.
        if isBacklogged || (inFlight.isEmpty && isWithinFrame) { return .never }
        let silent = inFlight.isEmpty || isPinged ? settings.idleTimeout : settings.idleTimeout / 2
        return lastReceived.advanced(by: silent)
    }

    private mutating func lookAtSilence(at now: Instant, into turn: inout ConnectionTurn) {
        if hasInputEnded {
            ping(at: now, into: &turn)
        } else if inFlight.isEmpty {
            GoAway(reason: GoAway.idle).append(to: &turn.output)
            end(lingers: true, at: now, into: &turn)
        } else if isPinged {
            closed(into: &turn)
        } else {
            isPinged = true
            ping(at: now, into: &turn)
        }
    }

    private var blockedUntil: Instant {
        blockedSince == .never ? .never : blockedSince.advanced(by: settings.writeTimeout)
    }

    var standing: ConnectionStanding {
        switch phase {
        case .greeting(let until): ConnectionStanding(wantsRead: !isBacklogged, wakeAt: until)
        case .open, .leaving: ConnectionStanding(wantsRead: !isBacklogged && !hasInputEnded, wakeAt: wakeAt)
        case .ending(_, let until): ConnectionStanding(ending: .afterOutput, wakeAt: until)
        case .lingering(let until): ConnectionStanding(ending: .shutOutput, wakeAt: until)
        case .closed: ConnectionStanding(ending: .now, wantsRead: false)
        }
    }

    private var wakeAt: Instant {
        var wakeAt = min(blockedUntil, silenceAt)
        // The verdict waits until the same point in time, whenever it is asked.
        if isWithinFrame, case .wait(let until) = pace.verdict(at: .zero) { wakeAt = min(wakeAt, until) }
        guard !inFlight.isEmpty else { return wakeAt }
        for request in inFlight.values where request.deadline < wakeAt { wakeAt = request.deadline }
        let starved = outbox.starvedSince
        return starved == .never ? wakeAt : min(wakeAt, starved.advanced(by: settings.writeTimeout))
    }
}
