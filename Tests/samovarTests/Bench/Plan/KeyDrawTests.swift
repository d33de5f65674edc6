import Foundation
import Testing

@testable import samovar

@Suite("Which key is asked for")
struct KeyDrawTests {
    private func draws(_ draw: KeyDraw, _ count: Int) -> [UInt64] {
        var draw = draw
        return (0..<count).map { _ in draw.next() }
    }

    private func shares(_ distribution: KeyDistribution, keys: Int, draws count: Int = 400_000) -> [Double] {
        var counts = [Int](repeating: 0, count: keys)
        for key in draws(KeyDraw(distribution, keyCount: keys, seed: 3), count) { counts[Int(key)] += 1 }
        return counts.map { Double($0) / Double(count) }
    }

    @Test(
        "is spelled as it is read, and nothing else is",
        arguments: ["uniform", "zipf:0.99", "zipf:1.5", "sequential", "unique"])
    func spelling(text: String) {
        #expect(KeyDistribution(text).map { "\($0)" } == text)
    }

    @Test(
        "is refused where it is none",
        arguments: ["", "zipf:", "zipf:0", "zipf:11", "zipf:nan", "Uniform", "uniform:1"])
    func refused(text: String) {
        #expect(KeyDistribution(text) == nil)
    }

    @Test("is each as often as the other when uniform")
    func uniform() {
        #expect(shares(.uniform, keys: 20).allSatisfy { abs($0 * 20 - 1) < 0.05 })
    }

    @Test("has a share of 1 / (k + 1)^s with Zipf", arguments: [0.5, 0.99, 1.4])
    func zipf(exponent: Double) {
        let keys = 1_000
        let weights = (1...keys).map { pow(Double($0), -exponent) }
        let total = weights.reduce(0, +)
        let seen = shares(.zipf(exponent), keys: keys)
        for key in [0, 1, 2, 9] { #expect(abs(seen[key] / (weights[key] / total) - 1) < 0.05) }
        // The far half, all together.
        let tail = weights[500...].reduce(0, +) / total
        #expect(abs(seen[500...].reduce(0, +) / tail - 1) < 0.05)
    }

    @Test("is the only one there is", arguments: [KeyDistribution.uniform, .zipf(0.99), .sequential])
    func single(distribution: KeyDistribution) {
        #expect(draws(KeyDraw(distribution, keyCount: 1, seed: 1), 5) == [0, 0, 0, 0, 0])
    }

    @Test("is one after the other, from another place for each thread")
    func sequential() {
        #expect(draws(KeyDraw(.sequential, keyCount: 5, seed: 1), 7) == [0, 1, 2, 3, 4, 0, 1])
        #expect(draws(KeyDraw(.sequential, keyCount: 4, seed: 1, part: 1, of: 2), 5) == [2, 3, 0, 1, 2])
    }

    @Test("is never the same twice when unique, on no thread")
    func unique() {
        let all = (0..<3).flatMap { draws(KeyDraw(.unique, keyCount: 10, seed: 1, part: $0, of: 3), 100) }
        #expect(Set(all).count == 300)
    }

    @Test("is the same again for the same seed")
    func seed() {
        func drawn(_ seed: UInt64) -> [UInt64] { draws(KeyDraw(.zipf(0.99), keyCount: 100, seed: seed), 100) }
        #expect(drawn(5) == drawn(5))
        #expect(drawn(5) != drawn(6))
    }
}

@Suite("What is asked")
struct RequestDrawTests {
    private func streamCount(_ share: Double, of count: Int) -> Int {
        var draw = RequestDraw(KeyDraw(.uniform, keyCount: 9, seed: 1), forms: .share(share), seed: 1)
        return (0..<count).count { _ in draw.next()?.isStream ?? false }
    }

    @Test("is a stream as often as is wanted")
    func streams() {
        #expect(streamCount(0, of: 1_000) == 0)
        #expect(streamCount(1, of: 1_000) == 1_000)
        #expect((28_500...31_500).contains(streamCount(0.3, of: 100_000)))
    }

    @Test("is each key once in a fill, in the form that is asked for more often")
    func fill() {
        var mostlyBodies = RequestDraw(eachOf: 4..<7, forms: .share(0.4))
        var mostlyStreams = RequestDraw(eachOf: 0..<1, forms: .share(0.5))
        let asked = (0..<4).map { _ in mostlyBodies.next() }
        #expect(asked.map { $0?.key } == [4, 5, 6, nil])
        #expect(asked.allSatisfy { $0?.isStream != true })
        #expect(mostlyStreams.next() == RequestDraw.Drawn(key: 0, isStream: true))
    }

    @Test("is of each key's own form where keys have one, in a fill and after it")
    func forms() {
        let forms = RequestForms.ofKeys([false, true, false])
        var fill = RequestDraw(eachOf: 0..<3, forms: forms)
        var load = RequestDraw(KeyDraw(.sequential, keyCount: 3, seed: 1), forms: forms, seed: 1)
        #expect((0..<3).map { _ in fill.next()?.isStream } == [false, true, false])
        #expect((0..<4).map { _ in load.next()?.isStream } == [false, true, false, false])
        #expect(forms.streamShare == 1.0 / 3)
    }
}
