/// All that stands before one upstream: who waits, how fast and how many may go, and whether it is worth asking.
struct UpstreamGate: Sendable {
    var limits: UpstreamLimits
    var queue: AdmissionQueue
    var pace: Pace
    var concurrency: ConcurrencyLimit
    var bulkhead: Bulkhead
    var breaker: Breaker
    /// For callers' own credentials that are out of money; nil is the configured one.
    var credentials: [Tenant?: Breaker] = [:]
    var slowStart: SlowStart
    /// How much of the limits is this process's.
    var fleet = FleetStanding()
    /// Attempts under way.
    var permitCount = 0
    /// Their work, in estimated tokens.
    var outstandingWork = 0
    /// How long an attempt holds its permit, and how long it takes to the first token, in seconds: moving means.
    private var meanHold: Double?
    private var meanFirstToken: Double?

    init(_ limits: UpstreamLimits, _ settings: AdmissionSettings, order: AdmissionQueue.SeededOrder?, at now: Instant) {
        self.limits = limits
        queue = AdmissionQueue(countMax: limits.queueMax, seeded: order)
        pace = Pace(limits.pace, at: now)
        concurrency = ConcurrencyLimit(limits.concurrency)
        bulkhead = Bulkhead(share: settings.modelShare)
        breaker = Breaker(settings: limits.breaker)
        slowStart = SlowStart(duration: limits.slowStart)
    }

    /// Takes other settings; what was learned and who waits stay.
    mutating func configure(_ limits: UpstreamLimits, _ settings: AdmissionSettings, at now: Instant) {
        let old = self.limits
        self.limits = limits
        queue.countMax = limits.queueMax
        bulkhead.share = settings.modelShare
        slowStart.duration = limits.slowStart
        if old.pace != limits.pace { pace.configure(fleet.part(of: limits.pace), at: now) }
        if old.concurrency != limits.concurrency { concurrency.configure(limits.concurrency) }
        // By other rules it judges anew.
        if old.breaker != limits.breaker { breaker = Breaker(settings: limits.breaker) }
    }

    // MARK: Whether it is worth asking

    /// Until when there is no sense in asking it with this credential; nil: there is.
    func outUntil(_ credential: Tenant?, at now: Instant) -> Instant? {
        let own = breaker.state(at: now) == .open ? breaker.probesAt : nil
        let other = credentials[credential].flatMap { $0.state(at: now) == .open ? $0.probesAt : nil }
        guard let own, let other else { return own ?? other }
        return max(own, other)
    }

    enum Readiness {
        case now
        /// Not before then.
        case notBefore(Instant)
        /// Not before something has ended.
        case later
    }

    /// Whether it could take anything of that many tokens. O(1).
    func readiness(tokens: Int, at now: Instant) -> Readiness {
        guard permitCount < concurrencyLimit, !fleet.isAwaited(limits) else { return .later }
        guard Self.wouldAsk(breaker, at: now) else {
            return breaker.state(at: now) == .open ? .notBefore(breaker.probesAt ?? now) : .later
        }
        switch pace.canSend(tokens: Double(tokens), at: now) {
        case .granted: return .now
        case .denied(let retryAfter): return .notBefore(now.advanced(by: retryAfter))
        }
    }

    /// Whether this model may have another permit, and this credential is worth trying. O(1).
    func mayTake(_ model: String, _ credential: Tenant?, at now: Instant) -> Bool {
        bulkhead.mayTake(model, of: concurrencyLimit, othersWait: queue.hasOther(than: model))
            && (credentials[credential].map { Self.wouldAsk($0, at: now) } ?? true)
    }

    private static func wouldAsk(_ breaker: Breaker, at now: Instant) -> Bool {
        var copy = breaker
        return copy.ask(at: now) != .skip
    }

    // MARK: How long it would take

    /// Attempts a second that it takes, as far as that is known.
    func rate(at now: Instant) -> Double? {
        let byPace = pace.requestsPerSecond(at: now)
        let byCount = meanHold.map { Double(concurrencyLimit) / max($0, 0.001) }
        guard let byPace, let byCount else { return byPace ?? byCount }
        return min(byPace, byCount)
    }

    /// How much of the time that callers wait is kept for the answer itself: at most a quarter, as those who ask what
    /// takes long wait longer than they wait for their turn.
    func answerTime(within patience: Duration) -> Duration {
        min(.nanoseconds(Int64((meanFirstToken ?? 0) * 1e9)), max(.zero, patience / 4))
    }

    /// When a flight that comes now would go, as far as that is known; nothing is invented for it. O(tenants).
    func startEstimate(_ tenant: Tenant, _ requestClass: RequestClass, at now: Instant) -> Instant {
        let from = pace.pausedUntil(at: now) ?? now
        guard let rate = rate(at: now), rate > 0 else { return from }
        let ahead = Double(queue.aheadCount(of: tenant, requestClass))
        return from.advanced(by: .nanoseconds(Int64(min(ahead / rate * 1e9, 9e18))))
    }

    // MARK: What happens

    /// An attempt of it begins. Returns whether it is a probe.
    mutating func took(_ attempt: inout Dispatcher.UnderWay, at now: Instant) {
        permitCount += 1
        outstandingWork += attempt.work
        bulkhead.took(attempt.model)
        attempt.sending = pace.took(tokens: Double(attempt.tokens), at: now)
        attempt.inflight = permitCount
        attempt.isProbe = breaker.ask(at: now) == .probe
        attempt.isCredentialProbe = credentials[attempt.credential]?.ask(at: now) == .probe
    }

    /// It is answered, and this was said with it.
    mutating func began(_ feedback: RateFeedback, of attempt: Dispatcher.UnderWay, at now: Instant) {
        if let sending = attempt.sending { pace.report(feedback, for: sending, at: now) }
    }

    /// Its first token has come.
    mutating func showedToken(after time: Duration, of attempt: Dispatcher.UnderWay, at now: Instant) {
        concurrency.sample(.answered(time), sentAt: attempt.startedAt, inflight: attempt.inflight, at: now)
    }

    /// It has ended.
    mutating func gaveBack(_ attempt: Dispatcher.UnderWay, at now: Instant) {
        permitCount -= 1
        outstandingWork -= attempt.work
        bulkhead.gaveBack(attempt.model)
    }

    /// An attempt that was answered took so long.
    mutating func answered(after length: Duration, firstToken: Duration?) {
        func moved(_ mean: Double?, _ length: Duration) -> Double {
            mean.map { $0 + (length.seconds - $0) * 0.05 } ?? length.seconds
        }
        meanHold = moved(meanHold, length)
        if let firstToken { meanFirstToken = moved(meanFirstToken, firstToken) }
    }

    /// It is asked by all again. How many it took at once in its trouble, and how quickly, says nothing about now: begun
    /// anew with what an upstream is begun with, or those who wait would wait for a limit of one to grow back.
    mutating func cameBack(at now: Instant) {
        slowStart.cameBack(at: now)
        concurrency = ConcurrencyLimit(limits.concurrency)
        meanHold = nil
        meanFirstToken = nil
    }

    // MARK: What was learned

    /// Callers' credentials that are remembered to be out of money, at most.
    private static let credentialsMax = 1_024
    /// A credential without money is asked again now and then, soon enough for whoever has just paid.
    private static let credentialBreaker = Breaker.Settings(
        failureMax: 3, openForMin: .seconds(5), openForMax: .seconds(60))

    mutating func learn(
        _ result: AttemptResult, of attempt: Dispatcher.UnderWay, at now: Instant, jitter: Double
    ) {
        let outcome = Breaker.Outcome(result.health)
        breaker.report(
            result.isOfCredential ? .abandoned : outcome, wasProbe: attempt.isProbe, at: now, jitter: jitter)
        learnOfCredential(result, outcome, of: attempt, at: now, jitter: jitter)
        if let sending = attempt.sending {
            if !attempt.hasBegun, result != .abandoned {
                var feedback = result.rate ?? RateFeedback()
                if result.overload != nil { feedback.retryAfter = feedback.retryAfter ?? result.retryAfter }
                let wasLetIn = result.health == .success || result.health == .slow
                pace.report(feedback, for: sending, wasLetIn: wasLetIn, at: now)
            }
            if let tokens = result.tokenCount { pace.settle(sending, tokens: Double(tokens), at: now) }
        }
        let sample: ConcurrencyLimit.Outcome? =
            switch result.overload {
            case .rate: .refused
            case .capacity: .overloaded
            case nil where attempt.hasShownToken: nil
            case nil: result.timeToFirstToken.map { .answered($0) }
            }
        if let sample {
            concurrency.sample(sample, sentAt: attempt.startedAt, inflight: attempt.inflight, at: now)
        }
    }

    private mutating func learnOfCredential(
        _ result: AttemptResult, _ outcome: Breaker.Outcome, of attempt: Dispatcher.UnderWay, at now: Instant,
        jitter: Double
    ) {
        let credential = attempt.credential
        guard
            var known = credentials[credential]
                ?? (result.isOfCredential ? Breaker(settings: Self.credentialBreaker) : nil)
        else { return }
        if result.health == .success {
            credentials[credential] = nil
        } else if credentials[credential] != nil || credentials.count < Self.credentialsMax {
            known.report(
                result.isOfCredential ? outcome : .abandoned, wasProbe: attempt.isCredentialProbe, at: now,
                jitter: jitter)
            credentials[credential] = known
        }
    }
}

extension Breaker.Outcome {
    init(_ health: AttemptResult.Health) {
        switch health {
        case .success: self = .succeeded
        case .slow: self = .slow
        case .failure: self = .failed
        case .neutral: self = .abandoned
        }
    }
}
