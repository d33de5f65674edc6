import SamovarCore

/// What is known of one attempt while it runs. Drives `Completeness`, `AnswerDeadlines` and `Recorder`.
final class AttemptLog: Sendable {
    /// An answer that came to its clean end.
    struct Whole: Sendable {
        let recording: Recording
        let model: String?
        let usage: Usage?
        /// Why it is not to be stored, if it is not.
        let notStored: NotStoredReason?
    }

    enum Outcome: Sendable {
        case whole(Whole)
        case failed(Failure)
        /// Nobody was left to read it.
        case abandoned
    }

    private struct State {
        var deadlines: AnswerDeadlines
        var firstTokenAt: Instant?
        var hasChunks = false
        var rate: RateFeedback?
        var completeness = Completeness()
        var form = Form.body
        var usageAsked = false
        var recorder: Recorder?
        var model: String?
        var usage: Usage?
    }

    /// On whose behalf it is made: gone when it is given up.
    let caller = Caller()
    private let attempt: Attempt
    private let startedAt: Instant
    private let state: Lock<State>

    init(_ attempt: Attempt, startedAt: Instant) {
        self.attempt = attempt
        self.startedAt = startedAt
        state = Lock(State(deadlines: AnswerDeadlines(attempt.request.route.timeouts, startedAt: startedAt)))
    }

    func lookAgain(after now: Instant) -> Instant { state.withLock { $0.deadlines.lookAgain(after: now) } }

    func passed(at now: Instant) -> Failure.Wait? { state.withLock { $0.deadlines.passed(at: now) } }

    /// Until when the upstream may stay silent.
    var progressUntil: Instant { state.withLock { $0.deadlines.next } }

    var form: PublishedForm {
        state.withLock { PublishedForm($0.form, usageAsked: $0.usageAsked) }
    }

    /// Whether usage was asked for on behalf of callers who did not: what they are then not shown.
    func began(_ form: Form) -> Bool {
        let usageAsked = form == .stream && attempt.includeUsage
        state.withLock { state in
            state.form = form
            state.usageAsked = usageAsked
            state.recorder = Recorder(form: form, usageAsked: usageAsked)
        }
        return usageAsked
    }

    func heard(_ rate: RateFeedback) { state.withLock { $0.rate = rate } }

    /// What the attempt has shown, beside its outcome.
    var showing: AttemptShowing {
        state.withLock { state in
            AttemptShowing(
                timeToFirstToken: state.firstTokenAt.map { startedAt.duration(to: $0) }, hasPassedOn: state.hasChunks,
                rate: state.rate, usage: state.usage)
        }
    }

    /// Returns how long the first token took, with the first token.
    @discardableResult
    func add(_ chunk: Chunk, _ facts: ChunkFacts, at now: Instant) -> Duration? {
        state.withLock { state in
            let isFirst = facts.hasToken && state.firstTokenAt == nil
            state.hasChunks = true
            if facts.hasToken {
                state.deadlines.sawToken(at: now)
                state.firstTokenAt = state.firstTokenAt ?? now
            }
            state.completeness.observe(facts)
            state.recorder?.append(chunk)
            state.model = facts.model ?? state.model
            state.usage = facts.usage ?? state.usage
            return isFirst ? startedAt.duration(to: now) : nil
        }
    }

    /// The upstream has ended its answer cleanly.
    func finish() -> Outcome {
        let route = attempt.request.route
        return state.withLock { state in
            guard let recorder = state.recorder else { return .failed(.cut) }
            let verdict = state.completeness.verdict(
                storesLength: route.storesLength, storesContentFilter: route.storesContentFilter)
            let notStored: NotStoredReason?
            switch verdict {
            case .keep: notStored = nil
            case .pass(let reason): notStored = reason
            // A body that is JSON to its last byte is the upstream's whole word, be it odd; a stream is not.
            case .incomplete where state.form == .body: notStored = .malformed
            case .incomplete: return .failed(.cut)
            }
            return .whole(
                Whole(recording: recorder.finish(), model: state.model, usage: state.usage, notStored: notStored))
        }
    }
}

/// What is to be learned from an attempt about its upstream.
struct AttemptShowing: Sendable {
    /// Nil where none came.
    let timeToFirstToken: Duration?
    /// Whether callers have been given any of it.
    let hasPassedOn: Bool
    let rate: RateFeedback?
    let usage: Usage?

    /// For those who decide about the next attempts.
    ///
    /// - Parameter slowAfter: from when on a first token is late.
    func result(_ outcome: AttemptLog.Outcome, slowAfter: Duration?) -> AttemptResult {
        switch outcome {
        case .whole:
            .answered(
                timeToFirstToken: timeToFirstToken, slowAfter: slowAfter,
                tokenCount: usage.map { $0.promptTokenCount + $0.completionTokenCount }, rate: rate)
        case .failed(let failure): AttemptResult(failure, timeToFirstToken: timeToFirstToken, rate: rate)
        case .abandoned: .abandoned
        }
    }
}

/// Makes one attempt on behalf of a flight, within its deadlines and for as long as anybody wants it.
struct AttemptDriver: Sendable {
    let clock: any MonotonicClock
    let metrics: Metrics
    let watch: DeadlineWatch

    /// Is told of each chunk, after the flight.
    typealias Observer = @Sendable (Chunk, AttemptLog) -> Void

    /// What an attempt shows of its upstream while it runs.
    enum Sign: Sendable {
        /// It answers, and said this about its limits.
        case began(RateFeedback?)
        case firstToken(after: Duration)
    }

    func run(
        _ attempt: Attempt, at member: UpstreamPool.Member, for flight: SharedFlight, observer: Observer? = nil,
        signs: @escaping @Sendable (Sign) -> Void = { _ in }
    ) async -> (AttemptLog.Outcome, AttemptShowing) {
        let log = AttemptLog(attempt, startedAt: clock.now)
        let caller = log.caller
        flight.makesAttempt(for: caller)
        watch.begin(log)
        defer { watch.end(log) }
        let outcome = await withTaskCancellationHandler {
            await call(attempt, at: member, for: flight, log, observer, signs)
        } onCancel: {
            caller.hangUp(.draining)
        }
        count(outcome, at: member)
        return (outcome, log.showing)
    }

    private func call(
        _ attempt: Attempt, at member: UpstreamPool.Member, for flight: SharedFlight, _ log: AttemptLog,
        _ observer: Observer?, _ signs: @escaping @Sendable (Sign) -> Void
    ) async -> AttemptLog.Outcome {
        do throws(Failure) {
            try await member.upstream.attempt(attempt, for: log.caller) { event throws(Failure) in
                // What still comes after it was given up is for nobody.
                if let reason = log.caller.gone { throw reason }
                switch event {
                case .began(let form):
                    flight.began(form, usageAsked: log.began(form))
                    signs(.began(log.showing.rate))
                case .chunk(let chunk, let facts):
                    if let time = log.add(chunk, facts, at: clock.now) { signs(.firstToken(after: time)) }
                    guard flight.append(chunk) else { throw .tooLarge(limit: "answer_size_max") }
                    observer?(chunk, log)
                case .rate(let feedback): log.heard(feedback)
                case .keepAlive: break
                }
            }
            guard let reason = log.caller.gone else { return log.finish() }
            return givenUp(reason, flight)
        } catch {
            // Why it was given up, where it was; what the transport makes of that is no matter.
            return log.caller.gone.map { givenUp($0, flight) } ?? .failed(error)
        }
    }

    private func givenUp(_ reason: Failure, _ flight: SharedFlight) -> AttemptLog.Outcome {
        flight.isGivenUp ? .abandoned : .failed(reason)
    }

    private func count(_ outcome: AttemptLog.Outcome, at member: UpstreamPool.Member) {
        switch outcome {
        case .whole: metrics.attempt(at: member.name, .success)
        case .failed(let failure): metrics.attempt(at: member.name, AttemptOutcome(failure))
        case .abandoned: metrics.attempt(at: member.name, .cancelled)
        }
    }
}
