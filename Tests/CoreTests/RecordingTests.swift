import SamovarCore
import TestSupport
import Testing

/// A stream as providers send it: everything repeats but the token, and one member is random padding.
private func stream(tokens: Int, padded: Bool, _ random: inout SeededGenerator) -> [Chunk] {
    (0..<tokens).map { index in
        let pad = (0..<Int.random(in: 1...16, using: &random)).map { _ in "abcdefgh".randomElement(using: &random)! }
        let tail = padded ? #","obfuscation":"\#(String(pad))""# : ""
        let text =
            #"data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"#
            + #""delta":{"content":"tok\#(index)"},"logprobs":null,"finish_reason":null}],"usage":null\#(tail)}"#
            + "\n\n"
        let fromEnd = text.utf8.count - (text.utf8.count - tail.utf8.count - 3)
        return Chunk(bytes: Array(text.utf8), usage: .member(fromEnd: fromEnd, count: 13))
    }
}

extension Recording {
    /// The same with some of its coded bytes changed, and perhaps cut short.
    fileprivate func damaged(_ random: inout SeededGenerator) -> Recording {
        var coded = coded
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            coded[Int.random(in: 0..<coded.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        if Bool.random(using: &random) { coded.removeLast(Int.random(in: 0..<coded.count, using: &random)) }
        return Recording(
            form: form, usageAsked: usageAsked, chunkCount: chunkCount, rawByteCount: rawByteCount, coded: coded)
    }
}

@Suite("A recording")
struct RecordingTests {
    @Test("gives back every chunk byte for byte", arguments: 0..<40)
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let chunks = stream(tokens: Int.random(in: 0...60, using: &random), padded: seed % 2 == 0, &random)
        let recording = Recording(form: .stream, usageAsked: true, chunks: chunks)
        #expect(try recording.chunks() == chunks)
        #expect(try recording.rendered(withUsage: true) == chunks.flatMap(\.bytes))
    }

    @Test("gives back random bytes too", arguments: 0..<40)
    func randomBytes(seed: UInt64) throws {
        var random = SeededGenerator(seed: 1_000 + seed)
        var chunks: [Chunk] = []
        for _ in 0..<Int.random(in: 1...20, using: &random) {
            var bytes = chunks.last?.bytes ?? []
            // Moved pieces, cut pieces, new pieces: whatever a provider may do from chunk to chunk.
            if !bytes.isEmpty, Bool.random(using: &random) {
                bytes.removeFirst(Int.random(in: 0..<bytes.count, using: &random))
            }
            bytes += (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 97...100, using: &random)
            }
            let place: UsagePlace = [.nowhere, .whole, .member(fromEnd: 0, count: bytes.count / 2)].randomElement(
                using: &random)!
            chunks.append(Chunk(bytes: bytes, usage: place))
        }
        #expect(try Recording(form: .stream, usageAsked: true, chunks: chunks).chunks() == chunks)
    }

    @Test("leaves usage out for callers who did not ask, and only where we asked for it")
    func usage() throws {
        let one = Chunk(bytes: Array(#"{"a":1,"usage":null}"#.utf8), usage: .member(fromEnd: 1, count: 13))
        let last = Chunk(bytes: Array(#"{"usage":{}}"#.utf8), usage: .whole)
        let asked = Recording(form: .stream, usageAsked: true, chunks: [one, last])
        let unasked = Recording(form: .stream, usageAsked: false, chunks: [one, last])
        #expect(String(decoding: try asked.rendered(withUsage: false), as: UTF8.self) == #"{"a":1}"#)
        #expect(try asked.rendered(withUsage: true) == one.bytes + last.bytes)
        #expect(try unasked.rendered(withUsage: false) == one.bytes + last.bytes)
    }

    @Test("takes a small part of what a stream weighs, padded or not", arguments: [true, false])
    func small(padded: Bool) {
        var random = SeededGenerator(seed: 9)
        let recording = Recording(form: .stream, usageAsked: true, chunks: stream(tokens: 100, padded: padded, &random))
        #expect(recording.coded.count * (padded ? 10 : 20) < recording.rawByteCount)
    }

    @Test("is rendered behind what is in the output already, which grows as needed", arguments: 0..<20)
    func appended(seed: UInt64) throws {
        var random = SeededGenerator(seed: 3_000 + seed)
        // Far more chunks than the coded bytes make expect: most are the same, and take a byte each.
        var chunks = stream(tokens: 40, padded: seed % 2 == 0, &random)
        chunks += repeatElement(chunks[39], count: 2_000)
        chunks.append(Chunk(bytes: Array("data: {}\n\n".utf8), usage: .whole))
        let recording = Recording(form: .stream, usageAsked: true, chunks: chunks)
        for withUsage in [true, false] {
            var expected: [UInt8] = []
            for chunk in chunks {
                if withUsage { expected += chunk.bytes } else { chunk.appendWithoutUsage(to: &expected) }
            }
            var output = OutputBuffer()
            output.append("gone")
            output.append("kept")
            output.consume(4)
            try recording.render(into: &output, withUsage: withUsage)
            let bytes = output.bytes
            #expect(bytes == Array("kept".utf8) + expected)
        }
    }

    @Test("that is damaged leaves the output as it was")
    func damagedOutput() {
        var random = SeededGenerator(seed: 1)
        let whole = Recording(form: .stream, usageAsked: true, chunks: stream(tokens: 300, padded: true, &random))
        let damaged = Recording(
            form: .stream, usageAsked: true, chunkCount: whole.chunkCount, rawByteCount: whole.rawByteCount,
            coded: whole.coded.dropLast())
        var output = OutputBuffer()
        output.append("kept")
        for withUsage in [true, false] {
            #expect(throws: RecordingError.damaged) { try damaged.render(into: &output, withUsage: withUsage) }
            let bytes = output.bytes
            #expect(bytes == Array("kept".utf8))
        }
    }

    @Test("that is damaged gives an error or other bytes, the same on every way, and never a trap", arguments: 0..<30)
    func damage(seed: UInt64) {
        var random = SeededGenerator(seed: 5_000 + seed)
        let whole = Recording(form: .stream, usageAsked: true, chunks: stream(tokens: 30, padded: true, &random))
        for _ in 0..<200 {
            let damaged = whole.damaged(&random)
            let chunks = try? damaged.chunks()
            let shown = chunks.map { chunks in
                chunks.reduce(into: [UInt8]()) { shown, chunk in chunk.appendWithoutUsage(to: &shown) }
            }
            let all = try? damaged.rendered(withUsage: true)
            let withoutUsage = try? damaged.rendered(withUsage: false)
            #expect(all == chunks?.flatMap(\.bytes))
            #expect(withoutUsage == shown)
        }
    }

    @Test("whose announced size is absurd makes no more than is there")
    func absurd() {
        let recording = Recording(
            form: .stream, usageAsked: true, chunkCount: 1, rawByteCount: .max, coded: [0xF1, 0x10, 65])
        var output = OutputBuffer()
        #expect(throws: RecordingError.damaged) { try recording.render(into: &output, withUsage: true) }
        let capacity = output.capacity
        #expect(capacity < 100_000)
    }
}

@Suite("Completeness")
struct CompletenessTests {
    private func verdict(
        _ facts: [(choice: Int, reason: String?)], done: Bool = false, error: Bool = false, storesLength: Bool = false,
        storesContentFilter: Bool = false
    ) -> Completeness.Verdict {
        var completeness = Completeness()
        for fact in facts {
            var chunk = ChunkFacts()
            chunk.choices = [ChunkFacts.Choice(index: fact.choice, finishReason: fact.reason)]
            completeness.observe(chunk)
        }
        var last = ChunkFacts()
        last.isDone = done
        last.isError = error
        completeness.observe(last)
        return completeness.verdict(storesLength: storesLength, storesContentFilter: storesContentFilter)
    }

    @Test("needs [DONE] or a finish reason for every choice seen")
    func whole() {
        #expect(verdict([(0, "stop")]) == .keep)
        #expect(verdict([(0, nil)], done: true) == .keep)
        #expect(verdict([(0, nil), (0, "tool_calls")]) == .keep)
        #expect(verdict([(0, nil)]) == .incomplete)
        #expect(verdict([(0, "stop"), (1, nil)]) == .incomplete)
        #expect(verdict([(0, "stop"), (1, nil), (1, "stop")]) == .keep)
        #expect(verdict([]) == .incomplete)
    }

    @Test("passes length and content_filter on, and stores them only where the route says so")
    func lengthAndFilter() {
        #expect(verdict([(0, "length")], done: true) == .pass(.length))
        #expect(verdict([(0, "length")], done: true, storesLength: true) == .keep)
        #expect(verdict([(0, "stop"), (1, "content_filter")]) == .pass(.contentFilter))
        #expect(verdict([(0, "content_filter")], storesContentFilter: true) == .keep)
    }

    @Test("never takes an error for an answer, even a finished one")
    func errors() {
        #expect(verdict([(0, "stop")], done: true, error: true) == .incomplete)
    }
}
