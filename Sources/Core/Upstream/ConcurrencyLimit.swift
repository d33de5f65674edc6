/// How many attempts one upstream takes at once, found out by how long it takes to the first token.
///
///     limit ← limit × gradient + √limit         gradient = tolerance × (usual time) / (time now), in 0.5...1
///
/// While the time stays what it was the limit grows by a small queue's worth; where it rises the limit falls in
/// proportion. The "Gradient2" limit of Netflix's concurrency-limits (2018), looked at once a window rather than with
/// every sample, so that it moves at the pace of the answers; it does not move while less than half of it is used.
///
/// The usual time is not a long mean: under lasting load that would take our own queue for usual, and the limit would
/// creep up for ever. It is what is seen while less than half of the limit is used, or else with a quarter of it, tried
/// out for two windows each `probeEvery` (as their first gradient limit does). All operations are O(1).
public struct ConcurrencyLimit: Hashable, Sendable {
    public struct Settings: Hashable, Sendable {
        public var start: Int
        public var min: Int
        /// `concurrency_max`.
        public var max: Int
        /// How much slower than usual is still usual.
        public var tolerance: Double
        /// How much of a step is taken. In 0...1.
        public var smoothing: Double
        /// What is left after an overload.
        public var cutTo: Double
        public var window: Duration
        public var probeEvery: Duration

        public init(
            start: Int = 20, min: Int = 1, max: Int = 1_000, tolerance: Double = 2, smoothing: Double = 0.2,
            cutTo: Double = 0.9, window: Duration = .milliseconds(250), probeEvery: Duration = .seconds(60)
        ) {
            self.start = start
            self.min = min
            self.max = max
            self.tolerance = tolerance
            self.smoothing = smoothing
            self.cutTo = cutTo
            self.window = window
            self.probeEvery = probeEvery
        }
    }

    /// What became of an attempt, as far as the limit is concerned.
    public enum Outcome: Hashable, Sendable {
        /// The first token came, after this time.
        case answered(Duration)
        /// 429: the limit's business only where it was in use; otherwise the pace's.
        case refused
        /// 503, or no token in time.
        case overloaded
    }

    private enum Phase: Hashable {
        case steady
        /// A quarter is tried: until then what went before is answered.
        case draining(until: Instant)
        case measuring
    }

    private var settings: Settings
    private var phase = Phase.steady
    private var exact: Double
    /// The usual time to the first token, in seconds; nil before the first.
    private var usual: Double?
    private var usualAt = Instant.zero
    private var windowBeganAt: Instant?
    private var sum = 0.0
    private var count = 0
    private var inflightMax = 0
    private var cutAt: Instant?

    public init(_ settings: Settings = Settings()) {
        self.settings = settings
        exact = Double(settings.start)
        exact = bounded(exact)
    }

    /// Other bounds from now on.
    public mutating func configure(_ settings: Settings) {
        self.settings = settings
        exact = bounded(exact)
    }

    /// Attempts at once. At least 1.
    public var limit: Int {
        Swift.max(1, Int(phase == .steady ? exact : bounded(exact / Self.probeDivisor)))
    }

    /// What one attempt showed.
    ///
    /// - Parameters:
    ///   - sentAt: when the attempt began. What began before the last cut does not cut again.
    ///   - inflight: how many were under way, this one included.
    public mutating func sample(_ outcome: Outcome, sentAt: Instant, inflight: Int, at now: Instant) {
        switch outcome {
        case .answered(let time): answered(time.seconds, inflight, sentAt: sentAt, at: now)
        case .refused:
            if isInUse(inflight) { cut(from: exact, sentAt: sentAt, at: now) }
        case .overloaded: cut(from: Swift.min(exact, 2 * Double(Swift.max(1, inflight))), sentAt: sentAt, at: now)
        }
    }

    private func isInUse(_ inflight: Int) -> Bool { Double(inflight) * 2 >= exact }

    private func bounded(_ value: Double) -> Double {
        let most = Double(Swift.max(1, settings.max))
        return Swift.min(most, Swift.max(value, Swift.min(most, Double(Swift.max(1, settings.min)))))
    }

    private mutating func cut(from value: Double, sentAt: Instant, at now: Instant) {
        if let cutAt, sentAt <= cutAt { return }
        cutAt = now
        exact = bounded(value * settings.cutTo)
        phase = .steady
        beginWindow(at: now)
    }

    private mutating func beginWindow(at now: Instant) {
        windowBeganAt = now
        sum = 0
        count = 0
        inflightMax = 0
    }

    private mutating func answered(_ seconds: Double, _ inflight: Int, sentAt: Instant, at now: Instant) {
        guard seconds > 0 else { return }
        if windowBeganAt == nil { beginWindow(at: now) }
        if case .draining(let until) = phase {
            guard now >= until else { return }
            phase = .measuring
            beginWindow(at: now)
        }
        guard let windowBeganAt, phase == .steady || sentAt >= windowBeganAt else { return }
        sum += seconds
        count += 1
        inflightMax = Swift.max(inflightMax, inflight)
        let mean = sum / Double(count)
        let time = Swift.max(settings.window, Self.duration(mean))
        guard windowBeganAt.duration(to: now) >= time else { return }
        if phase == .steady { step(mean: mean, at: now) } else { measured(mean: mean, at: now) }
        beginWindow(at: now)
    }

    /// The part of the limit that is tried: with a half and a tolerance of two any queue would look usual.
    private static let probeDivisor = 4.0
    /// How much of what was seen goes into the usual time.
    private static let seenWeight = 0.1
    private static let probeWeight = 0.5

    private mutating func measured(mean: Double, at now: Instant) {
        phase = .steady
        usualAt = now
        usual = usual.map { $0 + (mean - $0) * Self.probeWeight } ?? mean
    }

    private mutating func step(mean: Double, at now: Instant) {
        let known = usual ?? mean
        guard isInUse(inflightMax) else {
            usual = known + (mean - known) * Self.seenWeight
            usualAt = now
            return
        }
        if usual == nil { usualAt = now }
        usual = mean < known ? known + (mean - known) * Self.seenWeight : known
        guard usualAt.duration(to: now) < settings.probeEvery else {
            phase = .draining(until: now.advanced(by: Self.duration(mean)))
            return
        }
        let gradient = Swift.max(0.5, Swift.min(1, settings.tolerance * known / mean))
        let target = exact * gradient + exact.squareRoot()
        exact = bounded(exact + (target - exact) * settings.smoothing)
    }

    private static func duration(_ seconds: Double) -> Duration { .nanoseconds(Int64(Swift.min(seconds, 60) * 1e9)) }
}
