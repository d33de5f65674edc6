import SamovarEngine

/// How many lines are live, and who waits for the first.
final class Liveness: Sendable {
    private struct State {
        var liveCount = 0
        var isShut = false
        var nextNumber = 0
        var waiting: [Int: CheckedContinuation<Bool, Never>] = [:]
    }

    private let state = Lock(State())

    var liveCount: Int { state.withLock { $0.liveCount } }

    func rose() {
        wake { $0.liveCount += 1 }
    }

    func fell() {
        state.withLock { $0.liveCount -= 1 }
    }

    func shut() {
        wake { $0.isShut = true }
    }

    /// Waits until a line is live. False when the task is cancelled or everything is shut before that.
    func wait() async -> Bool {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    if state.liveCount > 0 { return true }
                    if state.isShut || Task.isCancelled { return false }
                    state.waiting[number] = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            // Cancelled before it has fallen asleep, it sees so itself, under the same lock.
            let continuation = state.withLock { $0.waiting.removeValue(forKey: number) }
            continuation?.resume(returning: false)
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let (woken, isLive) = state.withLock { state in
            change(&state)
            defer { state.waiting.removeAll() }
            return (state.waiting.sorted { $0.key < $1.key }.map(\.value), state.liveCount > 0)
        }
        for continuation in woken { continuation.resume(returning: isLive) }
    }
}
