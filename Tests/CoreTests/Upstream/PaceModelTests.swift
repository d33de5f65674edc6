import SamovarCore
import TestSupport
import Testing

/// A provider of 50 requests a second, 500 at once, 64 under way, 300 ms to the first token; a sender that always has
/// something to send.
@Suite("A pace, against a provider in virtual time")
struct PaceModelTests {
    private static let configured = Pace.Settings(requestsPerSecond: 50, burst: 500)

    @Test("configured: hardly anything is refused, and the provider's whole rate is used", arguments: 0..<5)
    func configured(seed: UInt64) {
        var sender = SenderModel(ProviderModel(), pace: Self.configured, seed: seed)
        let storm = sender.run(for: .seconds(30))
        #expect(storm.refusedShare <= 0.01)
        #expect(Double(storm.accepted) >= 0.95 * (500 + 30 * 50))
    }

    @Test("configured: a provider whose burst is gone, as after our restart, is understood at once", arguments: 0..<5)
    func restarted(seed: UInt64) {
        var provider = ProviderModel()
        provider.empty()
        var sender = SenderModel(provider, pace: Self.configured, seed: seed)
        let storm = sender.run(for: .seconds(30))
        #expect(storm.refusedShare <= 0.05)
        #expect(Double(storm.accepted) >= 0.9 * 30 * 50)
    }

    @Test(
        "learned: little is refused and the rate is used, whether refusals come at once or late, with a wait or without",
        arguments: 0..<5)
    func learned(seed: UInt64) {
        for timeToRefusal in [Duration.milliseconds(2), .milliseconds(300)] {
            for retryAfter in [nil, Duration.seconds(1)] {
                var provider = ProviderModel()
                provider.timeToRefusal = timeToRefusal
                provider.retryAfter = retryAfter
                var sender = SenderModel(provider, pace: .init(), seed: seed)
                let storm = sender.run(for: .seconds(30))
                let after = sender.run(for: .seconds(60))
                // Late refusals: some hundred are under way before the first comes back.
                let first = timeToRefusal < .milliseconds(100) ? 0.02 : 0.06
                #expect(storm.refusedShare <= first, "\(timeToRefusal), \(String(describing: retryAfter))")
                #expect(after.refusedShare <= 0.03, "\(timeToRefusal), \(String(describing: retryAfter))")
                #expect(Double(storm.refused + after.refused) <= 0.05 * Double(storm.sent + after.sent))
                #expect(Double(storm.accepted) >= 0.92 * (500 + 30 * 50))
                #expect(Double(after.accepted) >= 0.95 * 60 * 50)
            }
        }
    }

    @Test("learned: a pace is found for slow and fast providers too", arguments: [2, 5, 20, 150])
    func others(rate: Double) {
        var sender = SenderModel(ProviderModel(rate: rate, burst: rate * 10), pace: .init(), seed: 1)
        _ = sender.run(for: .seconds(60))
        let after = sender.run(for: .seconds(120))
        #expect(after.refusedShare <= 0.05)
        #expect(Double(after.accepted) >= 0.85 * 120 * rate)
    }

    @Test("after a minute of refusals the whole capacity is in use again within seconds", arguments: 0..<3)
    func recovers(seed: UInt64) {
        for settings in [Self.configured, Pace.Settings()] {
            var sender = SenderModel(ProviderModel(), pace: settings, seed: seed)
            _ = sender.run(for: .seconds(30))
            sender.provider.isDown = true
            let down = sender.run(for: .seconds(60))
            sender.provider.isDown = false
            let first = sender.run(for: .seconds(10))
            let next = sender.run(for: .seconds(10))
            // A request or two a second ask whether it is back.
            #expect(down.sent <= 120)
            #expect(Double(first.accepted) >= 0.8 * 10 * 50)
            #expect(Double(next.accepted) >= 0.95 * 10 * 50)
            #expect(first.refusedShare <= 0.05 && next.refusedShare <= 0.05)
        }
    }
}

@Suite("A pace")
struct PaceTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    @Test("limits nothing until it is configured or refused")
    func unlimited() {
        var pace = Pace(at: at(0))
        for _ in 0..<10_000 {
            #expect(pace.canSend(tokens: 1e6, at: at(0)) == .granted)
            _ = pace.took(tokens: 1e6, at: at(0))
        }
        #expect(pace.requestsPerSecond(at: at(0)) == nil)
    }

    @Test("keeps a little of a large burst back, and nothing of a small one")
    func burst() {
        func atOnce(_ settings: Pace.Settings) -> Int {
            var pace = Pace(settings, at: at(0))
            var count = 0
            while pace.canSend(tokens: 1, at: at(0)) == .granted, count < 1_000 {
                _ = pace.took(tokens: 1, at: at(0))
                count += 1
            }
            return count
        }
        #expect(atOnce(.init(requestsPerSecond: 50, burst: 500)) == 490)
        #expect(atOnce(.init(requestsPerSecond: 50, burst: 3)) == 3)
        #expect(atOnce(.init(requestsPerSecond: 7)) == 7)
    }

    @Test("takes a refusal for the provider's word that its burst is gone")
    func emptied() {
        var pace = Pace(.init(requestsPerSecond: 10, burst: 500), at: at(0))
        let sendings = (0..<100).map { pace.took(tokens: 1, at: at($0)) }
        pace.report(RateFeedback(isRefusal: true), for: sendings[99], at: at(100))
        // What was learned lets far more go than the ten that a second brings.
        var count = 0
        while pace.canSend(tokens: 1, at: at(1_100)) == .granted, count < 500 {
            _ = pace.took(tokens: 1, at: at(1_100))
            count += 1
        }
        #expect(count == 10)
    }

    @Test("spends tokens a minute by estimate, and settles what was really used")
    func tokens() {
        var pace = Pace(.init(tokensPerMinute: 6_000), at: at(0))
        let sending = pace.took(tokens: 5_000, at: at(0))
        #expect(pace.canSend(tokens: 2_000, at: at(0)) == .denied(retryAfter: .seconds(10)))
        pace.settle(sending, tokens: 3_000, at: at(0))
        #expect(pace.canSend(tokens: 2_000, at: at(0)) == .granted)
    }

    @Test(
        "waits as long as it is asked to, a minute at most, and not at all for nonsense",
        arguments: [
            (Duration.seconds(3), Duration.seconds(3)), (.seconds(1_000_000_000), .seconds(60)),
            (.seconds(-3), .zero), (.zero, .zero), (.nanoseconds(Int64.max), .seconds(60)),
        ])
    func pauses(asked: Duration, waits: Duration) {
        var pace = Pace(at: at(0))
        let sending = pace.took(tokens: 1, at: at(0))
        // On a success: so that nothing is learned beside it.
        pace.report(RateFeedback(retryAfter: asked), for: sending, at: at(100))
        if waits == .zero {
            #expect(pace.canSend(tokens: 1, at: at(100)) == .granted)
            #expect(pace.pausedUntil(at: at(100)) == nil)
        } else {
            #expect(pace.canSend(tokens: 1, at: at(100)) == .denied(retryAfter: waits))
            #expect(pace.pausedUntil(at: at(100)) == at(100).advanced(by: waits))
            #expect(pace.canSend(tokens: 1, at: at(100).advanced(by: waits)) == .granted)
        }
    }

    @Test("gives no burst above its own, whatever the clock does", arguments: 0..<20)
    func clockJumps(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var pace = Pace(.init(requestsPerSecond: 50, burst: 100), at: at(0))
        var now = at(0)
        for _ in 0..<200 {
            now = now.advanced(by: .milliseconds(Int64.random(in: -3_600_000...3_600_000, using: &random)))
            var count = 0
            var last: Pace.Sending?
            while pace.canSend(tokens: 1, at: now) == .granted {
                last = pace.took(tokens: 1, at: now)
                count += 1
                guard count <= 100 else { break }
            }
            #expect(count <= 98)
            if let last, Bool.random(using: &random) {
                pace.report(RateFeedback(isRefusal: Bool.random(using: &random)), for: last, at: now)
            }
        }
    }

    @Test("is lifted a minute after the last refusal, and what was refused belongs to one event")
    func forgets() {
        var pace = Pace(at: at(0))
        let sendings = (0..<50).map { pace.took(tokens: 1, at: at($0)) }
        for sending in sendings { pace.report(RateFeedback(isRefusal: true), for: sending, at: at(60)) }
        let rate = pace.requestsPerSecond(at: at(60)) ?? 0
        // One cut from what was sent, not fifty.
        #expect(rate > 100)
        #expect(pace.canSend(tokens: 1, at: at(60)) != .granted)
        #expect(pace.requestsPerSecond(at: at(60_059)) == rate)
        #expect(pace.requestsPerSecond(at: at(60_060)) == nil)
        #expect(pace.canSend(tokens: 1, at: at(60_060)) == .granted)
    }

    @Test("takes other budgets without forgetting what was spent")
    func reconfigured() {
        var pace = Pace(.init(requestsPerSecond: 10, burst: 5), at: at(0))
        for _ in 0..<5 { _ = pace.took(tokens: 1, at: at(0)) }
        pace.configure(.init(requestsPerSecond: 10, burst: 6), at: at(0))
        #expect(pace.canSend(tokens: 1, at: at(0)) == .granted)
        _ = pace.took(tokens: 1, at: at(0))
        #expect(pace.canSend(tokens: 1, at: at(0)) == .denied(retryAfter: .milliseconds(100)))
        pace.configure(.init(), at: at(0))
        #expect(pace.canSend(tokens: 1, at: at(0)) == .granted)
    }
}
