import SamovarCore

/// One flight that waits for its part of a batch: it sleeps until it is told, once.
final class EmbeddingSeat: Sendable {
    enum Verdict: Sendable {
        case answered(EmbeddingPart)
        case failed(Failure)
        /// It is to ask for itself.
        case alone
        /// Nobody wants it any more.
        case left
    }

    private struct State {
        var verdict: Verdict?
        var sleeper: CheckedContinuation<Verdict, Never>?
    }

    let request: Request
    let body: CanonicalBody
    let input: EmbeddingInput
    private let state = Lock(State())

    init(_ request: Request, _ body: CanonicalBody, _ input: EmbeddingInput) {
        self.request = request
        self.body = body
        self.input = input
    }

    /// The first verdict holds: who has left is told nothing more.
    func settle(_ verdict: Verdict) {
        let sleeper = state.withLock { state -> CheckedContinuation<Verdict, Never>? in
            guard state.verdict == nil else { return nil }
            state.verdict = verdict
            return state.sleeper.take()
        }
        sleeper?.resume(returning: verdict)
    }

    /// To be asked for once.
    func verdict() async -> Verdict {
        await withCheckedContinuation { sleeper in
            // It may have come before our sleep.
            let verdict = state.withLock { state -> Verdict? in
                if state.verdict == nil { state.sleeper = sleeper }
                return state.verdict
            }
            if let verdict { sleeper.resume(returning: verdict) }
        }
    }
}
