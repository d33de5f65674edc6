import NIOCore

/// Who is let in: settings, rate, concurrency and the draw of errors, and the ledger of it all.
///
/// Pure: time goes in, an admission comes out.
struct Door: Sendable {
    /// What is decided about one call.
    struct Admission {
        enum Ruling: Equatable {
            case serve
            case redirect(to: String)
            case refuse(Refusal)
        }

        let ruling: Ruling
        /// The number of the call since the process began.
        let attempt: Int
        /// As they stood when the call arrived.
        let settings: Settings
        /// Calls that would still be let in at once; a number that changes when nothing limits them.
        let remaining: Int
    }

    private(set) var settings: Settings
    private(set) var ledger = Ledger()
    private var bucket: Bucket?
    private var attempt = 0

    init(_ settings: Settings) {
        self.settings = settings
        bucket = Self.bucket(settings)
    }

    /// A call has arrived. One that is served must be reported to `ended` once.
    ///
    /// - Parameter ask: nil for a call that asks nothing, such as the list of models.
    mutating func arrived(_ visit: Visit, asking ask: Result<Ask?, Refusal>, at now: NIODeadline) -> Admission {
        attempt += 1
        ledger.called(by: visit)
        var remaining = 9_999 - attempt % 10_000
        let ruling = rule(ask, at: now, remaining: &remaining)
        switch ruling {
        case .serve:
            ledger.answered(status: 200)
            ledger.began(isStream: (try? ask.get())?.wantsStream ?? false)
        case .redirect:
            ledger.answered(status: 302)
        case .refuse(let refusal):
            ledger.answered(status: refusal.status)
        }
        return Admission(ruling: ruling, attempt: attempt, settings: settings, remaining: remaining)
    }

    /// A call that was served is over: complete, cut by us, or its caller has gone.
    mutating func ended(cancelled: Bool) {
        ledger.ended(cancelled: cancelled)
    }

    mutating func change(_ changes: [JSON.Member]) throws(SettingRefusal) {
        let before = settings
        try settings.apply(changes)
        let sameRate =
            settings.capacityPerSecond == before.capacityPerSecond
            && settings.capacityBurst == before.capacityBurst
        if !sameRate { bucket = Self.bucket(settings) }
    }

    mutating func resetLedger() {
        ledger.reset()
    }

    private mutating func rule(
        _ ask: Result<Ask?, Refusal>, at now: NIODeadline, remaining: inout Int
    ) -> Admission.Ruling {
        // A caller without a key is told so before all else, and a wrong body is not charged for.
        if case .failure(.unauthorized) = ask { return .refuse(.unauthorized) }
        if let status = settings.status {
            return .refuse(.ordered(status: status, retryAfter: settings.retryAfter))
        }
        if let url = settings.redirectTo { return .redirect(to: url) }
        let asked: Ask?
        switch ask {
        case .success(let ask): asked = ask
        case .failure(let refusal): return .refuse(refusal)
        }
        if settings.refuseStream, asked?.wantsStream == true {
            return .refuse(.invalid("This model does not support streaming.", param: "stream"))
        }
        if settings.refuseStreamOptions, asked?.hasStreamOptions == true {
            return .refuse(.invalid("Unrecognized request argument supplied: stream_options", param: "stream_options"))
        }
        if case .embedding(let ask)? = asked, let index = refusedInput(of: ask) {
            return .refuse(.invalidInput(at: index))
        }
        if settings.concurrentMax > 0, ledger.concurrent >= settings.concurrentMax { return .refuse(.tooManyAtOnce) }
        switch bucket?.take(at: now) {
        case .denied(let retryAfter):
            remaining = 0
            return .refuse(.throttled(retryAfter: Int((retryAfter.nanoseconds + 999_999_999) / 1_000_000_000)))
        case .granted(let left): remaining = left
        case nil: break
        }
        if settings.errorRate > 0, Noise.unit(seed: UInt64(settings.seed), index: attempt) < settings.errorRate {
            return .refuse(.ordered(status: settings.errorStatus, retryAfter: settings.retryAfter))
        }
        return .serve
    }

    /// The place of the first input that it was told to refuse.
    private func refusedInput(of ask: EmbeddingAsk) -> Int? {
        if let index = settings.refuseInput, index < ask.digests.count { return index }
        return settings.refuseInputText.flatMap { text in ask.inputs.firstIndex { $0.contains(text) } }
    }

    private static func bucket(_ settings: Settings) -> Bucket? {
        settings.capacityPerSecond > 0
            ? Bucket(perSecond: settings.capacityPerSecond, burst: settings.capacityBurst) : nil
    }
}
