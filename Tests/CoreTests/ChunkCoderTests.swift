import TestSupport
import Testing

@testable import SamovarCore

private func chunk(_ text: String, _ usage: UsagePlace = .nowhere) -> Chunk {
    Chunk(bytes: Array(text.utf8), usage: usage)
}

private func coded(_ chunks: [Chunk]) -> [UInt8] {
    Recording(form: .stream, usageAsked: true, chunks: chunks).coded
}

private func decoded(_ coded: [UInt8], raw: Int, chunks: Int) throws -> [Chunk] {
    try Recording(form: .stream, usageAsked: true, chunkCount: chunks, rawByteCount: raw, coded: coded).chunks()
}

@Suite("The stored form of chunks")
struct ChunkCoderTests {
    // Nothing of these is in the dictionary: digits and capitals only.

    @Test("begins with new bytes: 0xF1, their count in the high four bits, 0 for the end")
    func first() {
        #expect(coded([chunk("ABCDE")]) == [0xF1, 0x50] + Array("ABCDE".utf8))
        let long = String(repeating: "A1B2", count: 5)
        #expect(coded([chunk(long)]) == [0xF1, 0xF0, 5] + Array(long.utf8))
    }

    @Test("copies what came before a new piece, and what is left after it")
    func copies() {
        let chunks = [chunk("0123456789XYZ0123456789"), chunk("0123456789Q0123456789")]
        // Ten bytes from the beginning; "Q", then the rest, which begins two later than one byte for one would have it.
        #expect(coded(chunks).dropFirst(2 + 1 + 23) == [0xF1, 0x08, 0, 0x11, UInt8(ascii: "Q"), 8])
    }

    @Test("repeats the chunk before, with one hole, as a count and the new bytes")
    func repeated() throws {
        let texts = ["0123456789X0123456789", "0123456789QQ0123456789", "0123456789WERT0123456789"]
        let bytes = coded(texts.map { chunk($0) })
        #expect(bytes.suffix(5) == [4] + Array("WERT".utf8))
        #expect(try decoded(bytes, raw: 21 + 22 + 24, chunks: 3) == texts.map { chunk($0) })
    }

    @Test("repeats the chunk before, with two holes, as two counts in a byte")
    func twoHoles() throws {
        let texts = ["000000A111111B222222", "000000C111111D222222", "000000WER111111TZ222222"]
        let bytes = coded(texts.map { chunk($0) })
        #expect(bytes.suffix(6) == [0x32] + Array("WERTZ".utf8))
        #expect(try decoded(bytes, raw: 20 + 20 + 23, chunks: 3) == texts.map { chunk($0) })
    }

    @Test("writes counts at length where one of them is too large for four bits")
    func wide() throws {
        let long = "ABCDEFGHIJKLMNOPQ"
        let texts = ["000000A111111B222222", "000000C111111D222222", "000000\(long)111111T222222"]
        let bytes = coded(texts.map { chunk($0) })
        #expect(bytes.suffix(21) == [0xF0, 17, 1] + Array("\(long)T".utf8))
        #expect(try decoded(bytes, raw: 20 + 20 + 36, chunks: 3) == texts.map { chunk($0) })
    }

    @Test("says a chunk that came twice in a byte")
    func twice() {
        let bytes = coded([chunk("0123456789"), chunk("0123456789"), chunk("0123456789")])
        #expect(bytes.suffix(4) == [0xF1, 1, 0, 0])
    }

    @Test("says nothing of usage while it stays where it was, or moves with a hole behind it")
    func usageMoves() throws {
        let chunks = ["A", "BB", "CCC", "DDDD"].map {
            chunk("000000111111\($0)222222", .member(fromEnd: 10 + $0.utf8.count, count: 3))
        }
        let bytes = coded(chunks)
        #expect(bytes.suffix(5) == [4] + Array("DDDD".utf8))
        #expect(try decoded(bytes, raw: 4 * 18 + 10, chunks: 4) == chunks)
    }

    @Test("says where usage is when that changes")
    func usageChanges() {
        let chunks = [chunk("01", .whole), chunk("23", .nowhere), chunk("45", .member(fromEnd: 0, count: 2))]
        let bytes = coded(chunks)
        #expect(bytes == [0xF3, 0xF1, 0x20, 48, 49, 0xF2, 2, 50, 51, 0xF4, 0, 2, 2, 52, 53])
    }

    @Test("takes a first event mostly from the dictionary")
    func dictionary() throws {
        let event = chunk(
            #"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":9,"model":"m","choices":[{"index":0,"#
                + #""delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"# + "\n\n")
        let bytes = coded([event])
        #expect(bytes.count * 3 < event.bytes.count)
        #expect(try decoded(bytes, raw: event.bytes.count, chunks: 1) == [event])
    }

    @Test("has this dictionary, which cannot change without a new version of what is stored")
    func dictionaryIsFixed() {
        // FNV-1a, 64 bits.
        let digest = ChunkDictionary.bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01B3
        }
        #expect(ChunkDictionary.bytes.count == 1_576)
        #expect(digest == 16_822_448_105_909_020_951)
    }

    @Test(
        "refuses what no recorder writes",
        arguments: [
            [],
            // A repeat of nothing; a control byte that is none; usage outside of its chunk.
            [1, 65], [0xF5], [0xFF], [0xF4, 0, 2, 0xF1, 0x10, 65], [0xF4, 2, 0, 0xF1, 0x10, 65],
            // New bytes that are not there; a number without an end; a copy from before the beginning.
            [0xF1, 0x50, 65], [0xF1, 0xF0, 0x80, 0x80, 0x80, 0x80, 0x80, 1], [0xF1, 0x02, 2],
            // A copy behind the end of the dictionary; "all that is left" of the dictionary.
            [0xF1, 0x02, 0x81, 0x80, 0x08, 0x00], [0xF1, 0x01, 0x01],
            // More bytes than were announced.
            [0xF1, 0x20, 65, 66],
        ] as [[UInt8]])
    func refused(coded: [UInt8]) {
        #expect(throws: RecordingError.damaged) { try decoded(coded, raw: 1, chunks: 1) }
        let recording = Recording(form: .stream, usageAsked: true, chunkCount: 1, rawByteCount: 1, coded: coded)
        #expect(throws: RecordingError.damaged) { try recording.rendered(withUsage: true) }
    }

    @Test("writes nothing outside of the room that it was given", arguments: 0..<60)
    func bounds(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let texts = (0..<6).map { "00000\($0)1111\(random.next())11222222\(random.next() % 99)3333333" }
        let whole = coded(texts.map { chunk($0, .member(fromEnd: 4, count: 2)) })
        for _ in 0..<200 {
            var bytes = whole
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let room = Int.random(in: 0...400, using: &random)
            #expect(Self.isContained(bytes, room: room))
        }
    }

    /// Decodes into the middle of a field of marks and looks whether they are all there afterwards.
    private static func isContained(_ coded: [UInt8], room: Int) -> Bool {
        let (before, rounded, after) = (64, 16, 64)
        var field = [UInt8](repeating: 0xA5, count: before + room + rounded + after)
        var holes = [ChunkDecoder.Hole](repeating: .init(), count: ChunkDecoder.holeCountMax + 1)
        field.withUnsafeMutableBytes { field in
            coded.withUnsafeBytes { coded in
                holes.withUnsafeMutableBufferPointer { holes in
                    guard let begin = field.baseAddress, let holes = holes.baseAddress else { return }
                    var decoder = ChunkDecoder()
                    var (previous, made) = (0, 0)
                    while let count = try? decoder.next(
                        coded,
                        previous: UnsafeRawBufferPointer(start: begin + before + previous, count: made - previous),
                        holes: holes,
                        output: UnsafeMutableRawBufferPointer(start: begin + before + made, count: room - made))
                    {
                        (previous, made) = (made, made + count)
                        if made > room { return }
                    }
                }
            }
        }
        let last = holes[ChunkDecoder.holeCountMax]
        return field.prefix(before).allSatisfy { $0 == 0xA5 } && field.suffix(after).allSatisfy { $0 == 0xA5 }
            && last.start == 0 && last.count == 0 && last.next == 0
    }
}
