/// What each second of a run saw, by the time at which replies ended.
struct TimeSeries: Sendable {
    struct Second: Sendable {
        var verified = 0
        var hits = 0
        var misses = 0
        /// By `RequestFailure.allCases`.
        var failures = [Int](repeating: 0, count: RequestFailure.allCases.count)
        /// Of verified replies.
        var latency = LatencyHistogram(bits: LatencyHistogram.coarseBits)

        var failed: Int { failures.reduce(0, +) }

        mutating func merge(_ other: Second) {
            verified += other.verified
            hits += other.hits
            misses += other.misses
            for index in failures.indices { failures[index] += other.failures[index] }
            latency.merge(other.latency)
        }
    }

    /// From the first second on; the last of them had something in it.
    private(set) var seconds: [Second] = []
    private let secondsMax: Int

    /// - Parameter secondsMax: what ends later is counted in the last one.
    init(secondsMax: Int) { self.secondsMax = max(1, secondsMax) }

    /// - Parameter offset: nanoseconds from the start.
    mutating func add(_ outcome: ReplyOutcome, at offset: UInt64, latency: UInt64) {
        let index = min(secondsMax - 1, Int(offset / 1_000_000_000))
        while seconds.count <= index { seconds.append(Second()) }
        switch outcome {
        case .verified(let result):
            seconds[index].verified += 1
            if result == .hit { seconds[index].hits += 1 }
            if result == .miss { seconds[index].misses += 1 }
            seconds[index].latency.add(latency)
        case .failed(let failure, _):
            seconds[index].failures[failure.index] += 1
        }
    }

    mutating func merge(_ other: TimeSeries) {
        while seconds.count < other.seconds.count { seconds.append(Second()) }
        for (index, second) in other.seconds.enumerated() { seconds[index].merge(second) }
    }
}

extension RequestFailure {
    /// Its place in a table of all of them.
    var index: Int {
        switch self {
        case .timeout: 0
        case .refused: 1
        case .closed: 2
        case .status: 3
        case .malformed: 4
        case .dropped: 5
        }
    }
}
