import DequeModule
import SamovarCore
import SamovarEngine
import SamovarWire

/// The replies of one binary connection that are not sent yet: whose turn it is, and how much each may send.
///
/// Replies take turns, one frame each (Protocol.md §8.1); an answer spends its reader's credit (§8.2). Everything is
/// O(1) a frame but for its bytes.
struct BinaryOutbox {
    struct Limits {
        var chunkSize: Int
        /// The credit with which each reply begins.
        var window: Int
        /// `follower_lag_max`: how far an answer may run ahead of its reader's credit.
        var lagMax: Int
    }

    /// A reply that has begun, or is to begin with its next frame.
    fileprivate struct Outgoing {
        var credit: Int
        /// Whether each event has frames of its own.
        let hasEvents: Bool
        /// What the first frame says; nil once it has been sent, and for what has no head.
        var head: (facts: AnswerFacts, total: Int?)?
        var pieces: Deque<Piece> = []
        var waitingByteCount = 0
        /// A stored answer, made as it is sent.
        var stored: StoredReader?
        var ending: Ending?
        var isQueued = false
        /// Since when bytes have waited for credit.
        var starvedSince = Instant.never
    }

    fileprivate struct Piece {
        var bytes: [UInt8]
        var offset = 0
        let endsEvent: Bool
    }

    fileprivate enum Ending {
        case whole
        case done(Done)
        case broken(ErrorFrame)
    }

    fileprivate final class StoredReader {
        var cursor: RecordingCursor
        var isDone = false

        init(_ recording: Recording, withUsage: Bool) { cursor = RecordingCursor(recording, withUsage: withUsage) }
    }

    private let limits: Limits
    private var replies: [UInt64: Outgoing] = [:]
    /// Those that have a frame to send, in the order of their turns.
    private var ready: Deque<UInt64> = []

    init(limits: Limits) { self.limits = limits }

    var isEmpty: Bool { replies.isEmpty }
    func contains(_ id: UInt64) -> Bool { replies[id] != nil }

    // MARK: What is to be sent

    /// A reply of which more will come: its credit counts from now.
    mutating func open(_ id: UInt64, events: Bool) {
        replies[id] = Outgoing(credit: limits.window, hasEvents: events)
    }

    /// What the reply's first frame says.
    mutating func begin(_ id: UInt64, _ facts: AnswerFacts, total: Int? = nil) {
        replies[id]?.head = (facts, total)
        queue(id)
    }

    /// The answer's next bytes. False: they run too far ahead of the reader, and are not taken.
    mutating func append(_ bytes: [UInt8], endsEvent: Bool, to id: UInt64, isLive: Bool, at now: Instant) -> Bool {
        guard !bytes.isEmpty, var reply = replies[id] else { return true }
        guard !isLive || reply.waitingByteCount + bytes.count <= limits.lagMax + max(0, reply.credit) else {
            return false
        }
        reply.pieces.append(Piece(bytes: bytes, endsEvent: endsEvent))
        reply.waitingByteCount += bytes.count
        replies[id] = reply
        queue(id)
        noteStarving(id, at: now)
        return true
    }

    /// A stored answer, as its whole rest.
    mutating func append(_ recording: Recording, withUsage: Bool, to id: UInt64) {
        replies[id]?.stored = StoredReader(recording, withUsage: withUsage)
        replies[id]?.ending = .whole
        queue(id)
    }

    mutating func end(_ id: UInt64) {
        replies[id]?.ending = .whole
        queue(id)
    }

    /// The reply ends with this error, without what has not been sent of it.
    mutating func breakOff(_ id: UInt64, _ error: ErrorFrame) {
        replies[id]?.pieces = []
        replies[id]?.waitingByteCount = 0
        replies[id]?.stored = nil
        replies[id]?.head = nil
        replies[id]?.starvedSince = .never
        replies[id]?.ending = .broken(error)
        queue(id)
    }

    mutating func finish(_ id: UInt64, _ done: Done) {
        replies[id]?.ending = .done(done)
        queue(id)
    }

    mutating func credit(_ id: UInt64, _ byteCount: UInt32) {
        guard var reply = replies[id] else { return }
        reply.credit = min(reply.credit + Int(byteCount), Int(Int32.max))
        reply.starvedSince = .never
        replies[id] = reply
        queue(id)
    }

    // MARK: Sending

    /// One frame of whoever's turn it is; nil where nobody has any. An id that has had its end is free again.
    mutating func appendFrame(to output: inout OutputBuffer, at now: Instant) -> Sent? {
        while let id = ready.popFirst() {
            guard var reply = replies[id] else { continue }
            reply.isQueued = false
            let end = appendFrame(of: &reply, id, to: &output)
            if end {
                replies[id] = nil
            } else {
                replies[id] = reply
                queue(id)
                noteStarving(id, at: now)
            }
            return Sent(id: id, isLast: end)
        }
        return nil
    }

    struct Sent {
        let id: UInt64
        let isLast: Bool
    }

    /// Appends one frame; returns whether it was the reply's last.
    private func appendFrame(of reply: inout Outgoing, _ id: UInt64, to output: inout OutputBuffer) -> Bool {
        switch reply.ending {
        case .broken(let error)?:
            error.append(id: id, to: &output)
            return true
        case .done(let done)?:
            done.append(id: id, to: &output)
            return true
        case .whole?, nil: break
        }
        let start = output.count
        let opcode: Opcode = reply.head == nil ? .data : .answer
        FrameHeader(opcode, id: id, length: 0).append(to: &output)
        if let (facts, total) = reply.head.take() {
            facts.appendHead(total: total, to: &output)
        }
        let byteMax = max(0, min(limits.chunkSize, reply.credit))
        let bytesStart = output.count
        var flags: FrameFlags = []
        let isDone: Bool
        do throws(RecordingError) {
            isDone =
                try reply.stored.map { reader throws(RecordingError) in
                    try Self.appendStored(reader, events: reply.hasEvents, byteMax, &flags, to: &output)
                } ?? Self.appendPieces(&reply, byteMax, &flags, to: &output)
        } catch {
            // Half of it may be out: this is the error that cuts it.
            output.truncate(to: start)
            ErrorFrame(.upstreamMalformed, message: "the recording is damaged").append(id: id, to: &output)
            return true
        }
        reply.credit -= output.count - bytesStart
        if isDone, reply.ending != nil { flags.insert(.end) }
        let length = output.count - start - FrameHeader.byteCount
        let header = FrameHeader(opcode, id: id, length: length, flags: flags)
        output.withUnsafeMutableBytes { header.words.store(to: $0, at: start) }
        return flags.contains(.end)
    }

    private static func appendStored(
        _ reader: StoredReader, events: Bool, _ byteMax: Int, _ flags: inout FrameFlags, to output: inout OutputBuffer
    ) throws(RecordingError) -> Bool {
        guard byteMax > 0 else { return false }
        guard events else { return try reader.cursor.render(into: &output, byteMax: byteMax) }
        // A chunk of which nothing is shown is no event: a frame without payload would be the end.
        guard try !reader.cursor.isAtEnd(), let piece = try reader.cursor.next(into: &output, byteMax: byteMax) else {
            return true
        }
        if piece.endsChunk { flags.insert(.eventEnd) }
        return try reader.cursor.isAtEnd()
    }

    private static func appendPieces(
        _ reply: inout Outgoing, _ byteMax: Int, _ flags: inout FrameFlags, to output: inout OutputBuffer
    ) -> Bool {
        var room = byteMax
        while room > 0, var piece = reply.pieces.popFirst() {
            let count = min(room, piece.bytes.count - piece.offset)
            output.append(piece.bytes[piece.offset..<piece.offset + count])
            piece.offset += count
            room -= count
            reply.waitingByteCount -= count
            guard piece.offset == piece.bytes.count else {
                reply.pieces.prepend(piece)
                break
            }
            if reply.hasEvents, piece.endsEvent {
                flags.insert(.eventEnd)
                break
            }
        }
        return reply.pieces.isEmpty
    }

    private mutating func queue(_ id: UInt64) {
        guard var reply = replies[id], !reply.isQueued, reply.hasFrame else { return }
        reply.isQueued = true
        replies[id] = reply
        ready.append(id)
    }

    // MARK: Time

    private mutating func noteStarving(_ id: UInt64, at now: Instant) {
        guard let reply = replies[id], reply.isStarving, reply.starvedSince == .never else { return }
        replies[id]?.starvedSince = now
    }

    /// Since when the one has waited that waits longest for its reader's credit.
    var starvedSince: Instant {
        var first = Instant.never
        for reply in replies.values where reply.starvedSince < first { first = reply.starvedSince }
        return first
    }

    /// Replies that have waited for credit since then or longer.
    func starved(since: Instant) -> [UInt64] {
        replies.filter { $0.value.starvedSince <= since }.map(\.key)
    }
}

extension BinaryOutbox.Outgoing {
    fileprivate var hasBytes: Bool { stored != nil || !pieces.isEmpty }

    fileprivate var hasFrame: Bool {
        if case .broken? = ending { return true }
        if head != nil { return true }
        return hasBytes ? credit > 0 : ending != nil
    }

    fileprivate var isStarving: Bool { head == nil && hasBytes && credit <= 0 }
}

extension AnswerFacts {
    /// ANSWER's fixed part and metadata.
    func appendHead(total: Int?, to output: inout OutputBuffer) {
        AnswerHead(provenance, form: form, total: total).append(metadata: metadata, to: &output)
    }

    /// ANSWER's fields.
    var metadata: Metadata {
        var metadata = Metadata()
        if let tenant { metadata.set(.tenant, tenant) }
        return metadata
    }
}
