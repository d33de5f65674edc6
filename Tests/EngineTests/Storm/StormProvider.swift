import SamovarCore
import Synchronization
import TestSupport

@testable import SamovarEngine

/// A provider with limits of its own: so many requests a second, so many at once, each takes its time.
final class StormProvider: Upstream {
    struct Limits: Sendable {
        var requestsPerSecond = 50.0
        var burst = 500.0
        var concurrency = 64
        var answerTime = Duration.milliseconds(300)
    }

    /// What it does instead of answering.
    enum Trouble: Sendable {
        case none
        /// 500 at once.
        case errors
        /// Holds the connection open with keep-alives.
        case silence
        /// Takes so many times as long.
        case slow(Int)
        /// Breaks off after the first token.
        case cuts
    }

    struct Tally: Sendable {
        var calls = 0
        var refusals = 0
        var answers = 0
        var inflight = 0
        var inflightMax = 0
        var prompts: [String: Int] = [:]
    }

    private struct State {
        var limits = Limits()
        var trouble = Trouble.none
        var room: Double
        var refilledAt: Instant
        var tally = Tally()
        var random: SeededGenerator
    }

    private let clock: ManualClock
    private let state: Mutex<State>

    init(_ clock: ManualClock, limits: Limits = Limits(), seed: UInt64 = 1) {
        self.clock = clock
        state = Mutex(
            State(limits: limits, room: limits.burst, refilledAt: clock.now, random: SeededGenerator(seed: seed)))
    }

    var tally: Tally { state.withLock { $0.tally } }
    var trouble: Trouble {
        get { state.withLock { $0.trouble } }
        set { state.withLock { $0.trouble = newValue } }
    }

    func attempt(
        _ attempt: Attempt, for caller: Caller, receive: @escaping @Sendable (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        // The way there.
        let way = state.withLock { Duration.microseconds(Int.random(in: 200...3_000, using: &$0.random)) }
        try await pass(way, caller)
        let now = clock.now
        let (isLetIn, trouble, answerTime) = state.withLock { state in
            (Self.lets(&state, at: now), state.trouble, state.limits.answerTime)
        }
        guard isLetIn else {
            throw .refused(Failure.Refusal(status: 429, contentType: nil, body: [], retryAfter: nil))
        }
        defer { state.withLock { $0.tally.inflight -= 1 } }
        try await answer(attempt, trouble, answerTime, caller, receive)
        state.withLock { $0.tally.answers += 1 }
    }

    private static func lets(_ state: inout State, at now: Instant) -> Bool {
        state.tally.calls += 1
        let since = state.refilledAt.duration(to: now).seconds
        state.room = min(state.limits.burst, state.room + since * state.limits.requestsPerSecond)
        state.refilledAt = now
        guard state.room >= 1, state.tally.inflight < state.limits.concurrency else {
            state.tally.refusals += 1
            return false
        }
        state.room -= 1
        state.tally.inflight += 1
        state.tally.inflightMax = max(state.tally.inflightMax, state.tally.inflight)
        return true
    }

    private func answer(
        _ attempt: Attempt, _ trouble: Trouble, _ answerTime: Duration, _ caller: Caller,
        _ receive: (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        var time = answerTime
        switch trouble {
        case .none, .cuts: break
        case .errors:
            try await pass(.milliseconds(5), caller)
            throw .refused(Failure.Refusal(status: 500, contentType: nil, body: [], retryAfter: nil))
        case .silence:
            while true {
                try await pass(.seconds(1), caller)
                try receive(.keepAlive)
            }
        case .slow(let factor): time = time * factor
        }
        try await pass(time, caller)
        try receive(.began(.body))
        if case .cuts = trouble { throw .cut }
        var facts = ChunkFacts()
        facts.hasToken = true
        facts.choices = [ChunkFacts.Choice(index: 0, finishReason: "stop")]
        facts.usage = Usage(promptTokenCount: 20, completionTokenCount: 100)
        try receive(.chunk(Chunk(bytes: Array("re: ".utf8) + (attempt.request.body?.bytes ?? [])), facts))
    }

    private func pass(_ time: Duration, _ caller: Caller) async throws(Failure) {
        do {
            try await clock.sleep(until: clock.now.advanced(by: time), for: caller)
        } catch {
            throw .cut
        }
    }
}
