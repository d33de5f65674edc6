import Testing

@testable import SamovarCore

private func at(_ milliseconds: Int) -> Instant { Instant.zero.advanced(by: .milliseconds(milliseconds)) }

private func asking(
    _ upstreams: [String] = ["a"], _ requestClass: RequestClass = .interactive, of name: String = "alice",
    model: String = "m", by deadline: Int = 10_000, again: Asking.Again? = nil
) -> Asking {
    Asking(
        upstreams: upstreams, requestClass: requestClass, tenant: .listener(name), model: model,
        deadline: at(deadline), again: again)
}

private let refusal = AttemptResult(.refused(.init(status: 500, contentType: nil, body: [], retryAfter: nil)))

extension Dispatcher {
    fileprivate init(_ upstreams: UpstreamLimits..., settings: AdmissionSettings = AdmissionSettings()) {
        self.init(upstreams, settings: settings, at: .zero)
    }

    /// The permit, where it is granted at once.
    fileprivate mutating func grants(_ asking: Asking, at now: Instant) -> Permit? {
        let (ticket, moves) = submit(asking, at: now, jitter: 0)
        return moves.granted.first { $0.ticket == ticket }?.permit
    }

    fileprivate mutating func refuses(_ asking: Asking, at now: Instant) -> Rejection? {
        let (ticket, moves) = submit(asking, at: now, jitter: 0)
        return moves.refused.first { $0.ticket == ticket }?.rejection
    }

    @discardableResult
    fileprivate mutating func ends(_ permit: Permit?, _ result: AttemptResult, at now: Instant) -> (Verdict, Moves)? {
        guard let permit else { return nil }
        var retry = Retry()
        let (verdict, moves) = ended(permit, result, retry: &retry, hasPassedOn: false, at: now, jitter: 0)
        return (verdict, moves)
    }
}

private let answer = AttemptResult.answered(timeToFirstToken: .milliseconds(300))

@Suite("The dispatcher")
struct DispatcherTests {
    @Test("lets go what the pace allows, and the next one when it allows that")
    func pace() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", requestsPerSecond: 10, burst: 2))
        let first = [dispatcher.grants(asking(), at: at(0)), dispatcher.grants(asking(), at: at(0))]
        let (ticket, moves) = dispatcher.submit(asking(), at: at(0), jitter: 0)
        let later = dispatcher.look(at: moves.lookAgainAt, jitter: 0)

        #expect(first.allSatisfy { $0 != nil })
        #expect(moves.granted.isEmpty && moves.refused.isEmpty)
        #expect(moves.lookAgainAt == at(100))
        #expect(later.granted.map(\.ticket) == [ticket])
    }

    @Test("gives a permit that was handed back to whoever waits, and a permit is handed back once")
    func concurrency() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", concurrencyMax: 1))
        let permit = dispatcher.grants(asking(), at: at(0))
        let (ticket, _) = dispatcher.submit(asking(), at: at(1), jitter: 0)
        let first = dispatcher.ends(permit, answer, at: at(300))
        let second = dispatcher.ends(permit, answer, at: at(301))

        #expect(first?.1.granted.map(\.ticket) == [ticket])
        #expect(second?.1.granted.isEmpty == true)
        #expect(dispatcher.status(at: at(301)).first?.permitCount == 1)
    }

    @Test("refuses at once what cannot be answered in time, and says when there is room")
    func tooLate() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", requestsPerSecond: 1, burst: 1))
        _ = dispatcher.grants(asking(), at: at(0))
        for number in 0..<5 { _ = dispatcher.submit(asking(by: 60_000 + number), at: at(0), jitter: 0) }
        let rejection = dispatcher.refuses(asking(by: 3_000), at: at(0))

        #expect(rejection?.reason == .queueTimeout)
        #expect(rejection.map { (.seconds(1)...(.seconds(60))).contains($0.retryAfter) } == true)
    }

    @Test("refuses at its deadline what has waited in vain")
    func expiry() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", concurrencyMax: 1))
        _ = dispatcher.grants(asking(), at: at(0))
        let (ticket, moves) = dispatcher.submit(asking(by: 2_000), at: at(0), jitter: 0)
        let early = dispatcher.look(at: at(1_999), jitter: 0)
        let late = dispatcher.look(at: moves.lookAgainAt, jitter: 0)

        #expect(moves.lookAgainAt == at(2_000))
        #expect(early.refused.isEmpty)
        #expect(late.refused.map(\.ticket) == [ticket])
        #expect(late.refused.first?.rejection.reason == .queueTimeout)
    }

    @Test("a caller who joins extends the wait and raises the class")
    func joining() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", concurrencyMax: 1))
        let permit = dispatcher.grants(asking(), at: at(0))
        let (batch, _) = dispatcher.submit(asking(["a"], .batch, by: 1_000), at: at(0), jitter: 0)
        let (prewarm, _) = dispatcher.submit(asking(["a"], .prewarm, by: 1_000), at: at(0), jitter: 0)
        dispatcher.joined(prewarm, .interactive, callerCount: 2, until: at(5_000), at: at(500))
        let late = dispatcher.look(at: at(1_000), jitter: 0)
        let freed = dispatcher.ends(permit, answer, at: at(1_500))

        #expect(late.refused.map(\.ticket) == [batch])
        #expect(freed?.1.granted.map(\.ticket) == [prewarm])
    }

    @Test("who leaves takes nobody's turn")
    func leaving() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", concurrencyMax: 1))
        let permit = dispatcher.grants(asking(), at: at(0))
        let (first, _) = dispatcher.submit(asking(), at: at(0), jitter: 0)
        let (second, _) = dispatcher.submit(asking(), at: at(0), jitter: 0)
        dispatcher.leave(first)
        dispatcher.leave(first)
        let freed = dispatcher.ends(permit, answer, at: at(100))
        #expect(freed?.1.granted.map(\.ticket) == [second])
    }

    @Test("a flight waits before all of its upstreams, and goes once, where there is room first")
    func several() {
        let small = UpstreamLimits(name: "a", concurrencyMax: 1)
        var dispatcher = Dispatcher(small, UpstreamLimits(name: "b", tier: .burst, concurrencyMax: 1))
        let first = dispatcher.grants(asking(["a", "b"]), at: at(0))
        let second = dispatcher.grants(asking(["a", "b"]), at: at(0))
        let (ticket, _) = dispatcher.submit(asking(["a", "b"]), at: at(0), jitter: 0)
        let freed = dispatcher.ends(second, answer, at: at(100))
        let again = dispatcher.ends(first, answer, at: at(200))

        // The burst tier only when the local one is saturated.
        #expect(first?.upstream == "a")
        #expect(second?.upstream == "b")
        #expect(freed?.1.granted.map(\.ticket) == [ticket])
        #expect(freed?.1.granted.first?.permit.upstream == "b")
        #expect(again?.1.granted.isEmpty == true)
    }

    @Test("one model does not get all permits while another waits")
    func bulkhead() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", concurrencyMax: 4))
        let slow = (0..<4).map { _ in dispatcher.grants(asking(model: "slow"), at: at(0)) }
        for _ in 0..<3 { _ = dispatcher.submit(asking(model: "slow"), at: at(0), jitter: 0) }
        let (quick, _) = dispatcher.submit(asking(of: "bob", model: "quick", by: 20_000), at: at(1), jitter: 0)
        let freed = dispatcher.ends(slow[0], answer, at: at(100))
        #expect(freed?.1.granted.map(\.ticket) == [quick])
    }

    @Test("a tenant is held to its own rate, and the others are not")
    func tenantPace() {
        let settings = AdmissionSettings(tenant: .init(requestsPerSecond: 1, burst: 1))
        var dispatcher = Dispatcher(UpstreamLimits(name: "a"), settings: settings)
        let first = dispatcher.grants(asking(), at: at(0))
        let (second, _) = dispatcher.submit(asking(), at: at(0), jitter: 0)
        let other = dispatcher.grants(asking(of: "bob"), at: at(0))
        let later = dispatcher.look(at: at(1_000), jitter: 0)

        #expect(first != nil && other != nil)
        #expect(later.granted.map(\.ticket) == [second])
    }

    @Test("when a breaker opens, those who wait for that upstream alone are turned away at once")
    func breaker() {
        var dispatcher = Dispatcher(
            UpstreamLimits(name: "a", concurrencyMax: 20), settings: AdmissionSettings(retryRatio: 0))
        let permits = (0..<20).map { _ in dispatcher.grants(asking(), at: at(0)) }
        let (waiter, _) = dispatcher.submit(asking(of: "bob"), at: at(0), jitter: 0)
        var turnedAway: [Dispatcher.Ticket] = []
        var refused: [Rejection] = []
        for permit in permits {
            // Whoever was let through meanwhile fails as well.
            guard let (_, moves) = dispatcher.ends(permit, refusal, at: at(10)) else { continue }
            turnedAway += moves.refused.map(\.ticket)
            for (_, next) in moves.granted { dispatcher.ends(next, refusal, at: at(10)) }
        }
        if let rejection = dispatcher.refuses(asking(), at: at(20)) { refused.append(rejection) }

        #expect(dispatcher.status(at: at(20)).first?.breaker == .open)
        #expect(!dispatcher.isWaiting(waiter))
        #expect(refused.map(\.reason) == [.breaker])
        let probe = dispatcher.grants(asking(by: 20_000), at: at(6_000))
        #expect(probe?.isProbe == true)
        // One at a time: the next one waits.
        #expect(dispatcher.grants(asking(by: 20_000), at: at(6_000)) == nil)
        _ = turnedAway
    }

    @Test("a second attempt prefers another upstream, and waits out its backoff")
    func retry() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a"), UpstreamLimits(name: "b"))
        let permit = dispatcher.grants(asking(["a", "b"]), at: at(0))
        var retry = Retry()
        guard let permit else { return #expect(Bool(false), "not granted") }
        let (verdict, _) = dispatcher.ended(permit, refusal, retry: &retry, hasPassedOn: false, at: at(10), jitter: 0.5)
        guard case .again(let again) = verdict else { return #expect(Bool(false), "\(verdict)") }
        let (ticket, moves) = dispatcher.submit(asking(["a", "b"], again: again), at: at(10), jitter: 0)
        let later = dispatcher.look(at: moves.lookAgainAt, jitter: 0)

        #expect(moves.granted.isEmpty)
        #expect(later.granted.map(\.ticket) == [ticket])
        #expect(later.granted.first?.permit.upstream != permit.upstream)
        #expect(later.granted.first?.permit.isRetry == true)
    }

    @Test("nothing is tried again that was passed on, or would fail the same way")
    func noRetry() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a"))
        var retry = Retry()
        guard let first = dispatcher.grants(asking(), at: at(0)), let second = dispatcher.grants(asking(), at: at(0))
        else { return #expect(Bool(false), "not granted") }
        let passedOn = dispatcher.ended(first, refusal, retry: &retry, hasPassedOn: true, at: at(1), jitter: 0).verdict
        let bad = AttemptResult(.refused(.init(status: 400, contentType: nil, body: [], retryAfter: nil)))
        let lasting = dispatcher.ended(second, bad, retry: &retry, hasPassedOn: false, at: at(1), jitter: 0).verdict
        #expect(passedOn == .final(.passedOn))
        #expect(lasting == .final(.lasting))
    }

    @Test("an account without money is out for its own tenant alone")
    func credential() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a"), settings: AdmissionSettings(retryRatio: 0))
        func own(_ name: String) -> Asking {
            var asking = asking()
            asking.tenant = Tenant(authorization: name)
            asking.bringsCredential = true
            return asking
        }
        let broke = AttemptResult(.refused(.init(status: 402, contentType: nil, body: [], retryAfter: nil)))
        for _ in 0..<3 { dispatcher.ends(dispatcher.grants(own("poor"), at: at(0)), broke, at: at(1)) }
        #expect(dispatcher.refuses(own("poor"), at: at(2))?.reason == .breaker)
        #expect(dispatcher.grants(own("rich"), at: at(2)) != nil)
    }

    @Test("other limits take effect while flights wait, and nothing that was learned is lost")
    func configuring() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a", concurrencyMax: 1))
        let permit = dispatcher.grants(asking(), at: at(0))
        let waiting = (0..<3).map { _ in dispatcher.submit(asking(), at: at(0), jitter: 0).ticket }
        let moves = dispatcher.configure(
            [UpstreamLimits(name: "a", concurrencyMax: 3)], settings: AdmissionSettings(), at: at(1))
        #expect(permit != nil)
        #expect(Set(moves.granted.map(\.ticket)).isSubset(of: Set(waiting)))
        #expect(dispatcher.status(at: at(1)).first.map { $0.permitCount <= 3 } == true)
    }

    @Test("without admission everything goes at once")
    func disabled() {
        var dispatcher = Dispatcher(
            UpstreamLimits(name: "a", requestsPerSecond: 1, burst: 1, concurrencyMax: 1),
            settings: AdmissionSettings(enabled: false))
        let permits = (0..<10).map { _ in dispatcher.grants(asking(), at: at(0)) }
        #expect(permits.allSatisfy { $0 != nil })
    }

    @Test("a route whose upstreams are not there is told so")
    func nobody() {
        var dispatcher = Dispatcher(UpstreamLimits(name: "a"))
        #expect(dispatcher.refuses(asking(["b"]), at: at(0))?.reason == .noUpstream)
    }
}
