import TestSupport
import Testing

@testable import SamovarCore

@Suite("An output buffer")
struct OutputBufferTests {
    @Test("holds what was appended, in order")
    func appended() {
        var buffer = OutputBuffer()
        buffer.append("content-length: ")
        buffer.append(decimal: 42)
        buffer.append([13, 10])
        buffer.append([1, 2, 3, 4][1...2])
        buffer.append(7 as UInt8)
        buffer.append(integer: UInt16(0x0102).bigEndian)
        let bytes = buffer.bytes
        #expect(bytes == Array("content-length: 42\r\n".utf8) + [2, 3, 7, 1, 2])
        let count = buffer.count
        #expect(count == bytes.count)
    }

    @Test(
        "writes a number as it is printed",
        arguments: [0, 1, 9, 10, 99, 100, -1, -10, 1_234_567_890, .max, .min, 999_999_999_999_999_999])
    func decimals(value: Int) {
        var buffer = OutputBuffer()
        buffer.append(decimal: value)
        let bytes = buffer.bytes
        #expect(String(decoding: bytes, as: UTF8.self) == "\(value)")
    }

    @Test("takes in what was written into the reserved region, and no more")
    func reserved() {
        var buffer = OutputBuffer()
        buffer.append("ab")
        let region = buffer.reserve(1_000)
        #expect(region.count >= 1_000)
        region[0] = 99
        region[1] = 100
        buffer.commit(1)
        let bytes = buffer.bytes
        #expect(bytes == Array("abc".utf8))
    }

    @Test("can be written over where a length is known only afterwards")
    func patched() {
        var buffer = OutputBuffer()
        buffer.append([0, 0])
        buffer.append("xyz")
        let count = buffer.count
        buffer.withUnsafeMutableBytes { $0[1] = UInt8(count - 2) }
        buffer.truncate(to: 4)
        let bytes = buffer.bytes
        #expect(bytes == [0, 3] + Array("xy".utf8))
    }

    @Test("keeps its memory where it is told to")
    func cleared() {
        var buffer = OutputBuffer(capacity: 5_000)
        buffer.append("abc")
        buffer.removeAll(keepingCapacity: true)
        let kept = (buffer.isEmpty, buffer.capacity)
        buffer.removeAll()
        let released = (buffer.isEmpty, buffer.capacity)
        #expect(kept.0 && kept.1 == 5_000)
        #expect(released.0 && released.1 == 0)
    }

    @Test("stays as small as what waits in it, however much passes through")
    func passing() {
        var buffer = OutputBuffer()
        for _ in 0..<10_000 {
            buffer.append([UInt8](repeating: 1, count: 100))
            // Never quite empty, so that it cannot simply begin again.
            buffer.consume(buffer.count > 100 ? 100 : 0)
        }
        let capacity = buffer.capacity
        #expect(capacity < 1_000)
    }

    @Test("is the same as an array, whatever is done with it", arguments: 0..<20)
    func oracle(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var buffer = OutputBuffer()
        var array: [UInt8] = []
        for _ in 0..<2_000 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0...3:
                let more = (0..<Int.random(in: 0...90, using: &random)).map { UInt8(truncatingIfNeeded: $0) }
                buffer.append(more)
                array += more
            case 4...5:
                let count = Int.random(in: 0...array.count, using: &random)
                buffer.consume(count)
                array.removeFirst(count)
            case 6:
                let count = Int.random(in: 0...array.count, using: &random)
                buffer.truncate(to: count)
                array.removeLast(array.count - count)
            default:
                buffer.append(5 as UInt8)
                array.append(5)
            }
            let bytes = buffer.bytes
            #expect(bytes == array)
        }
    }
}
