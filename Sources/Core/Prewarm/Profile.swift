/// How many requests come in each hour of the week, learned, and how well that was known beforehand.
///
/// Hours are those of clocks in `zone`, since people's days follow them. Each hour of the week keeps an exponentially
/// weighted mean and variance of what it saw (West, "Updating mean and variance estimates", 1979; Finch,
/// "Incremental calculation of weighted mean and variance", 2009), so that four weeks ago counts half. An hour that was
/// not watched for nine tenths of it teaches nothing: a restart is no quiet hour. Before an hour is learned, what was
/// expected of it is compared with what came: the sum of the differences over the sum of what came is the profile's own
/// error (WAPE), shown with everything that is proposed. O(1) to learn; 168 hours of memory.
public struct Profile: Hashable, Sendable {
    public static let hourCount = 168
    /// 2^(-1/4): how much less a week ago counts than this week.
    private static let retention = 0.840_896_415_253_714_5
    /// How much of an hour has to have been watched.
    private static let watchedMin = Duration.seconds(3_240)

    /// What is expected of an hour.
    public struct Expected: Hashable, Sendable {
        /// Requests.
        public let count: Double
        /// The standard error of it: the deviation of the weeks over the root of how many count.
        public let error: Double
        /// How many weeks were seen.
        public let weekCount: Int

        public init(count: Double, error: Double, weekCount: Int) {
            self.count = count
            self.error = error
            self.weekCount = weekCount
        }
    }

    private struct Hour: Hashable, Sendable {
        var weight = 0.0
        var weightSquares = 0.0
        var mean = 0.0
        var variance = 0.0
        var weekCount = 0

        mutating func learn(_ count: Double) {
            weight = weight * Profile.retention + 1
            weightSquares = weightSquares * Profile.retention * Profile.retention + 1
            let share = 1 / weight
            let difference = count - mean
            mean += share * difference
            variance = (1 - share) * (variance + share * difference * difference)
            weekCount += 1
        }

        var expected: Expected? {
            guard weekCount > 0 else { return nil }
            // With one week nothing is known of the spread but that counts vary as Poisson's do.
            let spread = max(variance, mean)
            let effective = weight * weight / weightSquares
            return Expected(count: mean, error: (spread / effective).squareRoot(), weekCount: weekCount)
        }
    }

    /// The hour that is being watched.
    private struct Watch: Hashable, Sendable {
        /// Hours since 1970 on local clocks.
        let hour: Int64
        var watched = Duration.zero
        var count = 0.0
    }

    public let zone: ZoneTable
    private var hours = [Hour](repeating: Hour(), count: hourCount)
    private var watch: Watch?
    private var missed = 0.0
    private var seen = 0.0

    public init(zone: ZoneTable) {
        self.zone = zone
    }

    /// So many requests came between these two times. Slices are told in order; one that lies before the hour that is
    /// being watched, is empty or is longer than an hour is passed over: a clock has jumped.
    public mutating func saw(_ count: Int, from: WallTime, to: WallTime) {
        let length = from.duration(to: to)
        guard from < to, length <= .seconds(3_600), count >= 0 else { return }
        let first = hour(at: from)
        guard watch.map({ first >= $0.hour }) ?? true else { return }
        // Split where the hour ends; a slice is short beside an hour, so what came is spread evenly over it.
        let last = hour(at: WallTime(milliseconds: to.milliseconds - 1))
        let into = (zone.local(from.milliseconds.flooredQuotient(by: 1_000)) + 3_600).flooredQuotient(by: 3_600) * 3_600
        let boundary = into - Int64(zone.offset(at: from.milliseconds.flooredQuotient(by: 1_000)))
        let before = min(length, max(.zero, from.duration(to: WallTime(milliseconds: boundary * 1_000))))
        if first == last || before == length { return add(Double(count), length, to: first) }
        let share = before.seconds / length.seconds
        add(Double(count) * share, before, to: first)
        add(Double(count) * (1 - share), length - before, to: last)
    }

    private func hour(at time: WallTime) -> Int64 {
        zone.local(time.milliseconds.flooredQuotient(by: 1_000)).flooredQuotient(by: 3_600)
    }

    private mutating func add(_ count: Double, _ length: Duration, to hour: Int64) {
        if let done = watch, done.hour != hour {
            learn(done)
            watch = nil
        }
        var current = watch ?? Watch(hour: hour)
        current.watched += length
        current.count += count
        watch = current
    }

    private mutating func learn(_ done: Watch) {
        guard done.watched >= Self.watchedMin else { return }
        // An hour that clocks show twice is watched for two: a count an hour is what is learned.
        let count = done.count * 3_600 / done.watched.seconds
        let index = Self.index(ofHour: done.hour)
        if let expected = hours[index].expected {
            missed += abs(expected.count - count)
            seen += count
        }
        hours[index].learn(count)
    }

    /// Hours since 1970 on a local clock, as an hour of a week that begins on Monday at 0.
    private static func index(ofHour hour: Int64) -> Int {
        // 1970-01-01 was a Thursday.
        let shifted = hour + 72
        return Int(shifted - shifted.flooredQuotient(by: Int64(hourCount)) * Int64(hourCount))
    }

    /// What is expected of an hour of the week; nil where no such hour was seen.
    ///
    /// - Parameter hour: 0 to 23, by the zone's clocks.
    public func expected(_ weekday: Weekday, hour: Int) -> Expected? {
        precondition((0..<24).contains(hour), "an hour of a day")
        return hours[(Weekday.allCases.firstIndex(of: weekday) ?? 0) * 24 + hour].expected
    }

    /// The mean of the hours that were seen; nil where none was.
    public var mean: Double? {
        let known = hours.compactMap(\.expected)
        return known.isEmpty ? nil : known.reduce(0) { $0 + $1.count } / Double(known.count)
    }

    /// By how much what was expected was wrong so far, as a share of what came; nil before anything was expected.
    public var error: Double? { seen > 0 ? missed / seen : nil }

    /// Hours in a row, on the zone's clocks, and what is expected of them.
    public struct Stretch: Hashable, Sendable {
        /// The hour at which it begins, and the one at which it is over.
        public let begins: WallTime
        public let ends: WallTime
        /// Requests in all of it, with the standard error of their sum.
        public let count: Double
        public let error: Double

        public init(begins: WallTime, ends: WallTime, count: Double, error: Double) {
            self.begins = begins
            self.ends = ends
            self.count = count
            self.error = error
        }
    }

    /// How quiet and how loud hours have to be to be proposed.
    public struct Judgement: Hashable, Sendable {
        /// An hour is quiet when even two errors above what is expected are this share of the mean at most.
        public var quietShare = 0.25
        /// An hour is a rush when even two errors below what is expected are this many times the mean.
        public var rushShare = 1.5
        /// Hours that a quiet stretch lasts at least.
        public var quietHoursMin = 2
        /// Hours that are looked ahead.
        public var horizon = 7 * 24

        public init() {}
    }

    /// The quiet stretches ahead, in order. One that has begun counts from the next hour on.
    public func quiet(from now: WallTime, _ judgement: Judgement = Judgement()) -> [Stretch] {
        guard let mean else { return [] }
        return stretches(from: now, horizon: judgement.horizon) { expected in
            expected.count + 2 * expected.error <= mean * judgement.quietShare
        }.filter { $0.begins.duration(to: $0.ends) >= .seconds(judgement.quietHoursMin * 3_600) }
    }

    /// The next rush that begins after the hour of now; nil where none is foreseen.
    public func rush(after now: WallTime, _ judgement: Judgement = Judgement()) -> Stretch? {
        guard let mean, mean > 0 else { return nil }
        let isRush = { (expected: Expected) in expected.count - 2 * expected.error >= mean * judgement.rushShare }
        // One that has begun is no news: it is the one after it that can be prepared.
        let current = hours[Self.index(ofHour: hour(at: now))].expected.map(isRush) ?? false
        let ahead = stretches(from: now, horizon: judgement.horizon, isRush)
        let isGoingOn = current && ahead.first?.begins == nextHour(after: now)
        return isGoingOn ? ahead.dropFirst().first : ahead.first
    }

    private func nextHour(after now: WallTime) -> WallTime {
        let seconds = now.milliseconds.flooredQuotient(by: 1_000)
        let offset = Int64(zone.offset(at: seconds))
        return WallTime(milliseconds: ((seconds + offset).flooredQuotient(by: 3_600) * 3_600 + 3_600 - offset) * 1_000)
    }

    /// The hours ahead that are as asked, put together where they follow each other. An hour that was never seen is not.
    private func stretches(from now: WallTime, horizon: Int, _ isIt: (Expected) -> Bool) -> [Stretch] {
        var found: [Stretch] = []
        var begins = nextHour(after: now)
        for _ in 0..<horizon {
            let ends = nextHour(after: begins)
            if let expected = hours[Self.index(ofHour: hour(at: begins))].expected, isIt(expected) {
                let share = begins.duration(to: ends).seconds / 3_600
                let (count, error) = (expected.count * share, expected.error * share)
                if let last = found.last, last.ends == begins {
                    found[found.count - 1] = Stretch(
                        begins: last.begins, ends: ends, count: last.count + count,
                        error: (last.error * last.error + error * error).squareRoot())
                } else {
                    found.append(Stretch(begins: begins, ends: ends, count: count, error: error))
                }
            }
            begins = ends
        }
        return found
    }

    /// How many times as busy as the mean an expected stretch is: what a plan is made for.
    public func busyness(of stretch: Stretch) -> Double {
        let hourCount = stretch.begins.duration(to: stretch.ends).seconds / 3_600
        guard let mean, mean > 0, hourCount > 0 else { return 1 }
        return stretch.count / hourCount / mean
    }
}
