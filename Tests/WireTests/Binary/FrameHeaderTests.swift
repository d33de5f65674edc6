import SamovarCore
import Testing

@testable import SamovarWire

@Suite("A frame's header")
struct FrameHeaderTests {
    @Test("has its fields where the picture shows them")
    func layout() {
        var bytes: [UInt8] = []
        FrameHeader(.answer, id: 0x0807_0605_0403_0201, length: 0x0403_0201, flags: [.end, .eventEnd], version: 9)
            .append(to: &bytes)
        #expect(bytes == [1, 2, 3, 4, 9, 0x90, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test("is read as it was written, with every bit of every byte")
    func roundTrip() {
        for bit in 0..<128 {
            let words = bit < 64 ? FixedPart(1 << bit, 0) : FixedPart(0, 1 << (bit - 64))
            #expect(FrameHeader(words).words == words)
        }
    }
}

@Suite("An answer's head")
struct AnswerHeadTests {
    @Test("makes a copy of a stored frame another request's reply, by overwriting what differs")
    func patch() {
        let body = Array("{\"id\":\"a\"}".utf8)
        let miss = AnswerHead(Provenance(result: .miss, stored: true), form: .body, total: body.count)
        var stored: [UInt8] = []
        miss.append(id: 1, flags: .end, bytes: body.span.bytes, to: &stored)
        let hit = AnswerHead(
            Provenance(result: .l1Hit, age: .milliseconds(12_900), remaining: .seconds(-3)), form: .body,
            total: body.count)
        var written: [UInt8] = []
        hit.append(id: .max - 1, flags: .end, bytes: body.span.bytes, to: &written)

        var copy = stored
        copy.withUnsafeMutableBytes { hit.patch($0, id: .max - 1) }

        #expect(copy == written)
        #expect(copy[..<8] == stored[..<8])
        #expect(copy[28...] == stored[28...], "only bytes 8 to 27 differ between hits")
    }

    @Test("holds times at their bounds, and keeps apart what is zero and what is not known")
    func bounds() throws {
        for (age, seconds) in [
            (Duration.seconds(-5), UInt32(0)), (.zero, 0), (.milliseconds(1_999), 1), (.seconds(1 << 40), .max),
        ] {
            let head = AnswerHead(Provenance(result: .stale, age: age, remaining: age), form: .stream)
            var bytes: [UInt8] = []
            head.append(id: 1, flags: [], bytes: [UInt8]().span.bytes, to: &bytes)
            let read = try AnswerHead.read(bytes.span.bytes.extracting(16..<bytes.count), limits: BinaryLimits()).head
            #expect(read.age == seconds)
            #expect(read.remaining == Int32(clamping: age.components.seconds))
            #expect(read.provenance.age == .seconds(seconds))
            #expect(read.provenance.stored == nil)
            #expect(read.total == nil)
        }
    }
}
