import SamovarCore
import Testing

@Suite("Failed tokens")
struct FailedTokensTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    @Test("shut an address out for the rest of the second, and no other")
    func shutOut() {
        var failed = FailedTokens()
        for _ in 0..<FailedTokens.failuresMax {
            #expect(failed.admits("10.0.0.1", at: at(100)))
            failed.failed("10.0.0.1", at: at(100))
        }
        #expect(!failed.admits("10.0.0.1", at: at(999)))
        #expect(failed.admits("10.0.0.2", at: at(999)))
        #expect(failed.admits("10.0.0.1", at: at(1_000)))
    }

    @Test("take no more memory than for a bounded number of addresses, and shut strangers out together then")
    func bounded() {
        var failed = FailedTokens()
        for number in 0..<FailedTokens.addressesMax { failed.failed("address \(number)", at: at(1)) }
        for number in 0..<FailedTokens.failuresMax {
            #expect(failed.admits("stranger \(number)", at: at(2)))
            failed.failed("stranger \(number)", at: at(2))
        }
        #expect(!failed.admits("stranger 99", at: at(2)))
        #expect(failed.admits("address 7", at: at(2)))
        #expect(failed.admits("stranger 99", at: at(1_001)))
    }
}
