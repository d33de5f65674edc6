import SamovarCore
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite("An announced limit")
struct AnnouncedLimitTests {
    private func heard(
        _ budget: RateFeedback.Budget, spentSince: Double = 0, isRefusal: Bool = false, retryAfter: Duration? = nil
    ) -> AnnouncedLimit {
        var limit = AnnouncedLimit()
        limit.heard(budget, spentSince: spentSince, isRefusal: isRefusal, retryAfter: retryAfter, at: at(0))
        return limit
    }

    @Test("lets go what is left, less what was under way, and then what comes back")
    func refills() {
        // 60 a minute, 10 left: full again in 50 s.
        var limit = heard(.init(limit: 60, remaining: 10, reset: .seconds(50)), spentSince: 4)
        var count = 0
        while limit.canSpend(1, at: at(0)) == .granted {
            limit.spent(1, at: at(0))
            count += 1
        }
        #expect(count == 6)
        #expect(limit.canSpend(1, at: at(0)) == .denied(retryAfter: .seconds(1)))
        #expect(limit.canSpend(1, at: at(1_000)) == .granted)
    }

    @Test("lets nothing go before the reset once a refusal has shown that nothing comes back before")
    func window() {
        var limit = heard(.init(limit: 60, remaining: 0, reset: .seconds(30)))
        #expect(limit.canSpend(1, at: at(500)) == .granted)
        limit.heard(.init(), spentSince: 0, isRefusal: true, retryAfter: nil, at: at(500))
        #expect(limit.canSpend(1, at: at(500)) == .denied(retryAfter: .milliseconds(29_500)))
        #expect(limit.canSpend(1, at: at(30_000)) == .granted)
        // What is said with the refusal itself holds just so, unless it says to come earlier.
        let refused = heard(.init(limit: 60, remaining: 0, reset: .seconds(30)), isRefusal: true)
        #expect(refused.canSpend(1, at: at(0)) == .denied(retryAfter: .seconds(30)))
        let soon = heard(
            .init(limit: 60, remaining: 0, reset: .seconds(30)), isRefusal: true, retryAfter: .seconds(2))
        #expect(soon.canSpend(1, at: at(0)) == .denied(retryAfter: .seconds(2)))
    }

    @Test("holds no longer than a minute, and never because of nonsense")
    func nonsense() {
        let long = heard(.init(limit: 1, remaining: 0, reset: .seconds(1_000_000_000)), isRefusal: true)
        #expect(long.canSpend(1, at: at(0)) == .denied(retryAfter: .seconds(60)))
        let odd: [RateFeedback.Budget] = [
            .init(limit: 0, remaining: 0, reset: .zero), .init(limit: 0, remaining: -5, reset: .seconds(5)),
            .init(limit: 100, remaining: .nan, reset: .seconds(5)), .init(limit: 100, remaining: 0),
            .init(limit: 100, remaining: 0, reset: .seconds(-5)), .init(limit: 100), .init(reset: .seconds(60)),
        ]
        for budget in odd { #expect(heard(budget).canSpend(1, at: at(0)) == .granted, "\(budget)") }
        // A cost above the whole budget waits for a full one, not for ever.
        let small = heard(.init(limit: 10, remaining: 5, reset: .seconds(5)))
        #expect(small.canSpend(1_000, at: at(0)) == .denied(retryAfter: .seconds(5)))
        #expect(small.canSpend(1_000, at: at(5_000)) == .granted)
        #expect(heard(.init(limit: 10, remaining: 50, reset: .seconds(5))).canSpend(20, at: at(0)) == .granted)
    }
}
