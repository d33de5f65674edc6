import SamovarCore

/// How long things took, in seconds: Prometheus' cumulative buckets.
public struct Histogram: Sendable {
    /// Upper bounds in seconds: from a hit's microseconds to a long answer's minutes.
    public static let bounds: [Double] = [
        0.000_01, 0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
    ]
    private static let nanosecondBounds = bounds.map { Int(($0 * 1e9).rounded()) }
    /// A bucket for each of `bounds`, then the sum in nanoseconds, then how many.
    private let tally = Tally(count: bounds.count + 2)

    public init() {}

    /// - Parameter count: how many things took that long.
    public func observe(_ duration: Duration, count: Int = 1) {
        let nanoseconds = Int(duration.nanoseconds)
        let bounds = Self.nanosecondBounds
        let lane = Lane.current
        if let bucket = bounds.firstIndex(where: { nanoseconds <= $0 }) { tally.add(count, at: bucket, in: lane) }
        tally.add(nanoseconds * count, at: bounds.count, in: lane)
        tally.add(count, at: bounds.count + 1, in: lane)
    }

    public struct Snapshot: Sendable {
        /// Cumulative, one for each of `bounds`.
        public let buckets: [Int]
        public let sumSeconds: Double
        public let count: Int
    }

    public var snapshot: Snapshot {
        var sum = 0
        let buckets = Self.bounds.indices.map { bucket in
            sum += tally.sum(at: bucket)
            return sum
        }
        let (nanoseconds, count) = (tally.sum(at: Self.bounds.count), tally.sum(at: Self.bounds.count + 1))
        return Snapshot(buckets: buckets, sumSeconds: Double(nanoseconds) / 1e9, count: count)
    }
}

/// A histogram for each case of a label.
public struct Histograms<Label: CaseIterable & Hashable & Sendable>: Sendable {
    private let histograms: [Histogram]
    private let ordinals = Ordinals<Label>()

    public init() {
        histograms = Label.allCases.map { _ in Histogram() }
    }

    public subscript(label: Label) -> Histogram { histograms[ordinals[label]] }
}

/// Why an entry left L1, or never entered it.
public enum EvictionReason: String, CaseIterable, Sendable {
    /// To make room.
    case size
    /// Larger than `l1_item_size_max`, so not admitted.
    case itemSize = "item_size"
    case expired
}

/// What came of an attempt at an upstream.
public enum AttemptOutcome: String, CaseIterable, Sendable {
    case success
    case refused
    case error
    case unreachable
    case timeout
    case cut
    case malformed
    case tooLarge = "too_large"
    case cancelled

    init(_ failure: Failure) {
        switch failure {
        case .refused: self = .refused
        case .erred: self = .error
        case .unreachable: self = .unreachable
        case .timedOut: self = .timeout
        case .cut: self = .cut
        case .malformed: self = .malformed
        case .tooLarge: self = .tooLarge
        case .limited, .lagged, .notCached, .deadline, .draining: self = .cancelled
        }
    }
}

/// What became of the wish for a second attempt. The raw values are the metric's label.
public enum RetryOutcome: String, CaseIterable, Sendable {
    case success
    case failure
    /// Nobody was left to read it.
    case abandoned
    /// `retry_ratio` was used up.
    case denied

    init(_ outcome: AttemptLog.Outcome) {
        switch outcome {
        case .whole: self = .success
        case .failed: self = .failure
        case .abandoned: self = .abandoned
        }
    }
}

/// Where a request came in.
public enum DataFront: String, CaseIterable, Sendable {
    case http
    case binary
}

/// Requests by where they came in and how they were answered.
public struct RequestCounters: Sendable {
    private let http = Counters<ServeResult>()
    private let binary = Counters<ServeResult>()

    public init() {}

    public subscript(front: DataFront) -> Counters<ServeResult> {
        switch front {
        case .http: http
        case .binary: binary
        }
    }

    /// How many were answered so, wherever they came in.
    public func count(_ result: ServeResult) -> Int { http[result].current + binary[result].current }
}

/// What came of a call for several embeddings.
public enum EmbeddingBatchOutcome: String, CaseIterable, Sendable {
    case answered
    /// One input was refused by name.
    case refusedInput = "refused_input"
    /// It failed for all of them.
    case failed
    case malformed
    case abandoned
}

/// Everything that is counted, in one place. Read by the admin port.
public final class Metrics: Sendable {
    public let requests = RequestCounters()
    public let durations = Histograms<ServeResult>()
    public let firstTokens = Histograms<ServeResult>()
    public let evictions = Counters<EvictionReason>()
    public let leases = Counters<LeaseOutcome>()
    public let notStored = Counters<NotStoredReason>()
    /// Asked of this process.
    public let invalidations = Counters<InvalidationTarget>()
    public let rechecks = Counters<RecheckOutcome>()
    public let savedPromptTokens = Counter()
    public let savedCompletionTokens = Counter()
    /// Tokens of answers whose usage is a share of a batch's, which are in neither of the two.
    public let savedEstimatedTokens = Counter()
    /// Money saved at the configured prices, in millionths of a dollar.
    public let savedMicroUSD = Counter()
    /// Hits and followers whose model has no price.
    public let unpricedRequests = Counter()
    /// Followers cut because they read too slowly.
    public let lagged = Counter()
    public let retries = Counters<RetryOutcome>()
    /// How long flights waited for their turn, those who could go at once left out.
    public let queueWait = Histogram()
    public let embeddingBatches = Counters<EmbeddingBatchOutcome>()
    /// Inputs of each of those calls.
    public let embeddingBatchInputs = CountHistogram()
    private let attempts = Lock<[String: Counters<AttemptOutcome>]>([:])
    private let refusals = Lock<[String: Counters<Rejection.Reason>]>([:])
    private let ladder = Lock<[String: Counters<LadderStep>]>([:])
    private let arms = Lock<[SplitArm: ArmFigures]>([:])

    public init() {}

    /// What an answer that needed no call would have used.
    func saved(_ usage: Usage) {
        if usage.isEstimated {
            savedEstimatedTokens.add(usage.promptTokenCount + usage.completionTokenCount)
        } else {
            savedPromptTokens.add(usage.promptTokenCount)
            savedCompletionTokens.add(usage.completionTokenCount)
        }
    }

    public func attempt(at upstream: String, _ outcome: AttemptOutcome) {
        let counters = attempts.withLock { all in
            if let known = all[upstream] { return known }
            let new = Counters<AttemptOutcome>()
            all[upstream] = new
            return new
        }
        counters[outcome].add(1)
    }

    /// A flight was not let through to an upstream; empty: its route names none that there is.
    public func refused(before upstream: String, _ reason: Rejection.Reason) {
        let counters = refusals.withLock { all in
            if let known = all[upstream] { return known }
            let new = Counters<Rejection.Reason>()
            all[upstream] = new
            return new
        }
        counters[reason].add(1)
    }

    public var refusalCounts: [(upstream: String, reasons: Counters<Rejection.Reason>)] {
        refusals.withLock { all in all.keys.sorted().compactMap { name in all[name].map { (name, $0) } } }
    }

    public var attemptCounts: [(upstream: String, outcomes: Counters<AttemptOutcome>)] {
        attempts.withLock { all in all.keys.sorted().compactMap { name in all[name].map { (name, $0) } } }
    }

    /// A request on this route was served on that step.
    func laddered(_ route: String, _ step: LadderStep) {
        let counters = ladder.withLock { all in
            if let known = all[route] { return known }
            let new = Counters<LadderStep>()
            all[route] = new
            return new
        }
        counters[step].add(1)
    }

    /// In the order of the routes' names.
    public var ladderCounts: [(route: String, steps: Counters<LadderStep>)] {
        ladder.withLock { all in all.keys.sorted().compactMap { name in all[name].map { (name, $0) } } }
    }

    /// What is counted for one arm of a split.
    public func figures(of arm: SplitArm) -> ArmFigures {
        arms.withLock { all in
            if let known = all[arm] { return known }
            let new = ArmFigures()
            all[arm] = new
            return new
        }
    }

    /// In the order of their routes' names and their own.
    public var armFigures: [(arm: SplitArm, figures: ArmFigures)] {
        let all = arms.withLock { Array($0) }
        return all.sorted { ($0.key.route, $0.key.name) < ($1.key.route, $1.key.name) }.map { ($0.key, $0.value) }
    }
}
