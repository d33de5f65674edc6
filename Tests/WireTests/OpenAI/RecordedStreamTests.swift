import Crypto
import Foundation
import SamovarCore
import TestSupport
import Testing

@testable import SamovarWire

/// A recorded stream, and what the reference decoder reads from it.
struct RecordedStream: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let expected: Expectation

    var testDescription: String { name }

    struct Expectation: Sendable {
        let events: Int
        let isDone: Bool
        /// By choice: the first 16 hex digits of SHA-256 of its text.
        let text: [String: String]
        let textCount: Int
        let reasoningCount: Int
        let finish: [String: String]
        /// By `choice.index`: name and arguments.
        let tools: [String: [String: String]]
        let usage: [String: Int]?
    }

    static let all: [RecordedStream] = {
        guard TestData.isPresent, let rows = try? TestData.objects("wire/expected-streams.jsonl") else { return [] }
        var byDigest: [String: [UInt8]] = [:]
        func add(_ bytes: [UInt8]) { byDigest[SHA256.hash(data: bytes).hexadecimal] = bytes }
        for file in ["wire/recorded-chat.jsonl.xz", "wire/recorded-responses.jsonl.xz"] {
            for exchange in (try? TestData.objects(file)) ?? [] {
                if let text = exchange["response"] as? String { add(Array(text.utf8)) }
            }
        }
        for name in ["deepseek-chat", "deepseek-reasoning", "ollama-qwen3", "openrouter-comments", "perplexity-crlf"] {
            if let bytes = try? TestData.bytes("wire/samples/\(name).sse") { add(bytes) }
        }
        return rows.compactMap { row in
            guard let digest = row["sha256"] as? String, let bytes = byDigest[digest] else { return nil }
            return RecordedStream(
                name: "\((row["path"] as? String)?.split(separator: "/").last ?? "?") \(row["i"] ?? "")", bytes: bytes,
                expected: Expectation(row))
        }
    }()
}

extension RecordedStream.Expectation {
    init(_ row: [String: Any]) {
        events = row["events"] as? Int ?? -1
        isDone = row["done"] as? Bool ?? false
        text = row["text"] as? [String: String] ?? [:]
        textCount = row["text_chars"] as? Int ?? -1
        reasoningCount = row["reasoning_chars"] as? Int ?? -1
        finish = row["finish"] as? [String: String] ?? [:]
        tools = row["tools"] as? [String: [String: String]] ?? [:]
        usage = (row["usage"] as? [String: Any])?.compactMapValues { $0 as? Int }
    }
}

/// What is left of a stream once it went through the decoder.
private struct Passage {
    var chunks: [Chunk] = []
    var completeness = Completeness()
    var events = 0
    var isDone = false

    init(_ bytes: [UInt8], pieces: Int, usageAsked: Bool = false) throws {
        var decoder = EventDecoder(eventSizeMax: 1 << 22)
        var rest = bytes[...]
        var events: [ServerSentEvent] = []
        while !rest.isEmpty {
            events += try decoder.feed(rest.prefix(pieces))
            rest = rest.dropFirst(pieces)
        }
        if let last = decoder.finish() { events.append(last) }
        for event in events {
            let read = try EventReader.read(event, usageAsked: usageAsked)
            chunks.append(read.chunk)
            completeness.observe(read.facts)
            isDone = isDone || read.facts.isDone
            if !event.data.isEmpty { self.events += 1 }
        }
    }
}

@Suite("Recorded streams", .enabled(if: TestData.isPresent, Comment(rawValue: TestData.absence)))
struct RecordedStreamTests {
    @Test("are all found")
    func found() {
        #expect(RecordedStream.all.count == 121)
    }

    @Test("replay byte for byte, keep-alives dropped", arguments: RecordedStream.all)
    func replay(stream: RecordedStream) throws {
        let passage = try Passage(stream.bytes, pieces: .max)
        let recording = Recording(form: .stream, usageAsked: false, chunks: passage.chunks)
        let replayed = try recording.rendered(withUsage: true)
        #expect(replayed == Self.withoutKeepAlives(stream.bytes))
    }

    /// Line by line, obviously right: comments go, and blank lines that end no event.
    private static func withoutKeepAlives(_ bytes: [UInt8]) -> [UInt8] {
        var kept: [UInt8] = []
        var isInEvent = false
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init).enumerated() {
            let isLast = line.offset == bytes.count { $0 == 0x0A }
            let text = line.element + (isLast ? [] : [0x0A])
            let isBlank = line.element.isEmpty || line.element == [0x0D]
            if line.element.first == UInt8(ascii: ":") || (isBlank && !isInEvent) { continue }
            isInEvent = !isBlank
            kept += text
        }
        return kept
    }

    @Test("are accepted or refused by whether they are whole, and by how they ended", arguments: RecordedStream.all)
    func verdict(stream: RecordedStream) throws {
        let verdict = try Passage(stream.bytes, pieces: .max).completeness.verdict(
            storesLength: false, storesContentFilter: false)
        if !stream.expected.isDone && stream.expected.finish.isEmpty {
            #expect(verdict == .incomplete)
        } else if stream.expected.finish.values.contains("length") {
            #expect(verdict == .pass(.length))
        } else {
            #expect(verdict == .keep)
        }
    }

    @Test("fold to what the reference reads, split at every byte", arguments: RecordedStream.all)
    func fold(stream: RecordedStream) throws {
        for pieces in [1, 7, .max] {
            let passage = try Passage(stream.bytes, pieces: pieces)
            #expect(passage.isDone == stream.expected.isDone)
            #expect(passage.events == stream.expected.events)
            guard !stream.expected.finish.isEmpty else { continue }
            let body = try Fold.body(of: passage.chunks)
            try check(body, stream.expected)
        }
    }

    private func check(_ body: [UInt8], _ expected: RecordedStream.Expectation) throws {
        let object = try #require(JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])
        let choices = try #require(object["choices"] as? [[String: Any]])
        var texts: [String: String] = [:]
        var finish: [String: String] = [:]
        var tools: [String: [String: String]] = [:]
        var (textCount, reasoningCount) = (0, 0)
        for choice in choices {
            let index = String(choice["index"] as? Int ?? 0)
            let message = choice["message"] as? [String: Any]
            let text = message?["content"] as? String ?? choice["text"] as? String ?? ""
            textCount += text.unicodeScalars.count
            if !text.isEmpty { texts[index] = String(SHA256.hash(data: Array(text.utf8)).hexadecimal.prefix(16)) }
            let reasoning = message?["reasoning_content"] as? String ?? message?["reasoning"] as? String ?? ""
            reasoningCount += reasoning.unicodeScalars.count
            finish[index] = choice["finish_reason"] as? String
            for (place, call) in ((message?["tool_calls"] as? [[String: Any]]) ?? []).enumerated() {
                let function = call["function"] as? [String: Any]
                tools["\(index).\(place)"] = [
                    "name": function?["name"] as? String ?? "", "arguments": function?["arguments"] as? String ?? "",
                ]
            }
        }
        #expect(texts == expected.text)
        #expect(textCount == expected.textCount)
        #expect(reasoningCount == expected.reasoningCount)
        #expect(finish == expected.finish)
        #expect(tools == expected.tools)
        let usage = (object["usage"] as? [String: Any])?.compactMapValues { $0 as? Int }
        #expect(usage == expected.usage)
    }

    @Test("are shown without the usage that only we asked for, at once and in pieces", arguments: RecordedStream.all)
    func withoutUsage(stream: RecordedStream) throws {
        let chunks = try Passage(stream.bytes, pieces: .max, usageAsked: true).chunks
        let recording = Recording(form: .stream, usageAsked: true, chunks: chunks)
        let shown = chunks.reduce(into: [UInt8]()) { shown, chunk in chunk.appendWithoutUsage(to: &shown) }
        #expect(try recording.chunks() == chunks)
        #expect(try recording.rendered(withUsage: true) == chunks.flatMap(\.bytes))
        #expect(try recording.rendered(withUsage: false) == shown)
        var cursor = RecordingCursor(recording, withUsage: false)
        var output = OutputBuffer()
        while try !cursor.render(into: &output, byteMax: 1_000) {}
        let bytes = output.bytes
        #expect(bytes == shown)
    }

    @Test("give an error or other bytes where they are damaged, the same on every way", arguments: RecordedStream.all)
    func damage(stream: RecordedStream) throws {
        var random = SeededGenerator(seed: UInt64(stream.bytes.count))
        let chunks = try Passage(stream.bytes, pieces: .max, usageAsked: true).chunks
        let whole = Recording(form: .stream, usageAsked: true, chunks: chunks)
        for _ in 0..<20 {
            var coded = whole.coded
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                coded[Int.random(in: 0..<coded.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let damaged = Recording(
                form: .stream, usageAsked: true, chunkCount: whole.chunkCount, rawByteCount: whole.rawByteCount,
                coded: coded)
            let all = try? damaged.rendered(withUsage: true)
            let chunks = try? damaged.chunks()
            let withoutUsage = try? damaged.rendered(withUsage: false)
            #expect(all == chunks?.flatMap(\.bytes))
            #expect((withoutUsage == nil) == (all == nil))
        }
    }

    @Test("of twenty tokens or more take at most a twentieth of their raw bytes at the median")
    func sizes() throws {
        let shares = try RecordedStream.all.compactMap { stream -> Double? in
            let passage = try Passage(stream.bytes, pieces: .max, usageAsked: true)
            guard passage.events >= 20 else { return nil }
            let recording = Recording(form: .stream, usageAsked: true, chunks: passage.chunks)
            return Double(recording.coded.count) / Double(stream.bytes.count)
        }.sorted()
        #expect(shares.count > 50)
        #expect(shares[shares.count / 2] <= 1.0 / 20)
    }

    @Test("unfold from their own body to a stream that folds to it again", arguments: RecordedStream.all)
    func unfold(stream: RecordedStream) throws {
        guard !stream.expected.finish.isEmpty else { return }
        let body = try Fold.body(of: try Passage(stream.bytes, pieces: .max).chunks)
        let kind: APIKind = String(decoding: body, as: UTF8.self).contains(#""text_completion""#) ? .completions : .chat
        let events = try Unfold(body: body, kind: kind).events(withUsage: true)
        let again = try Fold.body(of: try Passage(events, pieces: .max).chunks)
        try check(again, stream.expected)
    }
}
