import SamovarCore
import TestSupport
import Testing

@Suite("A work estimate")
struct WorkEstimateTests {
    @Test("takes a prompt token for four bytes, and an answer for what its model said before")
    func learns() {
        var work = WorkEstimate()
        #expect(
            work.tokens(model: "m", bodySize: 4_000)
                == .init(prompt: 1_001, outputReserved: 256, outputExpected: 256))
        for _ in 0..<200 { work.saw(model: "m", outputTokenCount: 40) }
        #expect(work.tokens(model: "m", bodySize: 0) == .init(prompt: 1, outputReserved: 40, outputExpected: 40))
        #expect(work.tokens(model: "n", bodySize: 0).outputExpected == 256)
        for _ in 0..<200 { work.saw(model: "m", outputTokenCount: 400) }
        #expect(work.tokens(model: "m", bodySize: 0).outputExpected == 400)
    }

    @Test("reserves what the request asks for, and expects no more than that")
    func maxTokens() {
        var work = WorkEstimate()
        for _ in 0..<200 { work.saw(model: "m", outputTokenCount: 100) }
        let large = work.tokens(model: "m", bodySize: 400, outputTokensMax: 4_096)
        let small = work.tokens(model: "m", bodySize: 400, outputTokensMax: 5)
        #expect(large == .init(prompt: 101, outputReserved: 4_096, outputExpected: 100))
        #expect(small == .init(prompt: 101, outputReserved: 5, outputExpected: 5))
        #expect(large.reserved == 4_197 && large.expected == 201)
    }

    @Test("is not led astray by claims that make no sense", arguments: [0, -1, .min, .max])
    func nonsense(count: Int) {
        var work = WorkEstimate()
        work.saw(model: "m", outputTokenCount: count)
        let tokens = work.tokens(model: "m", bodySize: count, outputTokensMax: count)
        #expect((1...WorkEstimate.tokensMax).contains(tokens.prompt))
        #expect((1...WorkEstimate.tokensMax).contains(tokens.outputReserved))
        #expect((1...tokens.outputReserved).contains(tokens.outputExpected))
    }

    @Test("remembers no more models than its limit, those seen last")
    func bounded() {
        var work = WorkEstimate()
        for number in 0..<WorkEstimate.modelsMax { work.saw(model: "\(number)", outputTokenCount: 7) }
        work.saw(model: "0", outputTokenCount: 7)
        work.saw(model: "new", outputTokenCount: 7)
        #expect(work.tokens(model: "0", bodySize: 0).outputExpected == 7)
        #expect(work.tokens(model: "new", bodySize: 0).outputExpected == 7)
        #expect(work.tokens(model: "1", bodySize: 0).outputExpected == WorkEstimate.outputDefault)
    }
}

@Suite("A bulkhead")
struct BulkheadTests {
    /// Every share, every limit: a model that takes all it may while another waits.
    @Test("leaves a place for another model wherever there are two, and takes all where nobody waits")
    func leaves() {
        for share in [0, 0.1, 0.5, 0.75, 0.99] {
            for limit in 1...40 {
                var bulkhead = Bulkhead(share: share)
                while bulkhead.mayTake("a", of: limit, othersWait: true) { bulkhead.took("a") }
                #expect(bulkhead.heldCount("a") == max(1, min(limit - 1, Int(Double(limit) * share))))
                #expect(bulkhead.mayTake("b", of: limit, othersWait: true))
                #expect(bulkhead.mayTake("a", of: limit, othersWait: false))
                bulkhead.gaveBack("a")
                #expect(bulkhead.mayTake("a", of: limit, othersWait: true))
            }
        }
    }

    @Test("with a share of one holds nobody back before the limit, and takes nonsense for the nearest sense")
    func nonsense() {
        var whole = Bulkhead(share: 7)
        for _ in 0..<9 { whole.took("a") }
        #expect(whole.mayTake("a", of: 10, othersWait: true))
        whole.took("a")
        #expect(!whole.mayTake("a", of: 10, othersWait: true))
        for share: Double in [.nan, -1, -1e300] {
            var bulkhead = Bulkhead(share: share)
            #expect(bulkhead.mayTake("a", of: 10, othersWait: true))
            bulkhead.took("a")
            #expect(!bulkhead.mayTake("a", of: 10, othersWait: true))
        }
    }
}
