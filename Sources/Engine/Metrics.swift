import SamovarCore
import Synchronization

/// One number that only grows. Read while it is written.
public final class Counter: Sendable {
    private let value = Atomic<Int>(0)

    public init() {}

    public func add(_ amount: Int) {
        if amount != 0 { value.add(amount, ordering: .relaxed) }
    }

    public var current: Int { value.load(ordering: .relaxed) }
}

/// A counter for each case of a label.
public struct Counters<Label: CaseIterable & Hashable & Sendable>: Sendable {
    private let counters: [Counter]

    public init() {
        counters = Label.allCases.map { _ in Counter() }
    }

    public subscript(label: Label) -> Counter { counters[label.ordinal] }

    /// In the order of the cases, so that two scrapes read alike.
    public var all: [(label: Label, value: Int)] { Label.allCases.map { ($0, self[$0].current) } }
}

extension CaseIterable where Self: Equatable {
    /// The place among the cases. O(cases), which are few: quicker than hashing.
    fileprivate var ordinal: Int {
        var place = 0
        for label in Self.allCases {
            if label == self { return place }
            place += 1
        }
        preconditionFailure("every case is among the cases")
    }
}

/// How long things took, in seconds: Prometheus' cumulative buckets.
public final class Histogram: Sendable {
    /// Upper bounds in seconds: from a hit's microseconds to a long answer's minutes.
    public static let bounds: [Double] = [
        0.000_01, 0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
    ]
    private let buckets: [Counter] = Histogram.bounds.map { _ in Counter() }
    private let nanoseconds = Counter()
    private let count = Counter()

    public init() {}

    public func observe(_ duration: Duration) {
        let seconds = duration.seconds
        if let bucket = Self.bounds.firstIndex(where: { seconds <= $0 }) { buckets[bucket].add(1) }
        nanoseconds.add(Int(duration.nanoseconds))
        count.add(1)
    }

    public struct Snapshot: Sendable {
        /// Cumulative, one for each of `bounds`.
        public let buckets: [Int]
        public let sumSeconds: Double
        public let count: Int
    }

    public var snapshot: Snapshot {
        var sum = 0
        let cumulative = buckets.map { bucket in
            sum += bucket.current
            return sum
        }
        return Snapshot(buckets: cumulative, sumSeconds: Double(nanoseconds.current) / 1e9, count: count.current)
    }
}

/// A histogram for each case of a label.
public struct Histograms<Label: CaseIterable & Hashable & Sendable>: Sendable {
    private let histograms: [Histogram]

    public init() {
        histograms = Label.allCases.map { _ in Histogram() }
    }

    public subscript(label: Label) -> Histogram { histograms[label.ordinal] }
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

/// Everything that is counted, in one place. Read by the admin port.
public final class Metrics: Sendable {
    /// By how they were answered; the HTTP port is the only front so far.
    public let requests = Counters<ServeResult>()
    public let durations = Histograms<ServeResult>()
    public let firstTokens = Histograms<ServeResult>()
    public let evictions = Counters<EvictionReason>()
    public let notStored = Counters<NotStoredReason>()
    public let savedPromptTokens = Counter()
    public let savedCompletionTokens = Counter()
    /// Money saved at the configured prices, in millionths of a dollar.
    public let savedMicroUSD = Counter()
    /// Hits and followers whose model has no price.
    public let unpricedRequests = Counter()
    /// Followers cut because they read too slowly.
    public let lagged = Counter()
    private let attempts = Lock<[String: Counters<AttemptOutcome>]>([:])

    public init() {}

    public func attempt(at upstream: String, _ outcome: AttemptOutcome) {
        let counters = attempts.withLock { all in
            if let known = all[upstream] { return known }
            let new = Counters<AttemptOutcome>()
            all[upstream] = new
            return new
        }
        counters[outcome].add(1)
    }

    public var attemptCounts: [(upstream: String, outcomes: Counters<AttemptOutcome>)] {
        attempts.withLock { all in all.keys.sorted().compactMap { name in all[name].map { (name, $0) } } }
    }
}
