import Foundation
import SamovarCore

/// The threads of a load, each with its loop. A phase begins on all of them, and has ended when the last one has.
struct LoadCrew<D: Dialect>: Sendable {
    private let loops: [LoadLoop<D>]
    private let settings: BenchSettings
    private let flags: LoadFlags

    /// So many requests of the fill in a row that fail are enough to see that the rest would.
    private static var failuresInARowMax: Int { 20 }

    init(_ dialect: D, at place: SocketPlace, _ settings: BenchSettings, flags: LoadFlags) throws(CommandFailure) {
        self.settings = settings
        self.flags = flags
        let threads = min(settings.threads, settings.connections)
        var loops: [LoadLoop<D>] = []
        for thread in 0..<threads {
            // The first ones take what cannot be divided.
            let share = settings.connections / threads + (thread < settings.connections % threads ? 1 : 0)
            loops.append(
                try LoadLoop(
                    dialect, at: place, connectionCount: share, pipeline: settings.pipeline,
                    timeout: settings.timeout.asNanoseconds, flags: flags))
        }
        self.loops = loops
    }

    /// Makes all connections.
    func dial() async throws {
        let pipeline = settings.pipeline
        let results = await onThreads { _, loop in
            Result<Void, CommandFailure> { () throws(CommandFailure) in try loop.dialAll(pipeline: pipeline) }
        }
        for result in results { try result.get() }
    }

    /// Asks each key once, in a closed loop.
    ///
    /// - Throws: where nothing else than failures comes.
    func fill(_ keyCount: Int) async throws -> BenchTally {
        let startsAt = LoadClock.now
        let (count, parts) = (keyCount, loops.count)
        let tallies = await onThreads { thread, loop in
            let range = UInt64(count * thread / parts)..<UInt64(count * (thread + 1) / parts)
            var work = LoadWork(
                draw: RequestDraw(eachOf: range, forms: settings.forms), startsAt: startsAt, endsAt: .max,
                window: startsAt..<UInt64.max, secondsMax: 1)
            work.failuresInARowMax = Self.failuresInARowMax
            return loop.run(work)
        }
        let tally = Self.merged(tallies)
        if !flags.isStopped, tally.verified == 0 || tally.verified + tally.failed < keyCount {
            let last = loops.compactMap(\.lastFailure).first ?? "no reply was whole"
            throw CommandFailure("\(tally.failed) requests of the fill failed in a row, the last: \(last)")
        }
        return tally
    }

    /// Puts the load on.
    ///
    /// - Parameter window: what is measured of it.
    func load(from startsAt: UInt64, measuring window: Range<UInt64>) async -> BenchTally {
        let settings = settings
        let parts = loops.count
        let tallies = await onThreads { thread, loop in
            let keys = KeyDraw(
                settings.distribution, keyCount: settings.keyCount, seed: settings.seed, part: thread, of: parts)
            var work = LoadWork(
                draw: RequestDraw(keys, forms: settings.forms, seed: settings.seed, part: thread),
                startsAt: startsAt, endsAt: window.upperBound, window: window,
                secondsMax: Int(settings.duration + settings.timeout) + 2)
            if case .open(let rate, let spacing) = settings.pace {
                let plan = ArrivalPlan(rate: rate, spacing: spacing, seed: settings.seed, part: thread, of: parts)
                work.arrivals = ArrivalQueue(
                    plan, from: startsAt, until: window.upperBound, waitingMax: max(1, settings.backlogMax / parts))
            }
            return loop.run(work)
        }
        return Self.merged(tallies)
    }

    private static func merged(_ tallies: [BenchTally]) -> BenchTally {
        tallies.dropFirst().reduce(into: tallies[0]) { $0.merge($1) }
    }

    /// Does this with each loop on a thread of its own, and waits for all.
    private func onThreads<Outcome: Sendable>(
        _ body: @escaping @Sendable (Int, LoadLoop<D>) -> Outcome
    ) async -> [Outcome] {
        await withTaskGroup(of: (Int, Outcome).self) { group in
            for (index, loop) in loops.enumerated() {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        let thread = Thread { continuation.resume(returning: (index, body(index, loop))) }
                        thread.name = "bench-\(index)"
                        thread.start()
                    }
                }
            }
            var outcomes: [(Int, Outcome)] = []
            for await outcome in group { outcomes.append(outcome) }
            return outcomes.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
