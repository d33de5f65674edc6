import Simulation

/// How the schedules went.
struct Report {
    private let options: Options
    private var scheduleCount = 0
    private(set) var violationCount = 0
    /// The first of them.
    private(set) var violations: [Violation] = []
    private var tally = Tally()
    var elapsed = Duration.zero

    init(_ options: Options) { self.options = options }

    mutating func add(_ schedule: Schedule) {
        scheduleCount += 1
        violationCount += schedule.violations.count
        let told = schedule.violations.filter { options.promise == nil || $0.promise == options.promise }
        violations += told.prefix(20 - min(20, violations.count))
        tally += schedule.tally
    }

    /// What was looked for: any broken promise, or the one that was named.
    var hasFound: Bool { violations.contains { options.promise == nil || $0.promise == options.promise } }

    /// Nothing was broken; or what was broken on purpose was noticed.
    var isAsExpected: Bool { options.bug == nil ? violations.isEmpty : hasFound }

    private var seconds: Double { elapsed / .seconds(1) }
    private var rate: Int { seconds > 0 ? Int(Double(scheduleCount) / seconds) : 0 }

    /// In the order in which they are shown.
    private var figures: [(name: String, value: Int)] {
        [
            ("schedules", scheduleCount), ("violations", violationCount), ("schedules_per_second", rate),
            ("requests", tally.requestCount), ("answered", tally.answeredCount), ("failed", tally.failedCount),
            ("upstream_calls", tally.attemptCount), ("duplicate_calls", tally.duplicateCount),
            ("calls_without_lease", tally.aloneCount), ("leases_lost", tally.leaseLossCount),
            ("leases_given_back", tally.releaseCount),
            ("leases_stolen", tally.stealCount), ("hits", tally.hitCount), ("answers_followed", tally.followedCount),
            ("faults", tally.faultCount), ("pods_killed_by_requests", tally.deathCount), ("events", tally.eventCount),
            ("longest_wait_ms", tally.longestWait),
        ]
    }

    var text: String {
        let lines = violations.map(\.description) + figures.map { "\($0.name.replacing("_", with: " ")): \($0.value)" }
        return lines.joined(separator: "\n")
    }

    var json: String {
        let bug = options.bug.map { "\"\($0.rawValue)\"" } ?? "null"
        let found = violations.map {
            "{\"seed\":\($0.seed),\"promise\":\"\($0.promise.rawValue)\",\"what\":\"\($0.what)\"}"
        }
        let members =
            ["\"seed\":\(options.seed)", "\"bug\":\(bug)"] + figures.map { "\"\($0.name)\":\($0.value)" }
            + ["\"first_violations\":[\(found.joined(separator: ","))]"]
        return "{\(members.joined(separator: ","))}"
    }
}
