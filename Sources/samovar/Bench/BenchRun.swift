import Foundation
import SamovarCore

/// One run: connects, fills, loads, and says what came of it.
struct BenchRun: Sendable {
    let settings: BenchSettings
    let bodies: BenchBodies
    let authorization: Secret?
    let flags: LoadFlags
    /// Whether a line on standard error shows how it goes.
    let showsProgress: Bool

    func run() async throws -> BenchResult {
        switch settings.target.front {
        case .http:
            return try await run(
                HTTPDialect(bodies, host: settings.target.hostField, authorization: authorization))
        case .binary:
            return try await run(
                BinaryDialect(
                    bodies, keyCount: settings.keyCount, asksDigestFirst: settings.asksDigestFirst,
                    authorization: authorization))
        }
    }

    private func run(_ dialect: some Dialect) async throws -> BenchResult {
        let watch = try settings.pid.map { try ProcessWatch(pid: $0) }
        Self.allowConnections()
        let crew = try LoadCrew(dialect, at: try place(), settings, flags: flags)
        do {
            try await crew.dial()
        } catch {
            throw CommandFailure("\(settings.target): \(error)")
        }
        let warmUp = try await fill(crew)
        let startsAt = LoadClock.now + Self.leadTime
        let measuredFrom = startsAt + settings.warmUp.asNanoseconds
        let window = measuredFrom..<measuredFrom + settings.duration.asNanoseconds
        async let watching = observe(window, watch)
        let tally = await crew.load(from: startsAt, measuring: window)
        let observed = await watching
        return BenchResult(tally: tally, warmUp: warmUp, observed: observed)
    }

    /// Between "go" and the first request: enough for all threads to be there.
    private static let leadTime: UInt64 = 5_000_000
    private static let probeMilliseconds: Int32 = 2_000

    /// The first address at which somebody listens.
    private func place() throws -> SocketPlace {
        for place in try SocketPlace.all(of: settings.target.address)
        where place.isListenedAt(within: Self.probeMilliseconds) {
            return place
        }
        throw CommandFailure(
            "no sidecar answers at \(settings.target.address); is `samovar serve` running there?")
    }

    private func fill(_ crew: LoadCrew<some Dialect>) async throws -> BenchResult.WarmUp {
        guard settings.fills, !flags.isStopped else { return BenchResult.WarmUp() }
        let startedAt = LoadClock.now
        let progress = Task { await showFill() }
        defer { progress.cancel() }
        let tally = try await crew.fill(settings.keyCount)
        return BenchResult.WarmUp(
            verified: tally.verified, failed: tally.failed, seconds: Double(LoadClock.now - startedAt) / 1e9)
    }

    /// As many descriptors as we may have.
    private static func allowConnections() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    // MARK: Watching

    private static let lookEvery: UInt64 = 50_000_000
    private static let showEvery: UInt64 = 200_000_000

    /// Looks at processor times at both ends of the window, or where the run is broken off.
    private func observe(_ window: Range<UInt64>, _ watch: ProcessWatch?) async -> BenchResult.Observed {
        let line = ProgressLine(isShown: showsProgress)
        await wait(until: window.lowerBound, line) { "warming up" }
        let (startedAt, ownBefore, before) = (LoadClock.now, LoadClock.ownProcessorTime, watch?.look())
        let verifiedBefore = flags.verified
        await wait(until: window.upperBound, line) {
            let seconds = Double(LoadClock.now - startedAt) / 1e9
            let rate = Double(flags.verified - verifiedBefore) / max(seconds, 0.001)
            return String(format: "%.1f of %.1f s, ", seconds, settings.duration) + "\(Int(rate)) a second, "
                + "\(flags.failed) failed"
        }
        let (endedAt, own, after) = (LoadClock.now, LoadClock.ownProcessorTime, watch?.look())
        line.clear()
        let seconds = flags.isStopped ? min(settings.duration, Double(endedAt - startedAt) / 1e9) : settings.duration
        var observed = BenchResult.Observed()
        observed.seconds = LoadClock.now < window.lowerBound ? 0 : seconds
        observed.isInterrupted = flags.isStopped
        observed.ownCores = Double(own - ownBefore) / Double(max(1, endedAt - startedAt))
        if let watch {
            observed.process = BenchResult.ProcessShare(
                pid: watch.pid, name: watch.name, seconds: watch.seconds(from: before ?? nil, to: after ?? nil))
        }
        return observed
    }

    private func wait(until instant: UInt64, _ line: ProgressLine, _ text: () -> String) async {
        var shownAt: UInt64 = 0
        while !flags.isStopped {
            let now = LoadClock.now
            guard now < instant else { return }
            if now - shownAt >= Self.showEvery {
                line.show(text())
                shownAt = now
            }
            try? await Task.sleep(nanoseconds: min(Self.lookEvery, instant - now))
        }
    }

    private func showFill() async {
        let line = ProgressLine(isShown: showsProgress)
        while !Task.isCancelled {
            line.show("filling: \(flags.verified + flags.failed) of \(settings.keyCount), \(flags.failed) failed")
            try? await Task.sleep(nanoseconds: Self.showEvery)
        }
        line.clear()
    }
}

/// What a run found out.
struct BenchResult: Sendable {
    struct WarmUp: Sendable {
        var verified = 0
        var failed = 0
        var seconds = 0.0
        var asked: Int { verified + failed }
    }

    struct ProcessShare: Sendable {
        let pid: Int32
        let name: String
        /// Processor time within the window; nil where the process ended before it.
        let seconds: Double?
    }

    struct Observed: Sendable {
        /// The measured time.
        var seconds = 0.0
        var isInterrupted = false
        /// The load's own processor time, in cores.
        var ownCores = 0.0
        var process: ProcessShare?
    }

    let tally: BenchTally
    let warmUp: WarmUp
    let observed: Observed

    /// Verified replies a second.
    var throughput: Double { observed.seconds > 0 ? Double(tally.servedVerified) / observed.seconds : 0 }

    /// Of the watched process, for each reply of any kind.
    var processorMicrosecondsPerRequest: Double? {
        guard let seconds = observed.process?.seconds, tally.served > 0 else { return nil }
        return seconds * 1e6 / Double(tally.served)
    }
}
