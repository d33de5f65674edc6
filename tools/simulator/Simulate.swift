import Simulation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Runs random schedules of several pods that share their calls, and says whether a promise was broken: what
/// `tools/simulate` builds and starts.
@main
struct Simulate {
    static func main() {
        switch Options.parse(CommandLine.arguments.dropFirst()) {
        case .help: print(Options.usage)
        case .wrong(let what):
            complain("simulate: \(what)\n\(Options.usage)")
            exit(2)
        case .run(let options):
            if options.isTraced { trace(options) } else { run(options) }
        }
    }

    private static func run(_ options: Options) {
        let clock = ContinuousClock()
        let start = clock.now
        var toldAt = start
        var report = Report(options)
        for number in 0..<options.scheduleCount {
            let schedule = Schedule(seed: options.seed + UInt64(number), bug: options.bug)
            schedule.run()
            report.add(schedule)
            // With a bug put in, the first sight of it is all there is to know.
            if options.bug != nil, report.hasFound { break }
            if number % 1_000 == 999, toldAt.duration(to: clock.now) > .seconds(2) {
                toldAt = clock.now
                complain("\(number + 1) schedules, \(report.violationCount) violations")
            }
        }
        report.elapsed = start.duration(to: clock.now)
        print(options.isJSON ? report.json : report.text)
        exit(report.isAsExpected ? 0 : 1)
    }

    /// One schedule, event by event.
    private static func trace(_ options: Options) {
        let schedule = Schedule(seed: options.seed, bug: options.bug) { print($0) }
        schedule.run()
        for violation in schedule.violations { print(violation) }
        exit(schedule.violations.isEmpty ? 0 : 1)
    }

    private static func complain(_ text: String) {
        let line = Array((text + "\n").utf8)
        _ = write(STDERR_FILENO, line, line.count)
    }
}
