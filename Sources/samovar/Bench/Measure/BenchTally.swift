/// What one thread, or all together, saw of a run. Instants are nanoseconds of one clock.
///
/// Two questions, two sets of requests: how those fared who were to be served in the window (whenever that ended), and
/// how many replies the server gave within it (whenever they were asked for).
struct BenchTally: Sendable {
    /// A request and its end.
    struct Ended: Sendable {
        /// When it was to be sent; in a closed loop when it was.
        var plannedAt: UInt64
        /// When it was sent, if it was.
        var sentAt: UInt64?
        var endedAt: UInt64
        /// Bytes of the reply's body.
        var byteCount = 0
    }

    /// Counted are arrivals from its start to before its end.
    let window: Range<UInt64>
    private(set) var verified = 0
    /// By `RequestFailure.allCases`.
    private(set) var failures = [Int](repeating: 0, count: RequestFailure.allCases.count)
    /// By `ReplyResult.allCases`.
    private var resultCounts = [Int](repeating: 0, count: ReplyResult.allCases.count)
    /// What servers said, and how often; at most `detailsMax` different things.
    private(set) var details: [String: Int] = [:]
    /// From the planned arrival to the end of a verified reply.
    private(set) var latency = LatencyHistogram()
    /// From the planned arrival to the send.
    private(set) var sendLag = LatencyHistogram()
    private(set) var series: TimeSeries
    /// Replies of all kinds that ended within the window: what the server's processor time is divided by.
    private(set) var served = 0
    /// Of these the verified ones, and their bytes.
    private(set) var servedVerified = 0
    private(set) var servedBytes = 0
    /// Requests that had to be sent once more with their body (BODY_NEEDED).
    var bodiesNeeded = 0
    /// In flight when the run was broken off: neither verified nor failed.
    var unfinished = 0

    static let detailsMax = 32

    /// - Parameter secondsMax: of the series.
    init(window: Range<UInt64>, secondsMax: Int) {
        self.window = window
        series = TimeSeries(secondsMax: secondsMax)
    }

    var failed: Int { failures.reduce(0, +) }

    func count(of result: ReplyResult) -> Int { resultCounts[result.index] }

    /// O(1).
    mutating func add(_ outcome: ReplyOutcome, _ request: Ended) {
        if window.contains(request.endedAt), outcome.isReply { countServed(outcome, request.byteCount) }
        guard window.contains(request.plannedAt) else { return }
        let took = request.endedAt - min(request.plannedAt, request.endedAt)
        if let sentAt = request.sentAt { sendLag.add(sentAt - min(request.plannedAt, sentAt)) }
        series.add(outcome, at: request.endedAt - min(window.lowerBound, request.endedAt), latency: took)
        switch outcome {
        case .verified(let result):
            verified += 1
            resultCounts[result.index] += 1
            latency.add(took)
        case .failed(let failure, let detail):
            failures[failure.index] += 1
            guard let detail, details.count < Self.detailsMax || details[detail] != nil else { return }
            details[detail, default: 0] += 1
        }
    }

    private mutating func countServed(_ outcome: ReplyOutcome, _ byteCount: Int) {
        served += 1
        guard case .verified = outcome else { return }
        servedVerified += 1
        servedBytes += byteCount
    }

    /// - Precondition: the same window.
    mutating func merge(_ other: BenchTally) {
        precondition(window == other.window, "tallies of different runs")
        verified += other.verified
        for index in failures.indices { failures[index] += other.failures[index] }
        for index in resultCounts.indices { resultCounts[index] += other.resultCounts[index] }
        for (detail, count) in other.details.sorted(by: { $0.key < $1.key })
        where details.count < Self.detailsMax || details[detail] != nil {
            details[detail, default: 0] += count
        }
        latency.merge(other.latency)
        sendLag.merge(other.sendLag)
        series.merge(other.series)
        served += other.served
        servedVerified += other.servedVerified
        servedBytes += other.servedBytes
        bodiesNeeded += other.bodiesNeeded
        unfinished += other.unfinished
    }
}

extension ReplyOutcome {
    /// Whether a server has answered at all.
    fileprivate var isReply: Bool {
        switch self {
        case .verified, .failed(.status, _), .failed(.malformed, _): true
        case .failed: false
        }
    }
}

extension ReplyResult {
    /// Its place in a table of all of them.
    var index: Int {
        switch self {
        case .hit: 0
        case .coalesced: 1
        case .miss: 2
        case .stale: 3
        case .fallback: 4
        case .bypass: 5
        case .unknown: 6
        }
    }
}
