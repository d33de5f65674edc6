import TestSupport
import Testing

@Suite("What fuzzing found")
struct ReplayTests {
    @Test("of Redis's replies holds")
    func replies() throws {
        let count = try Corpus.replay("resp", fuzzRESP)
        #expect(count > 10)
    }

    @Test("of stored values holds")
    func values() throws {
        let count = try Corpus.replay("value", fuzzValue)
        #expect(count > 5)
    }
}
