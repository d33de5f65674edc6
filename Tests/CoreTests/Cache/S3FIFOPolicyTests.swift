import SamovarCore
import TestSupport
import Testing

/// S3-FIFO as the paper writes it down (algorithm 1), in arrays, the oldest in front, bounded by weight.
private struct NaiveS3FIFO {
    struct Entry {
        let key: Int
        let value: Int
        let weight: Int
        var uses = 0
    }

    let weightMax: Int
    let itemWeightMax: Int
    var small: [Entry] = []
    var main: [Entry] = []
    var ghosts: [(key: Int, weight: Int)] = []

    init(weightMax: Int, itemWeightMax: Int) {
        self.weightMax = weightMax
        self.itemWeightMax = itemWeightMax
    }

    private var smallMax: Int { max(1, weightMax / 10) }
    private var mainMax: Int { max(0, weightMax - smallMax) }
    var count: Int { small.count + main.count }
    var weight: Int { (small + main).reduce(0) { $0 + $1.weight } }
    var values: [Int] { (small + main).map(\.value).sorted() }

    mutating func get(_ key: Int) -> Int? {
        if let place = small.firstIndex(where: { $0.key == key }) {
            small[place].uses = min(3, small[place].uses + 1)
            return small[place].value
        }
        guard let place = main.firstIndex(where: { $0.key == key }) else { return nil }
        main[place].uses = min(3, main[place].uses + 1)
        return main[place].value
    }

    mutating func remove(_ key: Int) -> Int? {
        if let place = small.firstIndex(where: { $0.key == key }) { return small.remove(at: place).value }
        return main.firstIndex { $0.key == key }.map { main.remove(at: $0).value }
    }

    /// Who went: what stood under the key, then who was evicted.
    mutating func set(_ key: Int, _ value: Int, weight: Int) -> [Int] {
        let wasMain = main.contains { $0.key == key }
        var gone = remove(key).map { [$0] } ?? []
        guard weight <= itemWeightMax else { return gone }
        while self.weight + weight > weightMax { gone.append(evict()) }
        let entry = Entry(key: key, value: value, weight: weight)
        if let ghost = ghosts.firstIndex(where: { $0.key == key }) {
            ghosts.remove(at: ghost)
            main.append(entry)
        } else if wasMain {
            main.append(entry)
        } else {
            small.append(entry)
        }
        return gone
    }

    private mutating func evict() -> Int {
        while true {
            let isMainFull = main.reduce(0) { $0 + $1.weight } > mainMax
            let isSmallLight = small.reduce(0) { $0 + $1.weight } < smallMax
            if !main.isEmpty, isMainFull || isSmallLight || small.isEmpty {
                var oldest = main.removeFirst()
                if oldest.uses == 0 { return oldest.value }
                oldest.uses -= 1
                main.append(oldest)
            } else {
                var oldest = small.removeFirst()
                if oldest.uses < 2 {
                    remember(oldest)
                    return oldest.value
                }
                oldest.uses = 0
                main.append(oldest)
            }
        }
    }

    private mutating func remember(_ entry: Entry) {
        ghosts.removeAll { $0.key == entry.key }
        if entry.weight <= mainMax {
            while ghosts.reduce(0, { $0 + $1.weight }) + entry.weight > mainMax { ghosts.removeFirst() }
            ghosts.append((entry.key, entry.weight))
        }
        while ghosts.count > max(1, count) { ghosts.removeFirst() }
    }
}

@Suite("S3-FIFO")
struct S3FIFOPolicyTests {
    /// Random operations on both; the first step after which they differ, and nil when there is none.
    private static func firstDifference<Policy: EvictionPolicy & ~Copyable>(
        _ policy: consuming Policy, weightMax: Int, itemWeightMax: Int, keyCount: Int, seed: UInt64
    ) -> Int? {
        var random = SeededGenerator(seed: seed)
        var naive = NaiveS3FIFO(weightMax: weightMax, itemWeightMax: itemWeightMax)
        var cache = BoundedCache<Int, Int, Policy>(weightMax: weightMax, itemWeightMax: itemWeightMax, policy: policy)
        for step in 0..<4_000 {
            // Some keys are asked for much more often than others.
            let span = Int.random(in: 1...keyCount, using: &random)
            let key = Int.random(in: 0..<span, using: &random)
            let isSame: Bool
            switch Int.random(in: 0..<20, using: &random) {
            case 0: isSame = cache.remove(key) == naive.remove(key)
            case 1...8:
                let weight = Int.random(in: 0...itemWeightMax + 1, using: &random)
                var gone: [Int] = []
                cache.set(key, step, weight: weight) { gone.append($0) }
                isSame = gone == naive.set(key, step, weight: weight)
            default: isSame = cache.get(key) == naive.get(key)
            }
            guard isSame, cache.count == naive.count, cache.weight == naive.weight else { return step }
        }
        return cache.keys { _ in true }.compactMap { cache.peek($0) }.sorted() == naive.values ? nil : 4_000
    }

    @Test("does what the paper's algorithm does, entry by entry", arguments: 0..<30)
    func matchesPaper(seed: UInt64) {
        for (weightMax, itemWeightMax, keyCount) in [
            (100, 40, 40), (1, 1, 4), (9, 3, 12), (1_000, 9, 500), (50, 1, 90),
        ] {
            let difference = Self.firstDifference(
                S3FIFOPolicy(weightMax: weightMax), weightMax: weightMax, itemWeightMax: itemWeightMax,
                keyCount: keyCount, seed: seed)
            #expect(difference == nil, "bound \(weightMax)")
            let chosen = Self.firstDifference(
                ChosenPolicy(.s3fifo, weightMax: weightMax), weightMax: weightMax, itemWeightMax: itemWeightMax,
                keyCount: keyCount, seed: seed)
            #expect(chosen == nil, "bound \(weightMax)")
        }
    }

    @Test("who was asked for twice outlives any number of newcomers")
    func scan() {
        var cache = BoundedCache<Int, Int, S3FIFOPolicy>(weightMax: 100)
        for key in 0..<50 { cache.set(key, key, weight: 1) }
        for _ in 0..<2 { for key in 0..<50 { _ = cache.get(key) } }
        for key in 1_000..<20_000 { cache.set(key, key, weight: 1) }
        let kept = (0..<50).count { cache.peek($0) != nil }
        #expect(kept == 50)
    }

    @Test("who comes back soon after it went is no newcomer")
    func ghost() {
        var cache = BoundedCache<Int, Int, S3FIFOPolicy>(weightMax: 100)
        for key in 0...100 { cache.set(key, key, weight: 1) }
        let isGone = cache.peek(0) == nil
        cache.set(0, 0, weight: 1)
        for key in 1_000..<1_089 { cache.set(key, key, weight: 1) }
        let isBack = cache.peek(0) != nil
        #expect(isGone && isBack)
    }

    @Test("who takes the place of an entry that is in use is in use")
    func replaced() {
        var cache = BoundedCache<Int, Int, S3FIFOPolicy>(weightMax: 100)
        cache.set(0, 0, weight: 1)
        for _ in 0..<2 { _ = cache.get(0) }
        for key in 1...150 { cache.set(key, key, weight: 1) }
        cache.set(0, 1, weight: 1)
        for key in 200...260 { cache.set(key, key, weight: 1) }
        let value = cache.peek(0)
        #expect(value == 1)
    }

    @Test("its ghosts occupy at most 80 bytes for each entry")
    func ghostBytes() {
        func occupied(_ name: PolicyName, weight: Int) -> Int {
            var cache = BoundedCache<Int, Int, ChosenPolicy>(
                weightMax: 70_000, policy: ChosenPolicy(name, weightMax: 70_000))
            for key in 0..<100_000 { cache.set(key, key, weight: weight) }
            return cache.byteCount
        }
        for weight in [1, 7, 700] {
            let ghosts = occupied(.s3fifo, weight: weight) - occupied(.lru, weight: weight)
            #expect(ghosts > 0 || weight == 700)
            #expect(ghosts <= 70_000 / weight * 80, "\(weight)")
        }
    }

    @Test(
        "has more hits than an LRU on traces of the web and of a database at a tenth of their objects",
        .enabled(if: TestData.isPresent, Comment(rawValue: TestData.absence)),
        arguments: [("web07.trace.xz", 2_048, 42_371), ("orm-night.trace.xz", 8_647, 4_673_995)])
    func traces(trace: String, capacity: Int, lruHits: Int) throws {
        let bytes = try TestData.bytes("cache/\(trace)")
        var cache = BoundedCache<Int, Void, S3FIFOPolicy>(weightMax: capacity)
        var hits = 0
        for start in stride(from: 0, to: bytes.count - 3, by: 4) {
            let key = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            if cache.get(key) != nil { hits += 1 } else { cache.set(key, (), weight: 1) }
        }
        #expect(hits > lruHits)
    }
}
