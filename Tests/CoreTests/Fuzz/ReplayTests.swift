import TestSupport
import Testing

@Suite("What fuzzing found")
struct ReplayTests {
    @Test("of bodies and keys holds")
    func keys() throws {
        let count = try Corpus.replay("key", fuzzKey)
        #expect(count > 10)
    }

    @Test("of coded recordings holds")
    func recordings() throws {
        let count = try Corpus.replay("recording", fuzzRecording)
        #expect(count > 10)
    }
}
