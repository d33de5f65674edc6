import Synchronization
import TestSupport

@testable import SamovarCore
@testable import SamovarEngine

/// Runs all tasks of one simulation on the caller's thread, in an order that the seed decides.
///
/// A one-thread executor shows every interleaving at suspension points; it cannot show a race between two lines
/// without an `await` between them.
final class SimExecutor: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var random: SeededGenerator
    }

    private let state: Mutex<State>

    init(seed: UInt64) {
        state = Mutex(State(random: SeededGenerator(seed: seed)))
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { $0.jobs.append(job) }
    }

    /// Runs one job of those that are ready; false when none is.
    func step() -> Bool {
        let job = state.withLock { state -> UnownedJob? in
            guard !state.jobs.isEmpty else { return nil }
            let index = Int.random(in: 0..<state.jobs.count, using: &state.random)
            return state.jobs.remove(at: index)
        }
        job?.runSynchronously(on: asUnownedTaskExecutor())
        return job != nil
    }

    /// A number of the seed's, for scenes.
    func random(_ range: ClosedRange<Int>) -> Int {
        state.withLock { Int.random(in: range, using: &$0.random) }
    }
}

/// Time that stands still until everything waits for it.
final class ManualClock: MonotonicClock {
    private typealias Wake = @Sendable (Result<Void, any Error>) -> Void

    private struct Deadline: Comparable {
        let at: Instant
        let number: Int

        static func < (left: Deadline, right: Deadline) -> Bool {
            left.at == right.at ? left.number < right.number : left.at < right.at
        }
    }

    private struct State {
        var now = Instant(nanoseconds: 1_000_000_000)
        var deadlines = IndexedHeap<Int, Deadline>()
        var sleepers: [Int: Wake] = [:]
        var cancelled: Set<Int> = []
        var nextNumber = 0

        mutating func sleep(_ number: Int, until deadline: Instant, _ wake: @escaping Wake) {
            deadlines.insert(number, Deadline(at: deadline, number: number))
            sleepers[number] = wake
        }

        mutating func take(_ number: Int) -> Wake? {
            deadlines.remove(number)
            return sleepers.removeValue(forKey: number)
        }
    }

    private let state = Mutex(State())

    var now: Instant { state.withLock { $0.now } }
    var wallNow: WallTime { WallTime(milliseconds: 1_700_000_000_000 + now.nanoseconds / 1_000_000) }

    func sleep(until deadline: Instant) async throws {
        let number = nextNumber()
        try await withTaskCancellationHandler {
            try await sleep(until: deadline, number)
        } onCancel: {
            wake(number)
        }
    }

    /// Ends when the caller goes, with an error.
    func sleep(until deadline: Instant, for caller: Caller) async throws {
        let number = nextNumber()
        caller.whenGone { self.wake(number) }
        try await sleep(until: deadline, number)
    }

    func call(at instant: Instant, _ body: @escaping @Sendable () -> Void) {
        let number = nextNumber()
        state.withLock { $0.sleep(number, until: instant) { _ in body() } }
    }

    private func nextNumber() -> Int {
        state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
    }

    private func sleep(until deadline: Instant, _ number: Int) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let isOver = state.withLock { state -> Result<Void, any Error>? in
                if state.cancelled.remove(number) != nil { return .failure(CancellationError()) }
                if deadline <= state.now { return .success(()) }
                state.sleep(number, until: deadline) { continuation.resume(with: $0) }
                return nil
            }
            if let isOver { continuation.resume(with: isOver) }
        }
    }

    private func wake(_ number: Int) {
        let wake = state.withLock { state -> Wake? in
            guard let wake = state.take(number) else {
                state.cancelled.insert(number)
                return nil
            }
            return wake
        }
        wake?(.failure(CancellationError()))
    }

    /// Goes on to the next deadline and wakes whoever waits for it; false when nobody does.
    func advanceToNext() -> Bool {
        let due = state.withLock { state -> [Wake] in
            guard let next = state.deadlines.first?.rank.at, next < .never else { return [] }
            state.now = max(state.now, next)
            var numbers: [Int] = []
            while let (number, deadline) = state.deadlines.first, deadline.at <= state.now {
                numbers.append(number)
                state.deadlines.remove(number)
            }
            return numbers.sorted().compactMap { state.sleepers.removeValue(forKey: $0) }
        }
        for wake in due { wake(.success(())) }
        return !due.isEmpty
    }
}

/// A simulation got stuck: nothing is ready, and nobody waits for time.
struct Stuck: Error {}

/// Runs a scene to its end, in the order that the seed decides; time passes only when nothing else can happen.
func simulate<Outcome: Sendable>(
    seed: UInt64, _ scene: @escaping @Sendable (SimExecutor, ManualClock) async throws -> Outcome
) throws -> Outcome {
    let executor = SimExecutor(seed: seed)
    let clock = ManualClock()
    let outcome = Mutex<Result<Outcome, any Error>?>(nil)
    let task = Task(executorPreference: executor) {
        do {
            let value = try await scene(executor, clock)
            outcome.withLock { $0 = .success(value) }
        } catch {
            outcome.withLock { $0 = .failure(error) }
        }
    }
    while outcome.withLock({ $0 == nil }) {
        if executor.step() || clock.advanceToNext() { continue }
        task.cancel()
        guard executor.step() else { throw Stuck() }
    }
    return try outcome.withLock { try $0!.get() }
}
