import Simulation

/// What the simulator was asked for.
struct Options {
    var scheduleCount = 2_000
    var seed: UInt64 = 0
    var bug: SimulatedBug?
    var promise: Violation.Promise?
    var isJSON = false
    var isTraced = false

    enum Parsed {
        case run(Options)
        case help
        case wrong(String)
    }

    static let usage = """
        tools/simulate [--schedules N] [--seed N] [--bug NAME] [--promise NAME] [--json] [--trace]

        Runs random schedules of pods that share their calls through a model of Redis, with crashes, pauses, lost and
        late replies, expiry, failover, clock jumps, eviction, trimming, purges and leaving callers. Prints every broken
        promise with the seed that replays it.

          --schedules N   how many, from --seed on (2000)
          --seed N        the first (0)
          --bug NAME      break something on purpose, and stop at the first schedule that shows it
          --promise NAME  tell of this promise only
          --json          the report as one line of JSON
          --trace         one schedule, --seed, event by event

        Ends with 0 where no promise was broken (with --bug: where the bug was found), with 1 otherwise.

        Bugs: \(SimulatedBug.allCases.map(\.rawValue).joined(separator: ", "))
        Promises: \(Violation.Promise.allCases.map(\.rawValue).joined(separator: ", "))
        """

    static func parse(_ arguments: some Sequence<String>) -> Parsed {
        var options = Options()
        var rest = Array(arguments)[...]
        while let name = rest.popFirst() {
            switch name {
            case "--help", "-h": return .help
            case "--json": options.isJSON = true
            case "--trace": options.isTraced = true
            case "--schedules":
                guard let count = rest.popFirst().flatMap({ Int($0) }), count > 0 else {
                    return .wrong("--schedules needs a number above 0")
                }
                options.scheduleCount = count
            case "--seed":
                guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return .wrong("--seed needs a number") }
                options.seed = seed
            case "--bug":
                guard let bug = rest.popFirst().flatMap({ SimulatedBug(rawValue: $0) }) else {
                    return .wrong("--bug needs the name of one")
                }
                options.bug = bug
            case "--promise":
                guard let promise = rest.popFirst().flatMap({ Violation.Promise(rawValue: $0) }) else {
                    return .wrong("--promise needs the name of one")
                }
                options.promise = promise
            default: return .wrong("unknown option \(name)")
            }
        }
        return .run(options)
    }
}
