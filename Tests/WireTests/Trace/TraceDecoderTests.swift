import SamovarCore
import SamovarWire
import TestSupport
import Testing

@Suite("Reading traces")
struct TraceDecoderTests {
    /// All requests, read in pieces of this size.
    static func requests(
        _ bytes: [UInt8], _ format: TraceFormat, pieceSize: Int = 1 << 20, timeUnit: Duration = .seconds(1)
    ) throws -> [TraceRequest] {
        var requests: [TraceRequest] = []
        var decoder = TraceDecoder(format, timeUnit: timeUnit)
        for start in stride(from: 0, to: bytes.count, by: pieceSize) {
            try decoder.read(Array(bytes[start..<min(start + pieceSize, bytes.count)])) { requests.append($0) }
        }
        try decoder.finish { requests.append($0) }
        return requests
    }

    private static func read(_ text: String, _ format: TraceFormat) throws -> [TraceRequest] {
        try requests(Array(text.utf8), format)
    }

    @Test("each format is read as it is written, whatever the pieces", arguments: [1, 2, 3, 7, 1_000])
    func formats(pieceSize: Int) throws {
        func read(_ bytes: [UInt8], _ format: TraceFormat) throws -> [TraceRequest] {
            try Self.requests(bytes, format, pieceSize: pieceSize)
        }
        #expect(try read([0, 0, 0, 1, 0xFF, 0, 0, 0], .keys32).map(\.object) == [.init(1), .init(0xFF00_0000)])
        #expect(try read([0, 0, 0, 1, 0xFF, 0, 0, 0], .keys64).map(\.object) == [.init(0x0000_0001_FF00_0000)])
        #expect(try read(Array("5\n*\r\n 6 \n\n7".utf8), .lines).map(\.object) == [.init(5), .init(6), .init(7)])
        #expect(try read(Array("10 3 2 0\n".utf8), .ranges).map(\.object) == [.init(10), .init(11), .init(12)])
        let sized = try read(Array("9 1 20\n11 1 30".utf8), .sized)
        #expect(sized.map(\.object) == [.init(1), .init(1)])
        #expect(sized.map(\.size) == [20, 30] && sized.map(\.time) == [.seconds(9), .seconds(11)])
        #expect(try read(Array("9 1 20\n".utf8), .sizedObjects).map(\.object) == [.init(1, 20)])
        let log = try read(Array("{\"key\":\"a\",\"time\":1.5}\n\n{\"key\":\"\\u0061\"}\n".utf8), .log)
        #expect(log.count == 2 && log[0].object == log[1].object && log[0].time == .milliseconds(1_500))
    }

    @Test(
        "what is wrong is said with its line, and nothing of the line",
        arguments: [
            ("1\nx\n", TraceFormat.lines, 2, "has something that is no whole number"),
            ("1\n\n1 2\n", .lines, 3, "is not one key"),
            ("1 2\n", .sized, 1, "is not 'time key size'"),
            ("1 2 99999999999999999999\n", .sized, 1, "has a number too large"),
            ("7\n", .ranges, 1, "is not 'start count'"),
            ("1 99999999999\n", .ranges, 1, "counts more than 4294967296 keys"),
            ("{\"key\":\"a\"}\n{\"key\":1}\n", .log, 2, "has a 'key' that is no text"),
            ("{\"time\":1}\n", .log, 1, "has neither 'key' nor 'request'"),
            ("{\"key\":\"a\",\"size\":-1}", .log, 1, "has a 'size' that is no whole number from 0 to 2^40"),
            ("{\"key\":\"a\",\"time\":\"now\"}", .log, 1, "has a 'time' that is no number from 0 to 9e9"),
            ("[1]", .log, 1, "is not a JSON object"),
            ("{\"request\":\"hm\"}", .log, 1, "has a 'request' that is no body: "),
            ("{\"key\":", .log, 1, "is not JSON: "),
        ])
    func wrong(text: String, format: TraceFormat, line: Int, reason: String) {
        let error = #expect(throws: TraceError.self) { try Self.read(text, format) }
        #expect(error?.line == line)
        #expect(error?.reason.hasPrefix(reason) == true, "\(error?.reason ?? "")")
    }

    @Test("half a key at the end is said")
    func halfKey() {
        let error = #expect(throws: TraceError.self) { try Self.requests([0, 0, 0, 1, 2], .keys32) }
        #expect(error == TraceError(line: nil, "ends with 1 bytes that are no whole key"))
    }

    @Test("an access log says what its members say")
    func log() throws {
        let line = """
            {"time":10,"request":{"model":"m","messages":[]},"response":"abcd","generation_ms":1500,"prompt_tokens":3,\
            "completion_tokens":4,"other":[1]}
            """
        let one = try #require(Self.read(line, .log).first)
        #expect(one.size == 4 && one.generationTime == .milliseconds(1_500) && one.model == "m")
        #expect(one.usage == Usage(promptTokenCount: 3, completionTokenCount: 4))
    }

    @Test("bodies in an access log are equal where the sidecar's keys are, and tenants share nothing")
    func identity() throws {
        let lines = [
            #"{"request":{"model":"m","messages":[],"stream":true}}"#,
            #"{"request":"{\"messages\":[], \"model\":\"m\"}"}"#,
            #"{"request":{"model":"m","messages":[]},"tenant":"b"}"#, #"{"request":{"model":"n","messages":[]}}"#,
        ]
        let objects = try Self.read(lines.joined(separator: "\n"), .log).map(\.object)
        #expect(objects[0] == objects[1])
        #expect(Set(objects).count == 3)
    }

    @Test("the format is guessed from the first line of a text, and never for bytes")
    func guessed() {
        func guess(_ text: String) -> TraceFormat? { TraceFormat(guessedFrom: Array(text.utf8)) }
        #expect(guess("{\"key\":\"a\"}\n") == .log)
        #expect(guess("17\n18\n") == .lines)
        #expect(guess("1 2 3\n") == .sized)
        #expect(guess("1 2 0 0\n") == .ranges)
        #expect(guess("a b\n") == nil)
        #expect(TraceFormat(guessedFrom: [0, 0, 0, 1]) == nil)
    }
}

@Suite("The replay of recorded traces", .enabled(if: TestData.isPresent, Comment(rawValue: TestData.absence)))
struct RecordedTraceTests {
    /// One line of the expected hit counts.
    struct Expectation: Sendable {
        let trace: String
        let capacity: Int
        let weighs: Bool
        let requests: Int
        let hits: Int
        let byteHitRatio: String
    }

    static let expectations: [Expectation] = {
        guard TestData.isPresent, let lines = try? TestData.lines("cache/expected-lru.tsv") else { return [] }
        return lines.dropFirst().compactMap { line in
            let columns = line.split(separator: "\t").map(String.init)
            guard columns.count == 8, columns[2] == "LRU", let capacity = Int(columns[3]),
                let requests = Int(columns[4]), let hits = Int(columns[5])
            else { return nil }
            return Expectation(
                trace: columns[0], capacity: capacity, weighs: columns[1] == "byte", requests: requests, hits: hits,
                byteHitRatio: columns[7])
        }
    }()

    static let traces = Array(Set(expectations.map(\.trace))).sorted()

    static func format(_ trace: String) -> TraceFormat {
        switch trace {
        case "web07.trace.xz", "orm-night.trace.xz": .keys32
        case "corda-trace_vaultservice.gz": .keys64
        case "adaptsize-request.trace.xz": .sizedObjects
        case "webcachesim_test.tr": .sized
        case "P3.lis.zst": .ranges
        default: .lines
        }
    }

    @Test("under LRU it has exactly the hits, and the share of the bytes, that an LRU must have", arguments: traces)
    func expected(trace: String) throws {
        #expect(Self.expectations.count >= 40)
        let requests = try TraceDecoderTests.requests(TestData.bytes("cache/\(trace)"), Self.format(trace))
        for expected in Self.expectations where expected.trace == trace {
            var replay = Replay(.init(policy: .lru, sizeMax: expected.capacity))
            for var request in requests {
                if !expected.weighs { request.size = 1 }
                replay.ask(request, at: .zero, generationTime: .zero, microUSD: nil)
            }
            let figures = replay.figures
            #expect(figures.requestCount == expected.requests)
            #expect(figures.hitCount == expected.hits, "\(trace) \(expected.capacity)")
            let written = Double(expected.byteHitRatio) ?? -1
            #expect(abs(figures.byteHitRatio - written) <= 0.000_051, "\(trace) \(expected.capacity)")
        }
    }

    @Test("recorded chats are as many different requests as they have canonical bodies")
    func recordedChats() throws {
        let requests = try TraceDecoderTests.requests(TestData.bytes("wire/recorded-chat.jsonl.xz"), .log)
        let digests = try TestData.objects("wire/recorded-chat.jsonl.xz").map { exchange in
            try CanonicalBody(Array((exchange["request"] as? String ?? "").utf8)).digest()
        }
        #expect(requests.count == digests.count && digests.count > 400)
        #expect(Set(requests.map(\.object)).count == Set(digests).count)
        #expect(Set(zip(requests, digests).map { "\($0.object) \($1)" }).count == Set(digests).count)
    }
}
