import SamovarEngine

/// Where a caller sleeps until its replies are there.
///
/// Whoever comes first wakes it: the replies, a failure, or its own cancellation. A cancelled caller goes away and
/// nothing else happens: the command it has sent keeps its place on the connection.
final class ReplyWaiter: Sendable {
    private enum State {
        case new
        case asleep(CheckedContinuation<RedisRequest.Outcome, Never>)
        case settled(RedisRequest.Outcome)
    }

    private let state = Lock(State.new)

    /// Calls `start`, which is to see to it that `settle` is called, and sleeps. Once only.
    ///
    /// A task that is cancelled already starts nothing.
    func sleep(start: () -> Void) async -> RedisRequest.Outcome {
        await withTaskCancellationHandler {
            await sleepOn(start: start)
        } onCancel: {
            settle(.failure(.cancelled))
        }
    }

    /// The same, cancelled or not.
    func sleepOn(start: () -> Void) async -> RedisRequest.Outcome {
        await withCheckedContinuation { continuation in
            let early: RedisRequest.Outcome? = state.withLock { state in
                if case .settled(let outcome) = state { return outcome }
                state = .asleep(continuation)
                return nil
            }
            if let early { continuation.resume(returning: early) } else { start() }
        }
    }

    /// Idempotent: the first one counts.
    func settle(_ outcome: RedisRequest.Outcome) {
        let continuation: CheckedContinuation<RedisRequest.Outcome, Never>? = state.withLock { state in
            switch state {
            case .settled: return nil
            case .new:
                state = .settled(outcome)
                return nil
            case .asleep(let continuation):
                state = .settled(outcome)
                return continuation
            }
        }
        continuation?.resume(returning: outcome)
    }
}
