import SamovarCore

/// One flight that waits for its part of a batch: it sleeps until it is told, once.
final class EmbeddingSeat: Sendable {
    enum Verdict: Sendable {
        case answered(EmbeddingPart)
        case failed(Failure)
        /// It does not go with the others: its watcher did not let it.
        case heldBack
        /// It is to ask for itself.
        case alone
        /// Nobody wants it any more.
        case left
    }

    private struct State {
        var verdict: Verdict?
        var sleeper: CheckedContinuation<Verdict, Never>?
    }

    let flight: SharedFlight
    let watcher: Dispatch.Watcher
    let body: CanonicalBody
    let input: EmbeddingInput
    private let state = Lock(State())

    init(_ flight: SharedFlight, _ body: CanonicalBody, _ input: EmbeddingInput, _ watcher: Dispatch.Watcher) {
        self.flight = flight
        self.watcher = watcher
        self.body = body
        self.input = input
    }

    var request: Request { flight.request }
    /// Whether it has not been told anything yet.
    var isWaiting: Bool { state.withLock { $0.verdict == nil } }

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
