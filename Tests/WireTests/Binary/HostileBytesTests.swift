import SamovarCore
import TestSupport
import Testing

@testable import SamovarWire

/// What a peer can do with bytes alone. Nothing here may trap, read outside its bytes, or be believed unless valid.
@Suite("Hostile bytes")
struct HostileBytesTests {
    /// Reads everything that comes out; returns how many frames were good, checking that they are written the same.
    @discardableResult
    private func read(_ bytes: [UInt8], with start: FrameDecoder, from sender: FrameDecoder.Sender) -> Int {
        var decoder = start
        var offset = 0
        var count = 0
        while let event = decoder.next(in: bytes, at: &offset) {
            guard case .frame(let header, let payload) = event else { continue }
            guard let frame = try? ReadFrame(header, bytes.span.bytes.extracting(payload), from: sender) else {
                continue
            }
            count += 1
            let raw = Array(bytes[payload.lowerBound - FrameHeader.byteCount..<payload.upperBound])
            // One message has one spelling; but fields that may be skipped are not written again, and the flag of an
            // error follows from its code.
            if frame.rewritten.count == raw.count, Opcode(rawValue: header.opcode) != .error {
                #expect(frame.rewritten == raw)
            }
        }
        #expect(offset <= bytes.count)
        return count
    }

    @Test("survive every change of a byte in a header, and in a payload", arguments: VectorTests.frames)
    func corrupted(vector: Vector) {
        let decoder = vector.decoder
        var bytes = vector.bytes
        for index in bytes.indices {
            // All values in the header; in the payload each bit, and all of them.
            let changes = index < FrameHeader.byteCount ? [UInt8](1...255) : [1, 2, 4, 8, 16, 32, 64, 128, 255]
            for change in changes {
                bytes[index] ^= change
                read(bytes, with: decoder, from: vector.sender)
                bytes[index] ^= change
            }
        }
    }

    @Test("survive every payload that is cut and says so", arguments: VectorTests.frames)
    func shortened(vector: Vector) {
        let decoder = vector.decoder
        for count in FrameHeader.byteCount..<vector.bytes.count {
            var bytes = Array(vector.bytes[..<count])
            let length = UInt32(count - FrameHeader.byteCount)
            for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: length >> (8 * index)) }
            read(bytes, with: decoder, from: vector.sender)
        }
    }

    @Test("say no length that is believed beyond the limit", arguments: VectorTests.frames)
    func lengths(vector: Vector) {
        let limits = BinaryLimits()
        let max =
            vector.sender == .server
            ? limits.replySizeMax : vector.word("opcode") == "HELLO" ? limits.helloSizeMax : limits.frameSizeMax
        for length in [max + 1, max + 2, 1 << 24, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0, 0xFFFF_FFFF] {
            var bytes: [UInt8] = []
            var header = FrameHeader(vector.bytes.span.bytes)
            header.length = UInt32(length)
            header.append(to: &bytes)
            var decoder = vector.decoder
            var offset = 0
            let event = decoder.next(in: bytes, at: &offset)
            guard case .broken(let error) = event else {
                Issue.record("\(length) was believed")
                continue
            }
            #expect(error.code == (vector.sender == .server ? .malformedFrame : .frameTooLarge))
            let later = decoder.next(in: vector.bytes, at: &offset)
            #expect(later == nil, "nothing is read any more")
        }
    }

    @Test("of any kind are an error or a valid frame", arguments: 0..<64)
    func random(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var good = 0
        for _ in 0..<100 {
            let vector = VectorTests.frames.randomElement(using: &random) ?? VectorTests.frames[0]
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes += mutated(vector.bytes, using: &random)
            }
            good += read(bytes, with: vector.decoder, from: vector.sender)
        }
        #expect(good > 0, "a fuzzer that never passes the door tests the door")
    }

    /// Few changes, where they hurt: bytes, lengths, cuts, insertions.
    private func mutated(_ bytes: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.removeSubrange(index...)
            case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
            default:
                let extreme: [UInt8] = [0x00, 0xFF, 0x7F, 0x80]
                for place in index..<min(index + 4, bytes.count) {
                    bytes[place] = extreme.randomElement(using: &random) ?? 0
                }
            }
        }
        return bytes
    }

    @Test("that are only noise never get past the door")
    func noise() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0...100, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(read(bytes, with: FrameDecoder(readingFrom: .client), from: .client) == 0)
            read(bytes, with: FrameDecoder(readingFrom: .server), from: .server)
        }
    }
}
