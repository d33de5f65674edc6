/// What a run is to do, checked.
struct BenchSettings: Sendable {
    /// How requests follow each other.
    enum Pace: Hashable, Sendable {
        /// The next is sent when one is answered.
        case closed
        /// So many a second, whatever the server does.
        case open(rate: Double, spacing: ArrivalPlan.Spacing)
    }

    var target: BenchTarget
    var pace = Pace.closed
    var connections = 16
    /// Requests in flight on each.
    var pipeline = 1
    var threads = 1
    var keyCount = 100
    var distribution = KeyDistribution.zipf(0.99)
    var forms = RequestForms.share(0)
    /// Ask by the body's digest first.
    var asksDigestFirst = false
    /// Seconds: measured, before that uncounted, and at most for a reply.
    var duration = 10.0
    var warmUp = 1.0
    var timeout = 30.0
    /// Each key is asked once before the load.
    var fills = true
    /// Open loop: arrivals that may wait for a free connection, all threads together.
    var backlogMax = 10_000
    var seed: UInt64 = 1
    /// The process whose processor time is divided by the requests.
    var pid: Int32?

    static let connectionCounts = 1...4_096
    static let pipelines = 1...256
    static let threadCounts = 1...64
    static let keyCounts = 1...1_000_000
    static let durations = 0.1...3_600.0
    static let warmUps = 0.0...600.0
    static let timeouts = 0.1...600.0
    static let rates = 0.01...1_000_000.0
    static let backlogs = 1...10_000_000
}

extension Double {
    /// These seconds in whole nanoseconds.
    var asNanoseconds: UInt64 { UInt64((self * 1e9).rounded()) }
}
