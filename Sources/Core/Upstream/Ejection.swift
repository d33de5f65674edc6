/// Which of several upstreams is worse than the others, and how long it is left alone for that.
///
/// Out goes who fails `failureMax` times in a row, or whose success rate in a window lies `successGap` below that of
/// the others. Each time anew it is out for longer: `timeBase` times how often, up to `timeMax`; a while without
/// being out is forgiven. Of a route's upstreams at most half are out; were it more, all of them serve (panic mode).
/// After Envoy's outlier detection; the gap instead of its standard deviations, which say nothing about two or three.
public struct Ejection: Sendable {
    public struct Settings: Hashable, Sendable {
        /// Failures in a row.
        public var failureMax: Int
        /// Attempts in a window, at least, for a success rate to mean something.
        public var volumeMin: Int
        public var window: Duration
        public var successGap: Double
        public var timeBase: Duration
        public var timeMax: Duration
        /// Of a route's upstreams.
        public var ejectedShareMax: Double

        public init(
            failureMax: Int = 5, volumeMin: Int = 20, window: Duration = .seconds(10), successGap: Double = 0.3,
            timeBase: Duration = .seconds(5), timeMax: Duration = .seconds(300), ejectedShareMax: Double = 0.5
        ) {
            self.failureMax = failureMax
            self.volumeMin = volumeMin
            self.window = window
            self.successGap = successGap
            self.timeBase = timeBase
            self.timeMax = timeMax
            self.ejectedShareMax = ejectedShareMax
        }
    }

    private struct Record {
        var inARow = 0
        var outcomes: OutcomeWindow
        var timesEjected = 0
        var ejectedUntil: Instant?
    }

    private let settings: Settings
    private var records: [String: Record] = [:]

    public init(_ settings: Settings = Settings()) { self.settings = settings }

    /// What came of an attempt. Neutral results are not reported. O(upstreams).
    ///
    /// - Parameter name: of the upstream; only configured ones, each is remembered.
    /// - Returns: until when it is out, where this attempt has ejected it.
    public mutating func report(_ name: String, failed: Bool, at now: Instant) -> Instant? {
        var record = records[name] ?? Record(outcomes: OutcomeWindow(settings.window))
        record.outcomes.note(failed: failed, slow: false, at: now)
        record.inARow = failed ? record.inARow + 1 : 0
        defer { records[name] = record }
        // Stragglers do not eject again.
        if let until = record.ejectedUntil, now < until { return nil }
        guard failed, record.inARow >= settings.failureMax || isOutlier(name, record, at: now) else { return nil }
        if let until = record.ejectedUntil, until.duration(to: now) > settings.timeMax { record.timesEjected = 0 }
        record.timesEjected += 1
        let time = min(settings.timeBase * min(record.timesEjected, 1_000), settings.timeMax)
        let until = now.advanced(by: time)
        record.ejectedUntil = until
        record.inARow = 0
        record.outcomes = OutcomeWindow(settings.window)
        return until
    }

    /// Those of a route's upstreams that are out now. More than half: none, all of them serve. O(names).
    public func ejected(of names: [String], at now: Instant) -> Set<String> {
        let out = names.filter { isEjected($0, at: now) }
        let outMax = Int(Double(names.count) * settings.ejectedShareMax)
        return out.count > outMax ? [] : Set(out)
    }

    /// Whether it is out by itself, whatever the others are.
    public func isEjected(_ name: String, at now: Instant) -> Bool {
        records[name]?.ejectedUntil.map { now < $0 } ?? false
    }

    private func isOutlier(_ name: String, _ record: Record, at now: Instant) -> Bool {
        let own = record.outcomes.counts(at: now)
        guard own.total >= settings.volumeMin else { return false }
        var others = OutcomeWindow.Counts()
        for (other, record) in records where other != name && !isEjected(other, at: now) {
            others.add(record.outcomes.counts(at: now))
        }
        guard others.total >= settings.volumeMin else { return false }
        return others.successRatio - own.successRatio >= settings.successGap
    }
}
