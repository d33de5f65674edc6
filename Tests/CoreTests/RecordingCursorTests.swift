import SamovarCore
import TestSupport
import Testing

@Suite("A recording's cursor")
struct RecordingCursorTests {
    /// Some events with `"usage":null`, some without, and one that is there for its usage alone.
    private static let chunks: [Chunk] =
        ["a", "bc", "", "def"].map {
            Chunk(bytes: Array(#"data: {"text":"\#($0)","usage":null}"#.utf8), usage: .member(fromEnd: 1, count: 13))
        } + [
            Chunk(bytes: Array(#"data: {"usage":{"total":7}}"#.utf8), usage: .whole), Chunk(bytes: []),
            Chunk(bytes: Array("data: [DONE]".utf8)),
        ]
    private static let recording = Recording(form: .stream, usageAsked: true, chunks: chunks)

    /// What each call of `next` appends, and whether it ends a chunk.
    private static func pieces(withUsage: Bool, byteMax: Int) throws -> [(text: String, endsChunk: Bool)] {
        var cursor = RecordingCursor(recording, withUsage: withUsage)
        var output = OutputBuffer()
        var pieces: [(String, Bool)] = []
        while let piece = try cursor.next(into: &output, byteMax: byteMax) {
            let bytes = output.bytes
            #expect(bytes.count == piece.byteCount && bytes.count <= byteMax)
            output.removeAll(keepingCapacity: true)
            pieces.append((String(decoding: bytes, as: UTF8.self), piece.endsChunk))
        }
        return pieces
    }

    @Test("gives each chunk for itself")
    func chunks() throws {
        let pieces = try Self.pieces(withUsage: true, byteMax: .max)
        #expect(pieces.map(\.text) == Self.chunks.map { String(decoding: $0.bytes, as: UTF8.self) })
        #expect(pieces.allSatisfy { $0.endsChunk })
    }

    @Test("leaves usage out for callers who did not ask, and chunks that are nothing else")
    func withoutUsage() throws {
        let pieces = try Self.pieces(withUsage: false, byteMax: .max)
        #expect(
            pieces.map(\.text) == [
                #"data: {"text":"a"}"#, #"data: {"text":"bc"}"#, #"data: {"text":""}"#, #"data: {"text":"def"}"#, "",
                "data: [DONE]",
            ])
    }

    @Test("cuts a chunk that is larger than what may be written", arguments: [1, 2, 5, 17, 18, 19, 100])
    func cut(byteMax: Int) throws {
        for withUsage in [true, false] {
            let whole = try Self.pieces(withUsage: withUsage, byteMax: .max)
            var joined: [String] = [""]
            for piece in try Self.pieces(withUsage: withUsage, byteMax: byteMax) {
                joined[joined.count - 1] += piece.text
                if piece.endsChunk { joined.append("") }
            }
            #expect(joined == whole.map(\.text) + [""])
        }
    }

    @Test("fills what may be written with as many chunks as fit", arguments: [1, 7, 40, 1_000])
    func filled(byteMax: Int) throws {
        for withUsage in [true, false] {
            var cursor = RecordingCursor(Self.recording, withUsage: withUsage)
            var output = OutputBuffer()
            var isAtEnd = false
            while !isAtEnd {
                let before = output.count
                isAtEnd = try cursor.render(into: &output, byteMax: byteMax)
                let added = output.count - before
                #expect(isAtEnd ? added <= byteMax : added == byteMax)
            }
            let bytes = output.bytes
            #expect(try bytes == Self.recording.rendered(withUsage: withUsage))
        }
    }

    @Test("says that a recording is damaged where it does not hold what it announces")
    func damaged() {
        for (chunkCount, rawByteCount) in [(6, 0), (8, 0), (7, 1), (7, -1), (7, -10_000)] {
            let recording = Recording(
                form: .stream, usageAsked: true, chunkCount: chunkCount,
                rawByteCount: Self.recording.rawByteCount + rawByteCount, coded: Self.recording.coded)
            #expect(throws: RecordingError.damaged) { try recording.chunks() }
            #expect(throws: RecordingError.damaged) { try recording.rendered(withUsage: true) }
        }
    }
}
