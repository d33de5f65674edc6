import TestSupport
import Testing

@Suite("What fuzzing found")
struct ReplayTests {
    @Test("of connections holds")
    func connections() throws {
        let count = try Corpus.replay("connection", fuzzConnection)
        #expect(count > 10)
    }
}
