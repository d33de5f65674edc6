// Raw bytes, because frames are read where they were received.

import SamovarCore
import SamovarWire

/// Reads the binary protocol's replies on one connection (Protocol.md §5.3, §7, §8, §10).
struct BinaryReplies: ReplyReader {
    private struct Open: Sendable {
        /// Counts what was asked from this slot: what is late for the one before is known by it.
        var round: UInt32 = 0
        var isOpen = false
        var isStream = false
        var result: ReplyResult?
        var total: Int?
        var byteCount = 0
        /// Bytes that have come since credit was given.
        var uncredited = 0
        var end = AnswerEnd()
    }

    private var open: [Open]
    private var helloReply: HelloReply?
    private let limits = BinaryLimits()

    /// The largest payload that any server may send: a chunk of 1 MiB and 4 KiB before it (§5.3).
    static let payloadSizeMax = 1 << 20 + 4096

    private static let stranger = "this is no binary port of a sidecar"

    init(slotCount: Int) { open = [Open](repeating: Open(), count: slotCount) }

    /// The slot, from 1 on, and above it how often something was asked from it.
    mutating func asked(slot: Int, isStream: Bool) -> UInt64 {
        open[slot] = Open(round: open[slot].round &+ 1, isOpen: true, isStream: isStream)
        return UInt64(slot + 1) | UInt64(open[slot].round) << 32
    }

    mutating func gaveUp(slot: Int) { open[slot].isOpen = false }

    mutating func next(_ bytes: UnsafeRawBufferPointer, from offset: inout Int) -> ReplyEvent {
        while bytes.count - offset >= FrameHeader.byteCount {
            let header = FrameHeader(Self.words(bytes, at: offset))
            guard header.length <= Self.payloadSizeMax else {
                return .broken(helloReply == nil ? Self.stranger : "a payload of \(header.length) bytes")
            }
            guard bytes.count - offset >= header.frameByteCount else { return .needsMore }
            let payload = UnsafeRawBufferPointer(
                rebasing: bytes[offset + FrameHeader.byteCount..<offset + header.frameByteCount])
            offset += header.frameByteCount
            if let event = read(header, payload) { return event }
        }
        return .needsMore
    }

    private static func words(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> FixedPart {
        FixedPart(
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)))
    }

    /// Nil for what says nothing to us.
    private mutating func read(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) -> ReplyEvent? {
        let opcode = Opcode(rawValue: header.opcode)
        guard helloReply != nil else { return greet(header, opcode, payload) }
        switch opcode {
        case .answer, .data, .bodyNeeded: break
        case .error where header.id != 0: break
        case .error: return .broken(Self.words(ofError: payload) ?? "an ERROR that cannot be read")
        case .ping where payload.count == 8:
            var pong: [UInt8] = []
            let cookie = Array(payload)
            Frames.append(.pong, cookie: PingCookie(cookie.span.bytes), to: &pong)
            return .say(pong)
        case .pong: return nil
        case .goAway: return .leaving
        default: return .broken("a frame with opcode \(header.opcode)")
        }
        let slot = Int(truncatingIfNeeded: header.id & 0xFFFF_FFFF) - 1
        guard open.indices.contains(slot) else { return .broken("a frame for an id that was not asked") }
        // Given up, or the end of what was: passed over.
        guard open[slot].isOpen, UInt64(open[slot].round) == header.id >> 32 else { return nil }
        return read(header, opcode, payload, slot)
    }

    private mutating func read(
        _ header: FrameHeader, _ opcode: Opcode?, _ payload: UnsafeRawBufferPointer, _ slot: Int
    ) -> ReplyEvent? {
        switch opcode {
        case .bodyNeeded:
            // The id is free again, and used again with the body (§6.3).
            return .bodyNeeded(slot: slot)
        case .error: return end(slot, .failed(.status, detail: Self.words(ofError: payload)))
        case .answer:
            guard open[slot].result == nil, payload.count >= AnswerHead.byteCount,
                let bytes = readHead(payload, slot)
            else { return malformed(slot, header) }
            return take(bytes, header, slot)
        default:
            guard open[slot].result != nil else { return malformed(slot, header) }
            return take(payload, header, slot)
        }
    }

    /// Reads ANSWER up to the answer's bytes; nil where it is none, or of another form than was asked for.
    private mutating func readHead(_ payload: UnsafeRawBufferPointer, _ slot: Int) -> UnsafeRawBufferPointer? {
        let words = Self.words(payload, at: 0)
        let facts = AnswerFacts(rawValue: UInt8(truncatingIfNeeded: words.low >> 8))
        let bytesAt = AnswerHead.byteCount + Int(UInt16(truncatingIfNeeded: words.low >> 16))
        guard let result = ServeResult(wireCode: UInt8(truncatingIfNeeded: words.low)), bytesAt <= payload.count,
            facts.contains(.stream) == open[slot].isStream
        else { return nil }
        open[slot].result = ReplyResult(result)
        open[slot].total = facts.contains(.hasTotal) ? Int(words.high >> 32) : nil
        return UnsafeRawBufferPointer(rebasing: payload[bytesAt...])
    }

    private mutating func take(
        _ bytes: UnsafeRawBufferPointer, _ header: FrameHeader, _ slot: Int
    ) -> ReplyEvent? {
        open[slot].byteCount += bytes.count
        open[slot].uncredited += bytes.count
        open[slot].end.take(bytes)
        guard header.flags.contains(.end) else { return credit(header.id, slot) }
        let reply = open[slot]
        guard let result = reply.result, reply.total ?? reply.byteCount == reply.byteCount,
            reply.end.isWhole(asStream: reply.isStream)
        else { return malformed(slot, header) }
        return end(slot, .verified(result))
    }

    /// Gives back what was taken once it is half of the window (§8.2).
    private mutating func credit(_ id: UInt64, _ slot: Int) -> ReplyEvent? {
        guard let window = helloReply?.window, open[slot].uncredited >= max(1, Int(window) / 2) else { return nil }
        var frame: [UInt8] = []
        Frames.appendWindow(id: id, credit: UInt32(clamping: open[slot].uncredited), to: &frame)
        open[slot].uncredited = 0
        return .say(frame)
    }

    private mutating func malformed(_ slot: Int, _ header: FrameHeader) -> ReplyEvent {
        end(slot, .failed(.malformed))
    }

    private mutating func end(_ slot: Int, _ outcome: ReplyOutcome) -> ReplyEvent {
        open[slot].isOpen = false
        return .ended(slot: slot, outcome, byteCount: open[slot].byteCount)
    }

    private mutating func greet(
        _ header: FrameHeader, _ opcode: Opcode?, _ payload: UnsafeRawBufferPointer
    ) -> ReplyEvent {
        if opcode == .error { return .broken(Self.words(ofError: payload) ?? "an ERROR that cannot be read") }
        guard opcode == .helloReply, payload.count >= 32 else { return .broken(Self.stranger) }
        let bytes = Array(payload)
        do {
            let reply = try HelloReply(bytes.span.bytes, limits: limits)
            helloReply = reply
            return .greeted(inflightMax: Int(reply.inflightMax))
        } catch {
            return .broken(Self.stranger)
        }
    }

    /// `503 draining`.
    private static func words(ofError payload: UnsafeRawBufferPointer) -> String? {
        let bytes = Array(payload)
        guard bytes.count >= 16, let error = try? ErrorFrame(bytes.span.bytes) else { return nil }
        return "\(error.status) \(error.code?.name ?? "code \(error.rawCode)")"
    }
}

extension ReplyResult {
    init(_ result: ServeResult) {
        self =
            switch result {
            case .l1Hit, .l2Hit: .hit
            case .coalesced: .coalesced
            case .miss: .miss
            case .stale: .stale
            case .fallback: .fallback
            case .bypass, .error: .bypass
            }
    }
}
