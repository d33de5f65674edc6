import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Stream entry")
struct StreamEntryTests {
    private let key = Sample.key(1)
    private let form = PublishedForm(.stream, usageAsked: true)

    private func chunk(_ number: Int, usage: UsagePlace = .nowhere) -> Chunk {
        Chunk(bytes: Array("data: {\"choices\":[{\"delta\":{\"content\":\"\(number)\"}}]}\n\n".utf8), usage: usage)
    }

    private func encode(_ entry: PublishedEntry, index: UInt32 = 3) -> [UInt8] {
        StreamEntry.encode(entry, index: index, of: attempt(1), for: key, seal: Seal())
    }

    private func decode(
        _ bytes: [UInt8], of attempt: AttemptID = attempt(1), for key: RequestKey? = nil
    ) -> (entry: PublishedEntry, index: UInt32)? {
        StreamEntry.decode(bytes, of: attempt, for: key ?? self.key, seal: Seal())
    }

    private var samples: [PublishedEntry] {
        let failures: [Failure] = [
            .refused(.init(status: 429, contentType: "application/json", body: [1, 2], retryAfter: .seconds(7))),
            .refused(.init(status: 500, contentType: nil, body: [], retryAfter: nil)),
            .refused(.init(status: 503, contentType: "", body: [0], retryAfter: .zero)),
            .erred(body: Array("{\"error\":{}}".utf8)), .unreachable(reason: "no route — ¿?"),
            .timedOut(.firstToken), .timedOut(.betweenTokens), .timedOut(.total), .cut, .malformed(reason: ""),
            .tooLarge(limit: "answer_size_max"), .limited(limit: "flight_max", retryAfter: .milliseconds(1_500)),
            .lagged, .notCached, .deadline, .draining,
        ]
        return [
            .chunks(first: 0, form, [chunk(0)]),
            .chunks(
                first: 7, form,
                [
                    chunk(7), chunk(8, usage: .whole), chunk(9, usage: .member(fromEnd: 4, count: 3)),
                    Chunk(bytes: []), chunk(10),
                ]),
            .chunks(first: 0, PublishedForm(.body, usageAsked: false), [Chunk(bytes: Array("{}".utf8))]),
            .end(count: 11, form, usage: Usage(promptTokenCount: 5, completionTokenCount: 6), isStored: true),
            .end(
                count: 1, PublishedForm(.body, usageAsked: false),
                usage: Usage(promptTokenCount: 5, completionTokenCount: 0, isEstimated: true), isStored: true),
            .end(count: 0, PublishedForm(.body, usageAsked: false), usage: nil, isStored: false),
        ] + failures.flatMap { [.failed($0, isRetryable: true), .failed($0, isRetryable: false)] }
    }

    @Test("every entry comes back as it went, with its place")
    func roundTrip() {
        for (number, sample) in samples.enumerated() {
            let back = decode(encode(sample, index: UInt32(number)))
            #expect(back?.entry == sample)
            #expect(back?.index == UInt32(number))
        }
    }

    @Test("the layout is what it is said to be")
    func layout() {
        let end = encode(.end(count: 258, form, usage: nil, isStored: true), index: 5)
        #expect(
            Array(end.dropLast(Seal.tagSize)) == [1, 2, 1, 5, 0, 0, 0, 5, 0, 0, 1, 2]
                + [UInt8](repeating: 0, count: 16))
    }

    @Test("every single flipped bit, every cut and every added byte is nothing")
    func damaged() {
        for sample in samples {
            let bytes = encode(sample)
            for index in bytes.indices {
                for bit in 0..<8 {
                    var flipped = bytes
                    flipped[index] ^= 1 << UInt8(bit)
                    #expect(decode(flipped) == nil, "byte \(index), bit \(bit)")
                }
            }
            for count in bytes.indices { #expect(decode(Array(bytes[..<count])) == nil) }
            #expect(decode(bytes + [0]) == nil)
        }
    }

    @Test("an entry of another attempt, another key or another place is nothing")
    func bound() {
        let bytes = encode(samples[0])
        #expect(decode(bytes) != nil)
        #expect(decode(bytes, of: attempt(2)) == nil)
        #expect(decode(bytes, for: Sample.key(2)) == nil)
        var moved = bytes
        moved[7] = 4
        #expect(decode(moved) == nil)
    }

    @Test("what is sound and impossible is nothing")
    func impossible() {
        func sealed(_ bytes: [UInt8]) -> [UInt8] {
            Seal.tagged(bytes, as: .entry(key, attempt(1), index: 0))
        }
        let head: [UInt8] = [1, 1, 1, 0, 0, 0, 0, 0]
        let sound = encode(.chunks(first: 0, form, [chunk(0)]), index: 0)
        #expect(decode(sound) != nil)
        // No chunks; more than one entry carries; more bytes than it carries; bytes that no recorder writes.
        for numbers: [UInt8] in [
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9],
        ] {
            #expect(decode(sealed(head + numbers + [255, 255, 255])) == nil)
        }
        for code: UInt8 in [0, 1, 3, 13, 255] { #expect(decode(sealed([1, 3, 0, 0, 0, 0, 0, 0, code])) == nil) }
        #expect(decode(sealed([1, 4, 0, 0, 0, 0, 0, 0])) == nil)
        #expect(decode(sealed([1, 2, 2, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 20))) == nil)
        #expect(decode(sealed([1, 2, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 255, count: 20))) == nil)
    }

    @Test("random bytes never trap, sealed or not")
    func randomBytes() {
        for count in 0..<300 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
            #expect(decode(bytes) == nil)
            for kind: UInt8 in 1...3 {
                _ = decode(
                    Seal.tagged(
                        [1, kind, 1, 0, 0, 0, 0, 0] + bytes, as: .entry(key, attempt(1), index: 0)))
            }
        }
    }

    @Test("what is too much for one entry is split, in order and without a gap")
    func split() throws {
        let chunks = (0..<2_000).map { chunk($0) } + [Chunk(bytes: [UInt8](repeating: 7, count: 60_000))]
        let entries: [PublishedEntry] = [
            .chunks(first: 5, form, chunks), .end(count: 2_006, form, usage: nil, isStored: true),
        ]
        let pieces = try #require(StreamEntry.split(entries))
        var all: [Chunk] = []
        for piece in pieces.dropLast() {
            guard case .chunks(let first, form, let some) = piece else {
                Issue.record("not chunks")
                return
            }
            #expect(first == 5 + all.count)
            #expect(some.count <= StreamEntry.chunkMax)
            let bytes = encode(piece)
            #expect(bytes.count <= StreamEntry.byteMax + Seal.overheadMax)
            #expect(decode(bytes)?.entry == piece)
            all += some
        }
        #expect(all == chunks && pieces.last == entries.last && pieces.count > 4)
    }

    @Test("a chunk that is too large by itself is not published, one that just fits is")
    func tooLarge() throws {
        func random(_ count: Int) -> Chunk { Chunk(bytes: (0..<count).map { _ in UInt8.random(in: 0...255) }) }
        #expect(StreamEntry.split([.chunks(first: 0, form, [random(StreamEntry.rawByteMax + 1)])]) == nil)
        let entry = PublishedEntry.chunks(first: 0, form, [random(StreamEntry.rawByteMax)])
        #expect(StreamEntry.split([entry]) == [entry])
        #expect(decode(encode(entry))?.entry == entry)
    }

    @Test("the worst that fits into one entry is small enough for a reader")
    func worst() throws {
        let chunks = (0..<StreamEntry.chunkMax).map { _ in
            Chunk(
                bytes: (0..<StreamEntry.rawByteMax / StreamEntry.chunkMax).map { _ in UInt8.random(in: 0...255) },
                usage: [.nowhere, .whole, .member(fromEnd: 1, count: 2)].randomElement() ?? .nowhere)
        }
        let entry = PublishedEntry.chunks(first: 0, form, chunks)
        #expect(StreamEntry.split([entry]) == [entry])
        #expect(decode(encode(entry))?.entry == entry)
    }

    @Test("an upstream's words are bounded: a body that is too large is left out, a reason is cut")
    func bounded() {
        let body = [UInt8](repeating: 32, count: FailureCode.bodySizeMax + 1)
        let refused = Failure.refused(
            .init(status: 400, contentType: "text/plain", body: body, retryAfter: .seconds(1)))
        let left = Failure.refused(.init(status: 400, contentType: nil, body: [], retryAfter: .seconds(1)))
        #expect(decode(encode(.failed(refused, isRetryable: false)))?.entry == .failed(left, isRetryable: false))
        guard case .failed(.malformed, true) = decode(encode(.failed(.erred(body: body), isRetryable: true)))?.entry,
            case .failed(.unreachable(let reason), false) = decode(
                encode(.failed(.unreachable(reason: String(repeating: "é", count: 5_000)), isRetryable: false)))?.entry
        else {
            Issue.record("another failure")
            return
        }
        #expect(reason == String(repeating: "é", count: 512))
        let whole = Failure.refused(
            .init(status: 400, contentType: "text/plain", body: body.dropLast(), retryAfter: nil))
        #expect(decode(encode(.failed(whole, isRetryable: false)))?.entry == .failed(whole, isRetryable: false))
    }
}
