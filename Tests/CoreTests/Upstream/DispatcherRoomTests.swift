import TestSupport
import Testing

@testable import SamovarCore

private func at(_ milliseconds: Int) -> Instant { Instant.zero.advanced(by: .milliseconds(milliseconds)) }

private func asking(_ upstreams: [String] = ["a"], of name: String = "alice", model: String = "m") -> Asking {
    Asking(upstreams: upstreams, tenant: .listener(name), model: model, deadline: at(1_000_000))
}

extension Dispatcher {
    fileprivate init(_ upstreams: UpstreamLimits..., settings: AdmissionSettings = AdmissionSettings()) {
        self.init(upstreams, settings: settings, at: .zero)
    }

    /// Whether all of so many would be granted at once, found out by sending them.
    fileprivate func takes(_ count: Int, _ asking: Asking, at now: Instant) -> Bool {
        var copy = self
        return (0..<count).allSatisfy { _ in
            let (ticket, moves) = copy.submit(asking, at: now, jitter: 0)
            return moves.granted.contains { $0.ticket == ticket }
        }
    }
}

@Suite("Whether the dispatcher has room")
struct DispatcherRoomTests {
    @Test("there is room for as many as may be under way at once, at all upstreams together")
    func concurrency() {
        var dispatcher = Dispatcher(
            UpstreamLimits(name: "a", concurrencyMax: 2), UpstreamLimits(name: "b", concurrencyMax: 1))
        let both = (0..<4).map { dispatcher.hasRoom(for: asking(["a", "b"]), beside: $0, at: at(0)) }
        _ = dispatcher.submit(asking(), at: at(0), jitter: 0)
        let one = (0..<2).map { dispatcher.hasRoom(for: asking(), beside: $0, at: at(0)) }
        #expect(both == [true, true, true, false])
        #expect(one == [true, false])
    }

    @Test("there is none while the pace lets nothing go, and some when it does")
    func pace() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", requestsPerSecond: 10, burst: 2))
        let first = (0..<3).map { dispatcher.hasRoom(for: asking(), beside: $0, at: at(0)) }
        for _ in 0..<2 { _ = dispatcher.submit(asking(), at: at(0), jitter: 0) }
        #expect(first == [true, true, false])
        #expect(!dispatcher.hasRoom(for: asking(), beside: 0, at: at(99)))
        #expect(dispatcher.hasRoom(for: asking(), beside: 0, at: at(100)))
        #expect(!dispatcher.hasRoom(for: asking(), beside: 1, at: at(100)))
    }

    @Test("there is none for a tenant that has had its own rate, and some for others")
    func tenant() {
        var dispatcher = Dispatcher(
            UpstreamLimits(name: "a"), settings: AdmissionSettings(tenant: .init(requestsPerSecond: 1, burst: 2)))
        let before = (0..<3).map { dispatcher.hasRoom(for: asking(), beside: $0, at: at(0)) }
        for _ in 0..<2 { _ = dispatcher.submit(asking(), at: at(0), jitter: 0) }
        #expect(before == [true, true, false])
        #expect(!dispatcher.hasRoom(for: asking(), beside: 0, at: at(0)))
        #expect(dispatcher.hasRoom(for: asking(of: "bob"), beside: 1, at: at(0)))
    }

    @Test("there is none for who comes later than somebody who could go")
    func queue() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", requestsPerSecond: 10, burst: 1))
        for _ in 0..<2 { _ = dispatcher.submit(asking(), at: at(0), jitter: 0) }
        // The one who waits has not been told yet.
        #expect(!dispatcher.hasRoom(for: asking(of: "bob"), beside: 0, at: at(100)))
    }

    @Test("there is none at upstreams that are out or unknown, and always without admission")
    func ends() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a"))
        var retry = Retry()
        for _ in 0..<40 {
            let (_, moves) = dispatcher.submit(asking(), at: at(0), jitter: 0)
            guard let permit = moves.granted.first?.permit else { break }
            _ = dispatcher.ended(
                permit, AttemptResult(.unreachable(reason: "r")), retry: &retry, hasPassedOn: false, at: at(0),
                jitter: 0)
        }
        #expect(!dispatcher.hasRoom(for: asking(), beside: 0, at: at(0)))
        #expect(!dispatcher.hasRoom(for: asking(["b"]), beside: 0, at: at(0)))
        let open = Dispatcher(
            UpstreamLimits(name: "a", concurrencyMax: 1), settings: AdmissionSettings(enabled: false))
        #expect(open.hasRoom(for: asking(), beside: 100, at: at(0)))
    }

    @Test("it says what sending them would show, in whatever state", arguments: 0..<100 as Range<UInt64>)
    func truth(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let tenant = AdmissionSettings.TenantLimits(
            requestsPerSecond: seed % 3 == 0 ? 8 : nil, burst: 3, tokensPerMinute: seed % 5 == 0 ? 20_000 : nil)
        var dispatcher = Dispatcher(
            UpstreamLimits(name: "a", requestsPerSecond: seed % 2 == 0 ? 20 : nil, burst: 4, concurrencyMax: 3),
            UpstreamLimits(name: "b", tier: .burst, tokensPerMinute: 60_000, concurrencyMax: 2),
            settings: AdmissionSettings(tenant: tenant))
        var permits: [Permit] = []
        var now = at(0)
        var seen: Set<Bool> = []
        for _ in 0..<60 {
            let upstreams = [["a"], ["b"], ["a", "b"]].randomElement(using: &random) ?? []
            let one = asking(
                upstreams, of: Bool.random(using: &random) ? "alice" : "bob",
                model: Bool.random(using: &random) ? "m" : "n")
            var moves = Dispatcher.Moves()
            if permits.isEmpty || Int.random(in: 0..<3, using: &random) > 0 {
                moves = dispatcher.submit(one, at: now, jitter: 0).moves
            } else {
                let permit = permits.remove(at: Int.random(in: permits.indices, using: &random))
                let failure = Failure.refused(.init(status: 429, contentType: nil, body: [], retryAfter: nil))
                let result: AttemptResult =
                    Int.random(in: 0..<6, using: &random) == 0
                    ? AttemptResult(failure) : .answered(timeToFirstToken: .milliseconds(50))
                var retry = Retry()
                moves = dispatcher.ended(permit, result, retry: &retry, hasPassedOn: true, at: now, jitter: 0).moves
            }
            permits += moves.granted.map(\.permit)
            now = now.advanced(by: .milliseconds(Int.random(in: 0..<80, using: &random)))
            permits += dispatcher.look(at: now, jitter: 0).granted.map(\.permit)
            for count in 0..<4 {
                let hasRoom = dispatcher.hasRoom(for: one, beside: count, at: now)
                seen.insert(hasRoom)
                #expect(hasRoom == dispatcher.takes(count + 1, one, at: now), "beside \(count)")
            }
        }
        #expect(seen == [true, false])
    }
}
