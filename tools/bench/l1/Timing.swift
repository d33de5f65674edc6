import SamovarCore
import SamovarEngine

/// Nanoseconds an operation: of this thread's processor time, so that what else runs here counts less.
enum Timing {
    private static let operationCount = 1 << 20

    static func run(rounds: Int, sizes: [Int]) {
        let subjects = sizes.map(Subject.init)
        for round in 0..<rounds {
            for subject in subjects { subject.measure(round: round) }
        }
    }

    /// All that is compared, with the same entries, and the keys that are asked for in the order in which they are:
    /// keys lie one after the other, so that reading them costs little.
    private final class Subject {
        private let entries: Int
        private var plain: PlainTable
        private var cache: BoundedCache<RequestKey, UInt64, LRUPolicy>
        private let memory: MemoryCache
        private var fullCache: BoundedCache<RequestKey, UInt64, LRUPolicy>
        private let fullMemory: MemoryCache
        private let asked: [RequestKey]
        /// Twice as many as there are entries, so that each is gone when its turn comes again.
        private let strangers: [RequestKey]
        private var turn = 0
        private var memoryTurn = 0
        private let answer = StoredAnswer.made(size: 8)

        init(entries: Int) {
            self.entries = entries
            let keys = (0..<entries).map { RequestKey(number: $0) }
            plain = PlainTable(count: entries)
            cache = BoundedCache(weightMax: entries)
            fullCache = BoundedCache(weightMax: entries)
            let weight = 600
            let room = entries * weight
            memory = MemoryCache(sizeMax: room * 2, itemSizeMax: weight * 2, metrics: Metrics())
            fullMemory = MemoryCache(sizeMax: room, itemSizeMax: weight * 2, metrics: Metrics())
            for (index, key) in keys.enumerated() {
                plain.insert(key, UInt64(index + 1))
                cache.set(key, UInt64(index + 1), weight: 1)
                memory.set(key, .made(size: 8))
            }
            var random = Generator(seed: 1)
            let zipf = Zipf(count: entries, exponent: 0.99)
            asked = (0..<operationCount).map { _ in keys[zipf.next(&random)] }
            strangers = (0..<entries * 2).map { RequestKey(number: entries + $0) }
            for key in strangers { fullCache.set(key, 1, weight: 1) }
            for key in strangers { fullMemory.set(key, answer) }
        }

        func measure(round: Int) {
            var sums: (UInt64, UInt64) = (0, 0)
            time("plain look-up", round) { for key in asked { sums.0 &+= plain.get(key) } }
            time("cache get", round) { for key in asked { sums.1 &+= cache.get(key) ?? 0 } }
            guard sums.0 == sums.1 else { fail("the cache found other values than the plain look-up") }
            time("cache put", round) {
                for _ in 0..<operationCount {
                    fullCache.set(strangers[turn], 1, weight: 1)
                    turn = turn + 1 == strangers.count ? 0 : turn + 1
                }
            }
            guard fullCache.count == entries else { fail("the cache does not keep what it has room for") }
            var found = 0
            time("memory cache get", round) {
                for key in asked { found &+= memory.get(key, at: .zero) == nil ? 0 : 1 }
            }
            guard found == operationCount else { fail("the memory cache did not find what it keeps") }
            time("memory cache put", round) {
                for _ in 0..<operationCount {
                    fullMemory.set(strangers[memoryTurn], answer)
                    memoryTurn = memoryTurn + 1 == strangers.count ? 0 : memoryTurn + 1
                }
            }
        }

        private func time(_ name: String, _ round: Int, _ body: () -> Void) {
            let before = threadNanoseconds()
            body()
            let nanoseconds = Double(threadNanoseconds() - before) / Double(operationCount)
            print("{\"round\": \(round), \"entries\": \(entries), \"name\": \"\(name)\", \"ns\": \(nanoseconds)}")
        }
    }
}
