// Unsafe pointers, because requests are written into, and replies read from, the loop's own two buffers.

import Glibc
import SamovarCore
import SamovarWire

/// The binary protocol, with frames that were built beforehand: only the id is written when one is sent. Section
/// numbers are those of Protocol.md.
struct Samovar: Dialect {
    enum Question {
        /// ASK_DIGEST, and where the server says BODY_NEEDED, `learn`.
        case digest
        /// ASK.
        case body
        /// ASK with both, which makes the two known together.
        case learn
        case put
    }

    private let question: Question
    private let frames: Pieces
    private let framesWithBody: Pieces
    private let expected: Expectations

    init(_ question: Question, _ entries: Entries) {
        self.question = question
        frames = Pieces((0..<entries.count).map { Self.frame(question, entries, $0) })
        framesWithBody = Pieces(
            question == .digest ? (0..<entries.count).map { Self.frame(.learn, entries, $0) } : [])
        expected = Expectations(entries)
    }

    private static func frame(_ question: Question, _ entries: Entries, _ key: Int) -> [UInt8] {
        var frame: [UInt8] = []
        let body = entries.bodies[key]
        switch question {
        case .digest: Ask(.chat).append(.askDigest, id: 0, body: entries.digest(key).span.bytes, to: &frame)
        case .body: Ask(.chat).append(id: 0, body: body.span.bytes, to: &frame)
        case .learn:
            var metadata = Metadata()
            metadata[.bodyDigest] = entries.digest(key)
            Ask(.chat, metadata: metadata).append(id: 0, body: body.span.bytes, to: &frame)
        case .put:
            Put(.chat, form: .body)
                .append(id: 0, body: body.span.bytes, answer: entries.value(key).span.bytes, to: &frame)
        }
        return frame
    }

    func byteMax(_ count: Int) -> Int { count * max(frames.byteMax, framesWithBody.byteMax) }

    func greet(_ descriptor: Int32) throws(Fault) {
        var hello = Magic.bytes
        var metadata = Metadata()
        metadata.set(.software, "peer-load")
        if question == .put {
            guard let token = getenv("SAMOVAR_ADMIN_TOKEN") else { throw Fault("SAMOVAR_ADMIN_TOKEN is not set") }
            metadata.set(.adminToken, String(cString: token))
        }
        Hello(features: .digest, metadata: metadata).append(to: &hello)
        try Greeting.send(hello, to: descriptor)
        let header = Self.header(try Greeting.receive(FrameHeader.byteCount, from: descriptor))
        let payload = try Greeting.receive(Int(header.length), from: descriptor)
        guard header.opcode == Opcode.helloReply.rawValue, question != .digest || Self.takesDigests(payload) else {
            throw Fault("this is no agreement to be asked so: \(String(decoding: payload, as: UTF8.self))")
        }
    }

    // These two are not inlined, since Swift 6.3 cannot compile a span of an array that another call has returned.
    @inline(never)
    private static func header(_ bytes: [UInt8]) -> FrameHeader { FrameHeader(bytes.span.bytes) }

    @inline(never)
    private static func takesDigests(_ helloReply: [UInt8]) -> Bool {
        do {
            return try HelloReply(helloReply.span.bytes, limits: BinaryLimits()).features.contains(.digest)
        } catch {
            return false
        }
    }

    @inline(__always)
    func write(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int {
        var at = 0
        for index in 0..<batch.count { at &+= Self.copy(frames, batch.keys[index], as: index, to: room + at) }
        return at
    }

    func writeAgain(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int {
        var at = 0
        for index in 0..<batch.count where batch.again & (1 << UInt64(index)) != 0 {
            at += Self.copy(framesWithBody, batch.keys[index], as: index, to: room + at)
        }
        return at
    }

    /// The id is the place in the batch, from 1 on (§3.1).
    @inline(__always)
    private static func copy(
        _ frames: Pieces, _ key: UInt32, as index: Int, to room: UnsafeMutableRawPointer
    ) -> Int {
        let count = frames.copy(key, to: room)
        room.storeBytes(of: UInt64(index &+ 1).littleEndian, toByteOffset: 8, as: UInt64.self)
        return count
    }

    @inline(__always)
    func read(
        _ bytes: UnsafeRawBufferPointer, _ batch: inout Batch, _ outcome: inout Outcome
    ) throws(Fault) -> Int {
        // Length, version, opcode and flags in one word.
        let wholeAnswer = UInt64(1) << 32 | UInt64(Opcode.answer.rawValue) << 40 | UInt64(FrameFlags.end.rawValue) << 48
        var at = 0
        while bytes.count &- at >= FrameHeader.byteCount {
            let kind = bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self).littleEndian
            let id = bytes.loadUnaligned(fromByteOffset: at &+ 8, as: UInt64.self).littleEndian
            let payloadCount = Int(kind & 0xFFFF_FFFF)
            let end = at &+ FrameHeader.byteCount &+ payloadCount
            guard end <= bytes.count else { return at }
            guard id >= 1, id <= UInt64(batch.count), batch.seen & (1 << (id &- 1)) == 0 else {
                throw Fault("a frame that nothing asked for, id \(id): \(bytes.from(at).text)")
            }
            let payload = bytes.slice(at &+ FrameHeader.byteCount, payloadCount)
            if kind &- UInt64(payloadCount) == wholeAnswer, payloadCount >= AnswerHead.byteCount {
                check(payload, batch.keys[Int(id) &- 1], &outcome)
            } else if kind >> 40 & 0xFF == Opcode.bodyNeeded.rawValue {
                // Ends the request, so the id may be used for the next (§6.3).
                batch.again |= 1 << (id &- 1)
                at = end
                continue
            } else {
                try other(kind, payload, &outcome)
            }
            batch.seen |= 1 << (id &- 1)
            batch.answered &+= 1
            at = end
        }
        return at
    }

    @inline(__always)
    private func check(_ payload: UnsafeRawBufferPointer, _ key: UInt32, _ outcome: inout Outcome) {
        // The result stands first, the metadata's length at offset 2 (§7.1).
        let metadataCount = Int(payload.loadUnaligned(fromByteOffset: 2, as: UInt16.self).littleEndian)
        if payload[0] != ServeResult.l1Hit.wireCode { outcome.err("result \(payload[0]) is no L1_HIT") }
        let value = payload.from(AnswerHead.byteCount &+ metadataCount)
        if !expected.areMet(key, by: value) { outcome.err("wrong value: \(value.text)") }
    }

    /// Whatever is no answer in one frame.
    private func other(_ kind: UInt64, _ payload: UnsafeRawBufferPointer, _ outcome: inout Outcome) throws(Fault) {
        guard kind >> 48 & UInt64(FrameFlags.end.rawValue) != 0 else { throw Fault("an answer in several frames") }
        switch Opcode(rawValue: UInt8(truncatingIfNeeded: kind >> 40)) {
        case .done where question == .put: break
        case .error: outcome.err("ERROR \(payload.from(min(16, payload.count)).text)")
        default: throw Fault("a frame that is no answer: \(payload.text)")
        }
    }
}
