import SamovarCore
import Testing

@testable import SamovarEngine

@Suite("The storm: 50 requests a second are taken, and 3,000 come")
struct StormTests {
    private struct Outcome: Sendable {
        let got: [Storm.Got]
        let tally: StormProvider.Tally

        var refusedShare: Double { Double(tally.refusals) / Double(max(1, tally.calls)) }
        var text: String {
            "success \(got.success), calls \(tally.calls), refused \(tally.refusals), \(got.reasons), p99 \(got.p99)"
        }
    }

    private static func ramp(
        seed: UInt64, limits: UpstreamLimits = Storm.configured, admission: AdmissionSettings = AdmissionSettings(),
        order: AdmissionQueue.SeededOrder? = nil
    ) throws -> Outcome {
        try simulate(seed: seed) { _, clock in
            let provider = StormProvider(clock, seed: seed)
            let storm = Storm(clock, provider: provider, limits: limits, admission: admission, order: order)
            let got = try await storm.run(Storm.ramp(seed: seed))
            return Outcome(got: got, tally: provider.tally)
        }
    }

    @Test(
        "99.5 % are answered in time where the limits are configured, and 1 % of the calls are too much at most",
        arguments: [1, 2])
    func configured(seed: UInt64) throws {
        let outcome = try Self.ramp(seed: seed)
        #expect(outcome.got.success >= 0.995, "\(outcome.text)")
        #expect(outcome.refusedShare <= 0.01, "\(outcome.text)")
        #expect(outcome.tally.prompts.values.allSatisfy { $0 == 1 })
    }

    @Test("where they are learned, 5 % of the calls are too much at most", arguments: [1])
    func learned(seed: UInt64) throws {
        let outcome = try Self.ramp(seed: seed, limits: UpstreamLimits(name: "provider"))
        #expect(outcome.refusedShare <= 0.05, "\(outcome.text)")
        #expect(outcome.got.success >= 0.95, "\(outcome.text)")
    }

    // MARK: Tenants

    /// Nineteen tenants ask twice a second each, and one, if it floods, five hundred times: what the nineteen got.
    private static func others(flooded: Bool, order: AdmissionQueue.SeededOrder? = nil) throws -> [Storm.Got] {
        try simulate(seed: 4) { _, clock in
            let storm = Storm(clock, provider: StormProvider(clock), limits: Storm.configured, order: order)
            var arrivals = (1..<20).flatMap { tenant in
                Storm.steady(2, from: .milliseconds(tenant * 25), for: .seconds(20), tenant: tenant)
            }
            if flooded { arrivals += Storm.steady(500, for: .seconds(20)) }
            return try await storm.run(arrivals.sorted { $0.at < $1.at }).filter { $0.arrival.tenant > 0 }
        }
    }

    @Test("one flooding tenant of twenty does not harm the others")
    func flood() throws {
        let quiet = try Self.others(flooded: false)
        let flooded = try Self.others(flooded: true)
        #expect(quiet.success == 1)
        #expect(flooded.success == 1, "\(flooded.reasons)")
        // A turn of all twenty, beside the answer's own time.
        #expect(flooded.p99 <= quiet.p99 + .milliseconds(600))
    }

    @Test("the check fails where tenants have no shares")
    func floodWithoutShares() throws {
        let flooded = try Self.others(flooded: true, order: .anyTenant)
        #expect(flooded.p99 > .seconds(5))
    }

    // MARK: An upstream that fails

    /// Ten seconds of service, a minute of trouble, and half a minute after it, under forty cold requests a second, of
    /// which the provider takes all.
    private static func outage(
        _ trouble: StormProvider.Trouble, breaker: Bool = true, retryRatio: Double = 0.1, perSecond: Double = 40
    ) throws -> (got: [Storm.Got], calls: Int, retries: Int) {
        try simulate(seed: 5) { _, clock in
            var limits = Storm.configured
            if !breaker { limits.breaker.window?.errorRatio = 2 }
            var route = Storm.route
            route.timeouts.firstToken = .seconds(3)
            let storm = Storm(
                clock, provider: StormProvider(clock), limits: limits, route: route,
                admission: AdmissionSettings(retryRatio: retryRatio))
            let got = try await storm.run(
                Storm.steady(perSecond, for: .seconds(100)),
                changes: [(.seconds(10), trouble), (.seconds(70), .none)])
            let retries = storm.metrics.retries
            return (got, storm.provider.tally.calls, retries[.success].current + retries[.failure].current)
        }
    }

    @Test(
        "a minute of nothing but errors: calls grow by a tenth at most, with a breaker and without one",
        arguments: [true, false])
    func amplification(breaker: Bool) throws {
        let (got, calls, retries) = try Self.outage(.errors, breaker: breaker)
        let first = calls - retries
        #expect(Double(calls) <= 1.10 * Double(got.count))
        if !breaker { #expect(Double(calls) <= 1.11 * Double(first)) }
        #expect(retries > 0)
    }

    @Test("the check fails where everybody may try again")
    func amplificationWithoutBudget() throws {
        let (got, calls, _) = try Self.outage(.errors, breaker: false, retryRatio: 1)
        #expect(Double(calls) > 1.3 * Double(got.count))
    }

    @Test("ten seconds after the trouble everything is as before", arguments: ["errors", "silence", "slow", "cuts"])
    func recovery(trouble: String) throws {
        let troubles: [String: StormProvider.Trouble] = [
            "errors": .errors, "silence": .silence, "slow": .slow(10), "cuts": .cuts,
        ]
        let after = try Self.outage(troubles[trouble] ?? .errors).got.filter { $0.arrival.at >= .seconds(80) }
        #expect(after.success == 1, "\(after.reasons)")
        #expect(after.p99 < .seconds(1))
    }

    // MARK: Checks of the check

    @Test("the check fails without a queue, and without admission")
    func noQueue() throws {
        var limits = Storm.configured
        limits.queueMax = 0
        let rejecting = try Self.ramp(seed: 1, limits: limits)
        #expect(rejecting.got.success < 0.96)
        let open = try Self.ramp(seed: 1, admission: AdmissionSettings(enabled: false))
        #expect(open.refusedShare > 0.1)
    }

    @Test("the check fails where the latest goes first, or the one that most wait for")
    func wrongOrder() throws {
        let latest = try Self.ramp(seed: 1, order: .lastFirst)
        let wanted = try Self.ramp(seed: 1, order: .mostWantedFirst)
        #expect(latest.got.success < 0.995)
        #expect(wanted.got.success < 0.995)
    }
}
