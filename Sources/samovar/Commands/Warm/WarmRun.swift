import Foundation
import Glibc
import SamovarCore
import SamovarEngine

/// What came of a run.
struct WarmSummary: Sendable {
    var counts: [String: Int] = [:]
    var failures: [(number: Int, reason: String)] = []
    var tenant = "unknown"
    var took = Duration.zero

    var failedCount: Int { failures.count }
    private var askedCount: Int { counts.values.reduce(0, +) + failures.count }

    var text: String {
        let results = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        let rate = took > .zero ? String(format: ", %.1f a second", Double(askedCount) / took.seconds) : ""
        let seconds = String(format: "%.1f", took.seconds)
        return "asked \(askedCount) in \(seconds) s\(rate): "
            + (results + ["\(failures.count) failed"]).joined(separator: ", ") + "; tenant \(tenant)"
    }

    var json: String {
        let results = counts.sorted { $0.key < $1.key }.map { "\(JSONLog.quoted($0.key)):\($0.value)" }
        let failed = failures.map { String($0.number) }.joined(separator: ",")
        return "{\"asked\":\(askedCount),\"failed_lines\":[\(failed)],\"results\":{\(results.joined(separator: ","))},"
            + "\"seconds\":\(took.seconds),\"tenant\":\(JSONLog.quoted(tenant))}"
    }
}

/// Asks the lines of a file, so many at once and so many a second, and keeps where it is.
struct WarmRun: Sendable {
    let lines: WarmFile
    let client: SidecarClient
    let resume: WarmResume
    let rate: Double
    let concurrency: Int
    private let clock = SystemClock()

    init(lines: WarmFile, client: SidecarClient, resume: WarmResume, rate: Double, concurrency: Int) {
        self.lines = lines
        self.client = client
        self.resume = resume
        self.rate = rate
        self.concurrency = concurrency
    }

    private struct Outcome: Sendable {
        let number: Int
        let result: Result<(word: String, tenant: String?), CommandFailure>
    }

    /// How often progress is saved and shown.
    private static let showEvery = Duration.milliseconds(200)
    /// A sidecar that is gone fails every line: after so many in a row the rest is not worth asking.
    private static let failuresInARowMax = 20

    func run(from start: WarmProgress, quiet: Bool) async throws -> WarmSummary {
        let remaining = lines.numbered(start)
        var bar = WarmBar(total: remaining.count, isTerminal: isatty(STDERR_FILENO) == 1 && !quiet, quiet: quiet)
        var progress = start
        for number in lines.blanks { progress.passedOver(number) }
        var summary = WarmSummary()
        var failuresInARow = 0
        let startedAt = clock.now
        var shownAt = startedAt
        try await withThrowingTaskGroup(of: Outcome.self) { asking in
            var next = 0
            func askNext() {
                guard next < remaining.count else { return }
                let (number, line) = remaining[next]
                let due = rate > 0 ? startedAt.advanced(by: .nanoseconds(Int64(Double(next) / rate * 1e9))) : startedAt
                next += 1
                asking.addTask { try await ask(number, line, at: due) }
            }
            for _ in 0..<concurrency { askNext() }
            while let outcome = try await asking.next() {
                take(outcome, into: &summary, &progress, &failuresInARow)
                let now = clock.now
                if shownAt.duration(to: now) >= Self.showEvery {
                    shownAt = now
                    resume.save(progress)
                    bar.show(summary, took: startedAt.duration(to: now))
                }
                guard failuresInARow < Self.failuresInARowMax else {
                    resume.save(progress)
                    throw CommandFailure(
                        "\(Self.failuresInARowMax) lines failed in a row, the last: \(summary.failures.last?.reason ?? "")"
                    )
                }
                askNext()
            }
        }
        summary.took = startedAt.duration(to: clock.now)
        bar.end(summary)
        for failure in summary.failures.sorted(by: { $0.number < $1.number }) {
            note("\(lines.path):\(failure.number): \(failure.reason)")
        }
        if summary.failures.isEmpty { resume.remove() } else { resume.save(progress) }
        return summary
    }

    private func take(
        _ outcome: Outcome, into summary: inout WarmSummary, _ progress: inout WarmProgress, _ failuresInARow: inout Int
    ) {
        switch outcome.result {
        case .success(let (word, tenant)):
            summary.counts[word, default: 0] += 1
            if let tenant { summary.tenant = tenant }
            failuresInARow = 0
            progress.finished(outcome.number, failed: false)
        case .failure(let failure):
            summary.failures.append((outcome.number, failure.description))
            failuresInARow += 1
            progress.finished(outcome.number, failed: true)
        }
    }

    private func ask(_ number: Int, _ line: [UInt8], at due: Instant) async throws -> Outcome {
        try await clock.sleep(until: due)
        do {
            return Outcome(number: number, result: .success(try await ask(line)))
        } catch let failure as CommandFailure {
            return Outcome(number: number, result: .failure(failure))
        } catch {
            return Outcome(number: number, result: .failure(CommandFailure("the answer broke off")))
        }
    }

    private func ask(_ line: [UInt8]) async throws -> (word: String, tenant: String?) {
        let body: CanonicalBody
        do throws(BodyError) {
            body = try CanonicalBody(line)
        } catch {
            throw CommandFailure(error.message)
        }
        let response = try await client.ask(APIKind(guessedFrom: body), body: line, urgency: .prewarm)
        guard response.status == .ok else {
            throw CommandFailure("status \(response.status.code): \(await response.errorMessage())")
        }
        // The answer is of no interest here; that it comes to its end is.
        for try await _ in response.body {}
        return (response.result, response.headers.first(name: "x-samovar-tenant"))
    }
}

/// The progress of a run: a bar on a terminal, a plain line now and then otherwise.
struct WarmBar {
    private let total: Int
    private let isTerminal: Bool
    private let quiet: Bool
    private var shownTenths = 0

    init(total: Int, isTerminal: Bool, quiet: Bool) {
        self.total = total
        self.isTerminal = isTerminal
        self.quiet = quiet
    }

    mutating func show(_ summary: WarmSummary, took: Duration) {
        guard !quiet, total > 0 else { return }
        let done = summary.counts.values.reduce(0, +) + summary.failedCount
        let tenths = done * 10 / total
        let rate = Double(done) / max(took.seconds, 0.001)
        let left = rate > 0 ? Int(Double(total - done) / rate) : 0
        let figures =
            "\(done)/\(total), " + String(format: "%.1f", rate)
            + " a second, \(left) s left, \(summary.failedCount) failed"
        if isTerminal {
            let filled = done * 30 / total
            let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
            emit("\r[\(bar)] \(figures)\u{1B}[K", to: STDERR_FILENO)
        } else if tenths > shownTenths {
            shownTenths = tenths
            note(figures)
        }
    }

    func end(_ summary: WarmSummary) {
        if isTerminal { emit("\r\u{1B}[K", to: STDERR_FILENO) }
    }
}
