import TestSupport
import Testing

@Suite("What fuzzing found")
struct ReplayTests {
    @Test("of frames holds")
    func frames() throws {
        let count = try Corpus.replay("frames", fuzzFrames)
        #expect(count > 10)
    }

    @Test("of HTTP requests holds")
    func requests() throws {
        let count = try Corpus.replay("http", fuzzHTTP)
        #expect(count > 10)
    }

    @Test("of streams holds")
    func streams() throws {
        let count = try Corpus.replay("sse", fuzzSSE)
        #expect(count > 10)
    }
}
