import TestSupport
import Testing

@Suite("A CANCEL that meets the end of its request")
struct CancelRaceTests {
    private static func bytes(_ random: inout SeededGenerator) -> [UInt8] {
        (0..<Int.random(in: 4...60, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    @Test("leaves one end and nothing else, whatever the order", arguments: 0..<4)
    func random(part: UInt64) throws {
        var random = SeededGenerator(seed: part)
        for _ in 0..<750 {
            let bytes = Self.bytes(&random)
            do { try fuzzCancel(bytes) } catch { throw BrokenPromise("\(bytes): \(error)") }
        }
    }

    @Test("leaves one end and nothing else between threads")
    func threads() throws {
        var random = SeededGenerator(seed: 5)
        for _ in 0..<300 {
            let bytes = Self.bytes(&random)
            do { try raceCancel(bytes) } catch { throw BrokenPromise("\(bytes): \(error)") }
        }
    }

    @Test("of what was found before leaves nothing either")
    func corpus() throws {
        let count = try Corpus.replay("cancel", fuzzCancel)
        #expect(count > 10)
    }
}
