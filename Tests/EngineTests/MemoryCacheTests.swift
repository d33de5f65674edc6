import SamovarCore
import TestSupport
import Testing

@testable import SamovarEngine

@Suite("The memory cache")
struct MemoryCacheTests {
    /// Stored in `size` bytes, which nobody is to read.
    private static func answer(_ size: Int) -> StoredAnswer {
        let recording = Recording(
            form: .body, usageAsked: false, chunkCount: 1, rawByteCount: size, coded: Array(repeating: 0, count: size))
        let answer = Answer(
            recording: recording, model: "m", createdAt: WallTime(milliseconds: 0), generationTime: .zero, usage: nil,
            ttl: .seconds(60), staleTTL: .zero)
        return StoredAnswer(answer, bornAt: .zero)
    }

    private static func key(_ number: Int) -> RequestKey {
        var random = SeededGenerator(seed: UInt64(number))
        return RequestKey(bytes: (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) })
    }

    private static func mib(_ count: Int) -> Int { count << 20 }

    @Test(
        "under eight threads, never holds more than its bound, gives back what was put under the key, counts exactly",
        arguments: PolicyName.allCases,
        [(sizeMax: 200_000, itemSizeMax: 50_000, keyCount: 200), (4 << 20, 100_000, 4_000)])
    func threads(policy: PolicyName, _ bound: (sizeMax: Int, itemSizeMax: Int, keyCount: Int)) async {
        let metrics = Metrics()
        let (sizeMax, itemSizeMax, keyCount) = bound
        let cache = MemoryCache(sizeMax: sizeMax, itemSizeMax: itemSizeMax, policy: policy, metrics: metrics)
        let keys = (0..<keyCount).map(Self.key)
        let answers = (0..<keyCount).map { Self.answer($0 % 500 * 10 + 1) }
        let wrong = await withTaskGroup(of: Int.self) { threads in
            for thread in 0..<8 {
                threads.addTask {
                    var random = SeededGenerator(seed: UInt64(thread))
                    var wrong = 0
                    for _ in 0..<5_000 {
                        let number = Int.random(in: 0..<keyCount, using: &random)
                        switch Int.random(in: 0..<5, using: &random) {
                        case 0: cache.set(keys[number], answers[number])
                        case 1: cache.fill(keys[number], answers[number])
                        case 2: cache.remove(keys[number])
                        default:
                            let found = cache.get(keys[number], at: .zero)?.answer
                            if let found, found !== answers[number].answer { wrong += 1 }
                        }
                        if cache.fill.byteCount > sizeMax { wrong += 1 }
                    }
                    return wrong
                }
            }
            return await threads.reduce(0, +)
        }
        let kept = keys.compactMap { cache.get($0, at: .zero) }
        #expect(wrong == 0)
        #expect(cache.fill.byteCount == kept.reduce(0) { $0 + MemoryCache.weight(of: $1.answer, under: policy) })
        #expect(cache.fill.count == kept.count)
        #expect(metrics.evictions[.size].current > 0)
    }

    @Test("has as many shards as leave each room for two of the largest items, and a megabyte at least")
    func shardCount() {
        #expect(MemoryCache.shardCount(sizeMax: Self.mib(1), itemSizeMax: 1) == 1)
        #expect(MemoryCache.shardCount(sizeMax: Self.mib(256), itemSizeMax: Self.mib(256)) == 1)
        #expect(MemoryCache.shardCount(sizeMax: Self.mib(256), itemSizeMax: Self.mib(129)) == 1)
        #expect(MemoryCache.shardCount(sizeMax: Self.mib(256), itemSizeMax: Self.mib(32)) == 4)
        #expect(MemoryCache.shardCount(sizeMax: Self.mib(256), itemSizeMax: Self.mib(1)) == MemoryCache.shardCountMax)
        #expect(MemoryCache.shardCount(sizeMax: Self.mib(4), itemSizeMax: .max) == 1)
    }

    @Test(
        "with one item as large as all of it keeps that one, and refuses a larger one", arguments: PolicyName.allCases)
    func largestItem(policy: PolicyName) {
        let metrics = Metrics()
        let small = Self.answer(100)
        let large = Self.answer(10_000)
        let sizeMax = MemoryCache.weight(of: large.answer, under: policy)
        let cache = MemoryCache(sizeMax: sizeMax, itemSizeMax: .max, policy: policy, metrics: metrics)
        cache.set(Self.key(1), small)
        cache.set(Self.key(2), large)
        #expect(cache.fill.count == 1)
        #expect(cache.fill.byteCount == sizeMax)
        cache.set(Self.key(3), Self.answer(10_001))
        #expect(cache.get(Self.key(2), at: .zero) != nil)
        #expect(cache.get(Self.key(3), at: .zero) == nil)
        #expect(metrics.evictions[.size].current == 1)
        #expect(metrics.evictions[.itemSize].current == 1)
    }

    @Test(
        "fills nine tenths of its bound, whatever shards the keys fall into, before it evicts much",
        arguments: PolicyName.allCases)
    func balance(policy: PolicyName) {
        let cache = MemoryCache(sizeMax: Self.mib(64), itemSizeMax: 10_000, policy: policy, metrics: Metrics())
        let answer = Self.answer(1_000)
        let room = Self.mib(64) / MemoryCache.weight(of: answer.answer, under: policy)
        for number in 0..<room { cache.set(Self.key(number), answer) }
        #expect(cache.fill.byteCount > Self.mib(64) / 10 * 9)
    }

    @Test("drops what is dead when it is asked for, and counts it", arguments: PolicyName.allCases)
    func expired(policy: PolicyName) {
        let metrics = Metrics()
        let cache = MemoryCache(sizeMax: Self.mib(1), itemSizeMax: Self.mib(1), policy: policy, metrics: metrics)
        cache.set(Self.key(1), Self.answer(10))
        let end = Instant.zero.advanced(by: .seconds(60))
        #expect(cache.get(Self.key(1), at: Instant(nanoseconds: end.nanoseconds - 1)) != nil)
        #expect(cache.get(Self.key(1), at: end) == nil)
        #expect(cache.fill.count == 0)
        #expect(metrics.evictions[.expired].current == 1)
    }

    @Test("takes nothing from L2 that is older than what it has", arguments: PolicyName.allCases)
    func fill(policy: PolicyName) {
        let cache = MemoryCache(sizeMax: Self.mib(1), itemSizeMax: Self.mib(1), policy: policy, metrics: Metrics())
        let now = Instant.zero.advanced(by: .seconds(1))
        cache.set(Self.key(1), StoredAnswer(Self.answer(10).answer, bornAt: now))
        cache.fill(Self.key(1), Self.answer(20))
        #expect(cache.get(Self.key(1), at: now)?.answer.recording.rawByteCount == 10)
        cache.fill(Self.key(1), StoredAnswer(Self.answer(30).answer, bornAt: now))
        #expect(cache.get(Self.key(1), at: now)?.answer.recording.rawByteCount == 30)
    }

    @Test("remembers a mark until its time, apart from answers")
    func marks() {
        let cache = MemoryCache(sizeMax: Self.mib(64), itemSizeMax: 10_000, metrics: Metrics())
        cache.mark(Self.key(1), until: Instant(nanoseconds: 5))
        #expect(cache.isMarked(Self.key(1), at: Instant(nanoseconds: 4)))
        #expect(!cache.isMarked(Self.key(1), at: Instant(nanoseconds: 5)))
        #expect(!cache.isMarked(Self.key(2), at: .zero))
        #expect(cache.fill.count == 0)
    }

    @Test(
        "knows as many names as it has entries, whoever was evicted, and charges for them",
        arguments: PolicyName.allCases)
    func names(policy: PolicyName) {
        let cache = MemoryCache(
            sizeMax: 200_000, itemSizeMax: 50_000, policy: policy, metrics: Metrics(), naming: { $0.cacheHash })
        var random = SeededGenerator(seed: 7)
        for step in 0..<20_000 {
            let key = Self.key(Int.random(in: 0..<300, using: &random))
            switch step % 3 {
            case 0: cache.set(key, Self.answer(Int.random(in: 1...3_000, using: &random)))
            case 1 where step % 10 == 1: cache.remove(key)
            default: _ = cache.get(key, at: .zero)
            }
        }
        let kept = (0..<300).map(Self.key).filter { cache.get($0, at: .zero) != nil }
        #expect(cache.fill.count == kept.count && kept.count > 30)
        #expect(cache.nameCount == kept.count)
        #expect(kept.allSatisfy { cache.entry(named: $0.cacheHash) != nil })
        let weight = kept.compactMap { cache.get($0, at: .zero)?.answer }
            .reduce(0) { $0 + MemoryCache.weight(of: $1, under: policy, isNamed: true) }
        #expect(cache.fill.byteCount == weight)
    }

    @Test("lets go of exactly the answers that are picked out, and keeps the others", arguments: PolicyName.allCases)
    func removeAll(policy: PolicyName) {
        let cache = MemoryCache(sizeMax: Self.mib(4), itemSizeMax: 10_000, policy: policy, metrics: Metrics())
        for number in 0..<500 { cache.set(Self.key(number), Self.answer(number + 1)) }
        let count = cache.removeAll { $0.recording.rawByteCount % 2 == 0 }
        #expect(count == 250)
        for number in 0..<500 {
            #expect((cache.get(Self.key(number), at: .zero) != nil) == (number % 2 == 0))
        }
    }

    @Test("keeps what is in use while a night's worth of others passes by, under S3-FIFO")
    func scan() {
        func survivors(_ policy: PolicyName) -> Int {
            let cache = MemoryCache(sizeMax: Self.mib(1), itemSizeMax: 10_000, policy: policy, metrics: Metrics())
            for round in 0..<4 {
                for number in 0..<200 where cache.get(Self.key(number), at: .zero) == nil {
                    cache.set(Self.key(number), Self.answer(1_000))
                }
                if round == 3 { break }
            }
            for number in 1_000..<5_000 { cache.set(Self.key(number), Self.answer(1_000)) }
            return (0..<200).count { cache.get(Self.key($0), at: .zero) != nil }
        }
        #expect(survivors(.s3fifo) == 200)
        #expect(survivors(.lru) == 0)
    }
}
