import TestSupport
import Testing

@testable import SamovarCore

@Suite("The sketch of hot keys")
struct HotKeysTests {
    private static func key(_ number: Int) -> RequestKey {
        RequestKey(Digest256(words: (number.cacheHash, UInt64(number), 0, 0)))
    }

    private static func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    private static func sketch(keyCountMax: Int, halfLife: Duration = .seconds(3_600)) -> HotKeys {
        var settings = HotKeys.Settings()
        settings.keyCountMax = keyCountMax
        settings.halfLife = halfLife
        return HotKeys(settings, at: .zero)
    }

    private static let facts = HotKey.Facts(
        model: "m", route: "default", tenant: "default", generationTime: .seconds(2),
        usage: Usage(promptTokenCount: 1, completionTokenCount: 2), answerSize: 100, ttl: .seconds(60),
        freshFor: .seconds(60))

    /// Which promises a summary breaks, against counts that are exact.
    private static func broken(_ summary: HotKeySummary, exact: [RequestKey: Double], tolerance: Double) -> [String] {
        let total = exact.values.reduce(0, +)
        let errorMax = total / Double(summary.keyCountMax) * (1 + tolerance)
        var broken: [String] = []
        if abs(summary.total - total) > total * tolerance { broken.append("total \(summary.total) is not \(total)") }
        if summary.keys.count > summary.keyCountMax { broken.append("more keys than the bound") }
        let listed = Set(summary.keys.map(\.key))
        for hot in summary.keys {
            let truth = exact[hot.key] ?? 0
            let slack = truth * tolerance + 1e-9
            if truth > hot.count + slack { broken.append("count \(hot.count) is below \(truth)") }
            if hot.countMin > truth + slack { broken.append("least count \(hot.countMin) is above \(truth)") }
            if hot.error > errorMax { broken.append("error \(hot.error) is above \(errorMax)") }
        }
        for (key, truth) in exact where !listed.contains(key) {
            if truth > errorMax { broken.append("\(truth) is not listed") }
            if truth > summary.floor * (1 + tolerance) + 1e-9 { broken.append("\(truth) is above the floor") }
        }
        return broken
    }

    /// Requests with a few hot keys among many cold ones, `seconds` apart.
    private static func requests(_ count: Int, seed: UInt64, apart seconds: Int64) -> [(number: Int, at: Instant)] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { index in
            let span = Int.random(in: 1...2_000, using: &random)
            return (Int.random(in: 0..<span, using: &random), at(Int64(index) * seconds))
        }
    }

    @Test("is right within its error on any stream, without decay and with it", arguments: 0..<10)
    func bounds(seed: UInt64) {
        for (seconds, keyCountMax) in [(0, 50), (0, 3_000), (7, 50), (60, 200), (2_000, 64)] as [(Int64, Int)] {
            let requests = Self.requests(20_000, seed: seed, apart: seconds)
            var sketch = Self.sketch(keyCountMax: keyCountMax)
            for request in requests { sketch.asked(Self.key(request.number), by: 1, at: request.at) }
            let end = requests.last?.at ?? .zero
            // Halves for every hour, each by itself, and so without the sketch's way of doing it.
            var exact: [RequestKey: Double] = [:]
            for request in requests {
                let halfLives = request.at.duration(to: end).seconds / 3_600
                exact[Self.key(request.number), default: 0] += Self.halved(halfLives)
            }
            #expect(Self.broken(sketch.summary(at: end), exact: exact, tolerance: 1e-5) == [])
        }
    }

    /// 2^-halfLives, by repeated square roots.
    private static func halved(_ halfLives: Double) -> Double {
        var (rest, result, root) = (halfLives, 1.0, 0.5)
        while rest >= 1 {
            result *= 0.5
            rest -= 1
            if result == 0 { return 0 }
        }
        for _ in 0..<40 {
            rest *= 2
            root = root.squareRoot()
            if rest >= 1 {
                result *= root
                rest -= 1
            }
        }
        return result
    }

    @Test("of two pods is right within the error of both together, whoever asks", arguments: 0..<10)
    func merged(seed: UInt64) {
        let requests = Self.requests(30_000, seed: seed, apart: 0)
        var pods = [Self.sketch(keyCountMax: 100), Self.sketch(keyCountMax: 100), Self.sketch(keyCountMax: 100)]
        var exact: [RequestKey: Double] = [:]
        for (index, request) in requests.enumerated() {
            pods[request.number % 5 == 0 ? 0 : index % 3].asked(Self.key(request.number), by: 1, at: .zero)
            exact[Self.key(request.number), default: 0] += 1
        }
        let summaries = pods.map { $0.summary(at: .zero) }
        let all = summaries[0].merged(with: summaries[1]).merged(with: summaries[2])
        #expect(Self.broken(all, exact: exact, tolerance: 1e-9) == [])
        let (forth, back) = (summaries[0].merged(with: summaries[1]), summaries[1].merged(with: summaries[0]))
        #expect(forth.keys.map(\.key) == back.keys.map(\.key) && forth.floor == back.floor)
    }

    @Test(
        "is right within its error on recorded traces",
        .enabled(if: TestData.isPresent, Comment(rawValue: TestData.absence)),
        arguments: [("web07.trace.xz", 500), ("orm-night.trace.xz", 2_000)])
    func traces(trace: String, keyCountMax: Int) throws {
        let bytes = try TestData.bytes("cache/\(trace)").prefix(4 * 1_000_000)
        var sketch = Self.sketch(keyCountMax: keyCountMax)
        var exact: [RequestKey: Double] = [:]
        for start in stride(from: 0, to: bytes.count - 3, by: 4) {
            let key = Self.key(bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) })
            sketch.asked(key, by: 1, at: .zero)
            exact[key, default: 0] += 1
        }
        let summary = sketch.summary(at: .zero)
        #expect(Self.broken(summary, exact: exact, tolerance: 1e-9) == [])
        let truest = Set(exact.sorted { $0.value > $1.value }.prefix(20).map(\.key))
        let found = summary.keys.prefix(40).count { truest.contains($0.key) }
        #expect(found >= 18)
    }

    @Test("one caller stays one, however often it asks, and what is noted of callers is bounded")
    func callers() throws {
        var sketch = Self.sketch(keyCountMax: 10)
        for _ in 0..<1_000 { sketch.asked(Self.key(1), by: 7, at: .zero) }
        for caller in 0..<100 { sketch.asked(Self.key(2), by: UInt64(caller), at: .zero) }
        let summary = sketch.summary(at: .zero)
        #expect(summary.keys.map(\.callerCountMin) == [1, 8])
        let merged = summary.merged(with: summary)
        #expect(merged.keys.map(\.callerCountMin) == [1, 8])
    }

    @Test("a key that comes back has no callers but those who came back")
    func forgotten() {
        var sketch = Self.sketch(keyCountMax: 1)
        sketch.asked(Self.key(1), by: 1, at: .zero)
        sketch.asked(Self.key(2), by: 2, at: .zero)
        sketch.asked(Self.key(1), by: 3, at: .zero)
        let keys = sketch.summary(at: .zero).keys
        #expect(keys.map(\.callers) == [[3]])
        #expect(keys.map(\.count) == [3] && keys.map(\.error) == [2] && keys.map(\.facts) == [nil])
    }

    @Test("says how old, how fresh and how dear an answer is at the moment of asking")
    func facts() throws {
        var sketch = Self.sketch(keyCountMax: 2)
        sketch.answered(Self.key(1), .init(Self.facts, at: .zero))
        sketch.asked(Self.key(1), by: 1, at: Self.at(5))
        #expect(sketch.summary(at: Self.at(5)).keys[0].facts == nil)
        sketch.answered(Self.key(1), .init(Self.facts, at: Self.at(6)))
        let hot = try #require(sketch.summary(at: Self.at(100)).keys.first)
        #expect(hot.idle == .seconds(95))
        #expect(hot.facts?.freshFor == .seconds(-34) && hot.facts?.generationTime == .seconds(2))
    }

    @Test("a steady rate is read back as that rate, whether it lasted an hour or a week")
    func rate() {
        for hours in [1, 24, 24 * 7] as [Int64] {
            var sketch = Self.sketch(keyCountMax: 4, halfLife: .seconds(24 * 3_600))
            for second in stride(from: 0, to: hours * 3_600, by: 10) {
                sketch.asked(Self.key(1), by: 1, at: Self.at(second))
            }
            let summary = sketch.summary(at: Self.at(hours * 3_600))
            let rate = summary.keys[0].count / summary.span.seconds
            #expect(abs(rate - 0.1) < 0.002, "\(hours)")
        }
    }

    @Test("goes on for years, and keeps its order when counts are taken down to size")
    func years() {
        var sketch = Self.sketch(keyCountMax: 8)
        let year = Int64(365 * 24 * 3_600)
        for week in 0..<(5 * 52) as Range<Int64> {
            for number in 1...4 {
                for _ in 0..<number { sketch.asked(Self.key(number), by: 1, at: Self.at(week * 7 * 24 * 3_600)) }
            }
        }
        let now = Self.at(5 * year)
        sketch.asked(Self.key(9), by: 1, at: now)
        let summary = sketch.summary(at: now)
        #expect(summary.keys.first?.key == Self.key(9))
        #expect(summary.keys.allSatisfy { $0.count.isFinite && $0.error.isFinite })
        #expect(abs(summary.total - 1) < 0.01)
    }
}
