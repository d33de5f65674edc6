import SamovarCore
import TestSupport
import Testing

/// A cache that is obviously right: an array, who goes first in front. The policy's only say is what a use does.
private struct ArrayCache {
    var entries: [(key: Int, value: Int, weight: Int)] = []
    let weightMax: Int
    let itemWeightMax: Int
    /// An LRU; else the order of arrival.
    var movesOnUse = true

    var weight: Int { entries.reduce(0) { $0 + $1.weight } }

    mutating func get(_ key: Int) -> Int? {
        guard let place = entries.firstIndex(where: { $0.key == key }) else { return nil }
        let entry = entries[place]
        if movesOnUse { entries.append(entries.remove(at: place)) }
        return entry.value
    }

    mutating func remove(_ key: Int) -> Int? {
        entries.firstIndex { $0.key == key }.map { entries.remove(at: $0).value }
    }

    /// Who had to go for a key that is not there; nil: not admitted.
    mutating func set(_ key: Int, _ value: Int, weight: Int) -> [Int]? {
        guard weight <= itemWeightMax else { return nil }
        var evicted: [Int] = []
        while self.weight + weight > weightMax { evicted.append(entries.removeFirst().value) }
        entries.append((key, value, weight))
        return evicted
    }
}

/// A key whose hash varies in some bits only, all others being set: many keys want the last places of the table.
private struct ClashingKey: CacheKey {
    let number: Int
    let mask: UInt64

    static func == (left: Self, right: Self) -> Bool { left.number == right.number }
    var cacheHash: UInt64 { ~(number.cacheHash & mask) }
}

/// First in, first out: what an LRU does that sees no use.
private struct FIFOPolicy: EvictionPolicy {
    private var list: LRUPolicy

    init(weightMax: Int) { list = LRUPolicy(weightMax: weightMax) }

    mutating func inserted(
        at place: Int32, weight: Int, hash: UInt64, replacing former: LRUPolicy.State?,
        in states: PolicyStates<LRUPolicy.State>
    ) -> LRUPolicy.State {
        list.inserted(at: place, weight: weight, hash: hash, replacing: former, in: states)
    }

    mutating func touched(_ place: Int32, in states: PolicyStates<LRUPolicy.State>) {}

    mutating func removed(from place: Int32, hash: UInt64, in states: PolicyStates<LRUPolicy.State>) {
        list.removed(from: place, hash: hash, in: states)
    }

    mutating func victim(in states: PolicyStates<LRUPolicy.State>) -> Int32? { list.victim(in: states) }
}

@Suite("A bounded cache")
struct BoundedCacheTests {
    /// Random operations on both; the first step after which they differ, and nil when there is none.
    private static func firstDifference<Policy: EvictionPolicy>(
        _ policy: Policy.Type, from oracle: ArrayCache, seed: UInt64, keyCount: Int, hashMask: UInt64 = .max
    ) -> Int? {
        var random = SeededGenerator(seed: seed)
        var oracle = oracle
        var cache = BoundedCache<ClashingKey, Int, Policy>(
            weightMax: oracle.weightMax, itemWeightMax: oracle.itemWeightMax)
        for step in 0..<2_000 {
            let number = Int.random(in: 0..<keyCount, using: &random)
            let key = ClashingKey(number: number, mask: hashMask)
            let isSame: Bool
            switch Int.random(in: 0..<10, using: &random) {
            case 0: isSame = cache.remove(key) == oracle.remove(number)
            case 1...5:
                let weight = Int.random(in: 0...oracle.itemWeightMax + 5, using: &random)
                var gone: [Int] = []
                let action = cache.set(key, step, weight: weight) { gone.append($0) }
                let replaced = oracle.remove(number)
                let evicted = oracle.set(number, step, weight: weight)
                isSame =
                    action.isAdmitted == (evicted != nil) && action.evictedCount == evicted?.count ?? 0
                    && gone == (replaced.map { [$0] } ?? []) + (evicted ?? [])
            case 6: isSame = cache.peek(key) == oracle.entries.first { $0.key == number }?.value
            case 7: isSame = cache.withValue(key) { $0 + 1 } == oracle.get(number).map { $0 + 1 }
            default: isSame = cache.get(key) == oracle.get(number)
            }
            guard isSame, cache.weight == oracle.weight, cache.count == oracle.entries.count else { return step }
        }
        return nil
    }

    @Test("does what an array would do", arguments: 0..<20)
    func matchesArray(seed: UInt64) {
        let few = ArrayCache(weightMax: 100, itemWeightMax: 40)
        #expect(Self.firstDifference(LRUPolicy.self, from: few, seed: seed, keyCount: 40) == nil)
        let many = ArrayCache(weightMax: 4_000, itemWeightMax: 20)
        #expect(Self.firstDifference(LRUPolicy.self, from: many, seed: seed, keyCount: 700) == nil)
    }

    @Test(
        "does so where all keys want the last places of the table, and overflow into the first",
        arguments: [0, 3, 0x1F, 0xFFFF_FFFF_0000_0000] as [UInt64])
    func clashes(hashMask: UInt64) {
        for seed in 0..<10 as Range<UInt64> {
            let oracle = ArrayCache(weightMax: 300, itemWeightMax: 9)
            let difference = Self.firstDifference(
                LRUPolicy.self, from: oracle, seed: seed, keyCount: 90, hashMask: hashMask)
            #expect(difference == nil)
        }
    }

    @Test("takes another policy", arguments: 0..<10)
    func fifo(seed: UInt64) {
        let oracle = ArrayCache(weightMax: 100, itemWeightMax: 40, movesOnUse: false)
        #expect(Self.firstDifference(FIFOPolicy.self, from: oracle, seed: seed, keyCount: 40) == nil)
    }

    @Test("lets go of every key and value, and of none while it keeps it")
    func leaks() {
        final class Living { var count = 0 }
        final class Thing {
            let living: Living
            init(_ living: Living) {
                self.living = living
                living.count += 1
            }
            deinit { living.count -= 1 }
        }
        struct Key: CacheKey {
            let number: Int
            let thing: Thing
            static func == (left: Self, right: Self) -> Bool { left.number == right.number }
            var cacheHash: UInt64 { number.cacheHash }
        }
        let living = Living()
        do {
            var cache = BoundedCache<Key, Thing, LRUPolicy>(weightMax: 500, itemWeightMax: 10)
            var random = SeededGenerator(seed: 1)
            for _ in 0..<20_000 {
                let key = Key(number: Int.random(in: 0..<600, using: &random), thing: Thing(living))
                switch Int.random(in: 0..<5, using: &random) {
                case 0: _ = cache.remove(key)
                case 1: _ = cache.get(key)
                default: cache.set(key, Thing(living), weight: Int.random(in: 0...11, using: &random))
                }
            }
            let count = cache.count
            #expect(count > 0)
            #expect(living.count == 2 * count)
        }
        #expect(living.count == 0)
    }

    @Test("does not admit what is too heavy, and disturbs nobody for it")
    func tooHeavy() {
        var cache = BoundedCache<String, Int, LRUPolicy>(weightMax: 10, itemWeightMax: 5)
        cache.set("a", 1, weight: 5)
        cache.set("b", 2, weight: 5)
        var gone: [Int] = []
        let action = cache.set("c", 3, weight: 6) { gone.append($0) }
        let (a, b, c) = (cache.peek("a"), cache.peek("b"), cache.peek("c"))
        #expect(action.isAdmitted == false)
        #expect(action.evictedCount == 0 && gone.isEmpty)
        #expect(a == 1 && b == 2 && c == nil)
    }

    @Test("hands out what was there and who had to go, in the order in which they went")
    func evicted() {
        var cache = BoundedCache<String, Int, LRUPolicy>(weightMax: 10)
        cache.set("a", 1, weight: 3)
        cache.set("b", 2, weight: 3)
        cache.set("c", 3, weight: 3)
        _ = cache.get("a")
        var gone: [Int] = []
        let first = cache.set("d", 4, weight: 4) { gone.append($0) }
        #expect(first.evictedCount == 1 && gone == [2])
        gone = []
        let second = cache.set("a", 5, weight: 10) { gone.append($0) }
        #expect(second.evictedCount == 2 && gone == [1, 3, 4])
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
    struct Object: CacheKey {
        let key: UInt64
        /// Part of the identity only in traces whose objects are (key, size).
        let size: Int

        var cacheHash: UInt64 { (key ^ UInt64(size) << 40).mixed }
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
