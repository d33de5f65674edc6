import SamovarCore
import Testing

@Suite("Whether changes are heard of")
struct TrackingTests {
    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test("what was checked before a connection is not trusted once it is there")
    func connects() {
        var tracking = Tracking(.serve, at: at(1))
        let before = tracking.trustedSince
        tracking.connected(at: at(5))
        #expect(before == .zero)
        #expect(tracking.trustedSince == at(5) && tracking.isConnected)
    }

    @Test("while nothing is heard, all is served by its own lifetime, or only what has come since")
    func loss() {
        var serves = Tracking(.serve, at: at(1))
        var expires = Tracking(.expire, at: at(1))
        for second in [Int64(5), 7] {
            serves.connected(at: at(second))
            expires.connected(at: at(second))
            serves.lost(at: at(second + 1))
            expires.lost(at: at(second + 1))
            #expect(serves.trustedSince == .zero && serves.phase == .lost(since: at(second + 1)))
            #expect(expires.trustedSince == at(second + 1))
        }
    }

    @Test("a loss is noticed once, and a refusal is a loss for good until it connects")
    func once() {
        var tracking = Tracking(.expire, at: at(1))
        tracking.lost(at: at(2))
        let never = tracking.trustedSince
        tracking.connected(at: at(3))
        tracking.refused(at: at(4))
        tracking.lost(at: at(5))
        #expect(never == .zero)
        #expect(tracking.phase == .refused && tracking.trustedSince == at(4))
        tracking.connected(at: at(6))
        #expect(tracking.isConnected && tracking.trustedSince == at(6))
    }

    @Test("what is forgotten is trusted no more, and never again what was not")
    func forgets() {
        var tracking = Tracking(.serve, at: at(1))
        tracking.connected(at: at(5))
        tracking.forget(at: at(6))
        tracking.forget(at: at(4))
        #expect(tracking.trustedSince == at(6))
    }
}
