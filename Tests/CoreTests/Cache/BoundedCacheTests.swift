import SamovarCore
import TestSupport
import Testing

/// An LRU that is obviously right: an array, newest last.
private struct ArrayLRU {
    var entries: [(key: Int, value: Int, weight: Int)] = []
    let weightMax: Int
    let itemWeightMax: Int

    mutating func get(_ key: Int) -> Int? {
        guard let place = entries.firstIndex(where: { $0.key == key }) else { return nil }
        entries.append(entries.remove(at: place))
        return entries.last?.value
    }

    mutating func set(_ key: Int, _ value: Int, weight: Int) {
        entries.removeAll { $0.key == key }
        guard weight <= itemWeightMax else { return }
        while entries.reduce(weight, { $0 + $1.weight }) > weightMax { entries.removeFirst() }
        entries.append((key, value, weight))
    }
}

@Suite("A bounded cache")
struct BoundedCacheTests {
    @Test("does what an array would do", arguments: 0..<20)
    func matchesArray(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var cache = BoundedCache<Int, Int, LRUPolicy>(weightMax: 100, itemWeightMax: 40)
        var oracle = ArrayLRU(weightMax: 100, itemWeightMax: 40)
        for step in 0..<2_000 {
            let key = Int.random(in: 0..<40, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                let mine = cache.remove(key)
                let theirs = oracle.entries.first { $0.key == key }?.value
                oracle.entries.removeAll { $0.key == key }
                #expect(mine == theirs)
            case 1...4:
                let weight = Int.random(in: 0...45, using: &random)
                cache.set(key, step, weight: weight)
                oracle.set(key, step, weight: weight)
            default:
                let mine = cache.get(key)
                #expect(mine == oracle.get(key))
            }
            let (weight, count) = (cache.weight, cache.count)
            #expect(weight == oracle.entries.reduce(0) { $0 + $1.weight })
            #expect(count == oracle.entries.count)
            #expect(weight <= 100)
        }
    }

    @Test("does not admit what is too heavy, and disturbs nobody for it")
    func tooHeavy() {
        var cache = BoundedCache<String, Int, LRUPolicy>(weightMax: 10, itemWeightMax: 5)
        cache.set("a", 1, weight: 5)
        cache.set("b", 2, weight: 5)
        let action = cache.set("c", 3, weight: 6)
        let (a, b, c) = (cache.peek("a"), cache.peek("b"), cache.peek("c"))
        #expect(action.isAdmitted == false)
        #expect(action.evicted.isEmpty)
        #expect(a == 1 && b == 2 && c == nil)
    }

    @Test("says who had to go")
    func evicted() {
        var cache = BoundedCache<String, Int, LRUPolicy>(weightMax: 10)
        cache.set("a", 1, weight: 4)
        cache.set("b", 2, weight: 4)
        _ = cache.get("a")
        let action = cache.set("c", 3, weight: 6)
        #expect(action.evicted == [2])
    }
}

@Suite("An LRU over recorded traces", .enabled(if: TestData.isPresent, Comment(rawValue: TestData.absence)))
struct ExpectedLRUTests {
    /// One line of the expected hit counts.
    struct Expectation: Sendable, CustomTestStringConvertible {
        let trace: String
        let mode: String
        let capacity: Int
        let requests: Int
        let hits: Int

        var testDescription: String { "\(trace) \(mode) \(capacity)" }
    }

    static let traces: [String] = Array(Set(expectations.map(\.trace))).sorted()

    static let expectations: [Expectation] = {
        guard TestData.isPresent, let lines = try? TestData.lines("cache/expected-lru.tsv") else { return [] }
        return lines.dropFirst().compactMap { line in
            let columns = line.split(separator: "\t").map(String.init)
            guard columns.count >= 6, columns[2] == "LRU", let capacity = Int(columns[3]),
                let requests = Int(columns[4]),
                let hits = Int(columns[5])
            else { return nil }
            return Expectation(trace: columns[0], mode: columns[1], capacity: capacity, requests: requests, hits: hits)
        }
    }()

    @Test("has exactly the hits that it must have", arguments: traces)
    func hits(trace: String) throws {
        let requests = try Trace.requests(trace)
        for expected in Self.expectations where expected.trace == trace {
            #expect(requests.count == expected.requests)
            let hits = Self.hits(of: requests, capacity: expected.capacity, weighs: expected.mode == "byte")
            #expect(hits == expected.hits, "\(expected.testDescription)")
        }
    }

    /// No overhead per entry, and no item cap but the budget.
    private static func hits(of requests: [Trace.Request], capacity: Int, weighs: Bool) -> Int {
        var cache = BoundedCache<Trace.Object, Void, LRUPolicy>(weightMax: capacity)
        var hits = 0
        for request in requests {
            if cache.get(request.object) != nil {
                hits += 1
            } else {
                cache.set(request.object, (), weight: weighs ? request.size : 1)
            }
        }
        return hits
    }
}

/// Reads the traces in their own formats.
private enum Trace {
    struct Object: Hashable {
        let key: UInt64
        /// Part of the identity only in traces whose objects are (key, size).
        let size: Int
    }

    struct Request {
        let object: Object
        let size: Int
    }

    static func requests(_ name: String) throws -> [Request] {
        let bytes = try TestData.bytes("cache/\(name)")
        switch name {
        case "web07.trace.xz", "orm-night.trace.xz": return bigEndian(bytes, width: 4)
        case "corda-trace_vaultservice.gz": return bigEndian(bytes, width: 8)
        case "adaptsize-request.trace.xz": return sized(bytes, sizeIsIdentity: true)
        case "webcachesim_test.tr": return sized(bytes, sizeIsIdentity: false)
        case "P3.lis.zst": return expanded(bytes)
        default: return lines(bytes)
        }
    }

    private static func request(_ key: UInt64, size: Int = 1, identity: Int = 0) -> Request {
        Request(object: Object(key: key, size: identity), size: size)
    }

    private static func bigEndian(_ bytes: [UInt8], width: Int) -> [Request] {
        stride(from: 0, to: bytes.count - width + 1, by: width).map { start in
            request(bytes[start..<start + width].reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        }
    }

    private static func numbers(_ line: ArraySlice<UInt8>) -> [UInt64] {
        var numbers: [UInt64] = []
        var current: UInt64?
        for byte in line {
            if byte >= 0x30 && byte <= 0x39 {
                current = (current ?? 0) &* 10 &+ UInt64(byte - 0x30)
            } else if let number = current {
                numbers.append(number)
                current = nil
            }
        }
        if let current { numbers.append(current) }
        return numbers
    }

    private static func sized(_ bytes: [UInt8], sizeIsIdentity: Bool) -> [Request] {
        bytes.split(separator: 0x0A).compactMap { line in
            let columns = numbers(line)
            guard columns.count >= 3 else { return nil }
            let (key, size) = (columns[columns.count - 2], Int(columns[columns.count - 1]))
            return request(key, size: size, identity: sizeIsIdentity ? size : 0)
        }
    }

    private static func expanded(_ bytes: [UInt8]) -> [Request] {
        bytes.split(separator: 0x0A).flatMap { line -> [Request] in
            let columns = numbers(line)
            guard columns.count >= 2 else { return [] }
            return (columns[0]..<columns[0] + columns[1]).map { request($0) }
        }
    }

    /// One number a line; lines with anything else are marks of the recorder.
    private static func lines(_ bytes: [UInt8]) -> [Request] {
        bytes.split(separator: 0x0A).compactMap { line in numbers(line).first.map { request($0) } }
    }
}

@Suite("Freshness")
struct FreshnessTests {
    private let freshness = Freshness(bornAt: .zero, ttl: .seconds(10), staleTTL: .seconds(100))
    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    private func controls(_ change: (inout Controls) -> Void) -> Controls {
        var controls = Controls()
        change(&controls)
        return controls
    }

    @Test("goes from fresh to expired to dead")
    func ladder() {
        #expect(freshness.verdict(for: Controls(), at: at(9)) == .fresh)
        #expect(freshness.verdict(for: Controls(), at: at(10)) == .expired)
        #expect(freshness.verdict(for: Controls(), at: at(109)) == .expired)
        #expect(freshness.verdict(for: Controls(), at: at(110)) == .dead)
    }

    @Test("is judged for each caller by its own wishes")
    func perCaller() {
        #expect(freshness.verdict(for: controls { $0.maxAge = .seconds(5) }, at: at(6)) == .expired)
        #expect(freshness.verdict(for: controls { $0.maxAge = .seconds(5) }, at: at(5)) == .fresh)
        #expect(freshness.verdict(for: controls { $0.noCache = true }, at: at(1)) == .expired)
        #expect(freshness.verdict(for: controls { $0.maxStale = .seconds(5) }, at: at(15)) == .stale)
        #expect(freshness.verdict(for: controls { $0.maxStale = .seconds(5) }, at: at(16)) == .expired)
        #expect(freshness.verdict(for: controls { $0.maxStale = .seconds(1_000) }, at: at(110)) == .dead)
    }

    @Test("lets an expired answer stand in for a failed call, unless the caller forbids it")
    func standsIn() {
        #expect(freshness.standsIn(for: Controls(), at: at(50)))
        #expect(!freshness.standsIn(for: Controls(), at: at(110)))
        #expect(!freshness.standsIn(for: controls { $0.noCache = true }, at: at(50)))
        #expect(!freshness.standsIn(for: controls { $0.maxAge = .seconds(20) }, at: at(50)))
        #expect(!freshness.standsIn(for: controls { $0.maxStale = .seconds(20) }, at: at(50)))
    }

    @Test("of an answer from elsewhere is what is left of its life")
    func remaining() {
        let answer = Answer(
            recording: Recording(form: .body, usageAsked: false, chunks: []), model: "m",
            createdAt: WallTime(milliseconds: 0), generationTime: .zero, usage: nil, ttl: .seconds(10),
            staleTTL: .seconds(100))
        let stored = StoredAnswer(answer, remaining: .seconds(105), at: at(1_000))
        #expect(stored.freshness.age(at: at(1_000)) == .seconds(5))
        #expect(StoredAnswer(answer, remaining: .seconds(9_999), at: at(1_000)).freshness.age(at: at(1_000)) == .zero)
    }
}
