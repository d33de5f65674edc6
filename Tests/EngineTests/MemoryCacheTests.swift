import SamovarCore
import TestSupport
import Testing

@testable import SamovarEngine

@Suite("The memory cache, under eight threads")
struct MemoryCacheTests {
    private static func answer(_ size: Int) -> StoredAnswer {
        let chunk = Chunk(bytes: Array(repeating: UInt8(size & 0xFF), count: size))
        let answer = Answer(
            recording: Recording(form: .body, usageAsked: false, chunks: [chunk]), model: "m",
            createdAt: WallTime(milliseconds: 0), generationTime: .zero, usage: nil, ttl: .seconds(60), staleTTL: .zero)
        return StoredAnswer(answer, bornAt: .zero)
    }

    private static func key(_ number: Int) -> RequestKey {
        var random = SeededGenerator(seed: UInt64(number))
        return RequestKey(bytes: (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) })
    }

    @Test("never holds more than its bound, gives back what was put under the key, and counts exactly")
    func threads() async {
        let cache = MemoryCache(sizeMax: 200_000, itemSizeMax: 50_000, metrics: Metrics())
        let wrong = await withTaskGroup(of: Int.self) { threads in
            for thread in 0..<8 {
                threads.addTask {
                    var random = SeededGenerator(seed: UInt64(thread))
                    var wrong = 0
                    for _ in 0..<5_000 {
                        let number = Int.random(in: 0..<200, using: &random)
                        switch Int.random(in: 0..<4, using: &random) {
                        case 0: cache.set(Self.key(number), Self.answer(number * 10 + 1))
                        case 1: cache.remove(Self.key(number))
                        default:
                            let found = cache.get(Self.key(number), at: .zero)?.answer.recording.rawByteCount
                            if let found, found != number * 10 + 1 { wrong += 1 }
                        }
                        if cache.fill.byteCount > 200_000 { wrong += 1 }
                    }
                    return wrong
                }
            }
            return await threads.reduce(0, +)
        }
        var weight = 0
        var count = 0
        for number in 0..<200 {
            guard let stored = cache.get(Self.key(number), at: .zero) else { continue }
            weight += MemoryCache.weight(of: stored.answer)
            count += 1
        }
        #expect(wrong == 0)
        #expect(cache.fill.byteCount == weight)
        #expect(cache.fill.count == count)
    }
}
