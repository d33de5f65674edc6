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
        arguments: [1, 2, 3])
    func configured(seed: UInt64) throws {
        let outcome = try Self.ramp(seed: seed)
        print("configured", outcome.text)
        #expect(outcome.got.success >= 0.995, "\(outcome.text)")
        #expect(outcome.refusedShare <= 0.01, "\(outcome.text)")
        #expect(outcome.tally.prompts.values.allSatisfy { $0 == 1 })
    }

    @Test("where they are learned, 5 % of the calls are too much at most", arguments: [1, 2])
    func learned(seed: UInt64) throws {
        let outcome = try Self.ramp(seed: seed, limits: UpstreamLimits(name: "provider"))
        print("learned", outcome.text)
        #expect(outcome.refusedShare <= 0.05, "\(outcome.text)")
        #expect(outcome.got.success >= 0.95, "\(outcome.text)")
    }

    @Test("the check fails without a queue, and without admission")
    func noQueue() throws {
        var limits = Storm.configured
        limits.queueMax = 0
        let rejecting = try Self.ramp(seed: 1, limits: limits)
        print("no queue", rejecting.text)
        #expect(rejecting.got.success < 0.96)
        let open = try Self.ramp(seed: 1, admission: AdmissionSettings(enabled: false))
        print("no admission", open.text)
        #expect(open.refusedShare > 0.1)
    }

    @Test("the check fails where the latest goes first, or the one that most wait for")
    func wrongOrder() throws {
        let latest = try Self.ramp(seed: 1, order: .lastFirst)
        let wanted = try Self.ramp(seed: 1, order: .mostWantedFirst)
        print("latest first", latest.text)
        print("most wanted first", wanted.text)
        #expect(latest.got.success < 0.995)
        #expect(wanted.got.success < 0.995)
    }
}
