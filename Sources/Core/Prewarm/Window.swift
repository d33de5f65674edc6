/// A time of the day that comes again: when warming is cheap, or disturbs nobody.
///
/// A window belongs to the day on which it begins. If it ends at or before the time at which it begins, it ends on the
/// next day. Where clocks change:
///
/// - a time that clocks show twice is meant the first time;
/// - a time that clocks jump over is the instant of the jump;
/// - a window that lies wholly within what is jumped over begins at the jump and is as long as it says.
///
/// So each window comes exactly once on each of its days, whatever clocks do.
public struct WindowRule: Hashable, Sendable {
    /// Which days it comes on. A day of the holiday list is a holiday, and no weekday.
    public struct Days: Hashable, Sendable {
        public var weekdays: Set<Weekday>
        public var holidays: Bool

        public init(weekdays: Set<Weekday>, holidays: Bool) {
            self.weekdays = weekdays
            self.holidays = holidays
        }

        public static let all = Days(weekdays: Set(Weekday.allCases), holidays: true)
    }

    public var name: String
    public var days: Days
    /// Minutes since midnight, 0 to 1439.
    public var begins: Int
    /// Minutes since midnight, 1 to 1440.
    public var ends: Int
    public var zone: ZoneTable
    /// What prices are multiplied by while it lasts: 0.5 is half price.
    public var priceFactor: Double

    /// - Precondition: times of day are within their bounds, and the factor is not negative.
    public init(name: String, days: Days, begins: Int, ends: Int, zone: ZoneTable, priceFactor: Double = 1) {
        precondition((0..<1_440).contains(begins) && (1...1_440).contains(ends), "minutes of a day")
        precondition(priceFactor >= 0 && priceFactor.isFinite, "a factor that is not negative")
        self.name = name
        self.days = days
        self.begins = begins
        self.ends = ends
        self.zone = zone
        self.priceFactor = priceFactor
    }

    /// In minutes, by the clock.
    public var length: Int { ends > begins ? ends - begins : ends + 1_440 - begins }

    func comes(on date: CivilDate, holidays: Set<CivilDate>) -> Bool {
        holidays.contains(date) ? days.holidays : days.weekdays.contains(date.weekday)
    }

    /// The window that begins on this day.
    func window(on date: CivilDate) -> Window {
        let midnight = Int64(date.dayNumber) * 86_400
        let begin = zone.first(ofLocal: midnight + Int64(begins) * 60)
        var end = zone.first(ofLocal: midnight + Int64(begins + length) * 60)
        if end <= begin { end = begin + Int64(length) * 60 }
        return Window(
            id: "\(name)@\(date)", name: name, begins: WallTime(milliseconds: begin * 1_000),
            ends: WallTime(milliseconds: end * 1_000), priceFactor: priceFactor)
    }
}

/// A window of a certain day.
public struct Window: Hashable, Sendable {
    /// Name and day: the same however often, wherever and with whatever clock it is worked out. At most one run has it.
    public let id: String
    public let name: String
    public let begins: WallTime
    /// Not part of it any more.
    public let ends: WallTime
    public let priceFactor: Double

    public func contains(_ time: WallTime) -> Bool { begins <= time && time < ends }
    public var length: Duration { begins.duration(to: ends) }
}

/// All windows, and the days that are holidays.
public struct WindowCalendar: Hashable, Sendable {
    public let rules: [WindowRule]
    public let holidays: Set<CivilDate>

    /// How far ahead a window is looked for: a rule for holidays alone comes once a year.
    static let dayCountMax = 400

    /// - Precondition: names differ.
    public init(rules: [WindowRule], holidays: Set<CivilDate> = []) {
        precondition(Set(rules.map(\.name)).count == rules.count, "windows have different names")
        self.rules = rules
        self.holidays = holidays
    }

    /// The next windows that are not over, in the order in which they begin; of those that begin at once, in the order
    /// of the rules. Fewer where there are no more within 400 days. O(rules · days looked at).
    public func next(_ count: Int, from now: WallTime) -> [Window] {
        guard count > 0, !rules.isEmpty else { return [] }
        let seconds = now.milliseconds.flooredQuotient(by: 1_000)
        var found: [(window: Window, rule: Int)] = []
        for (index, rule) in rules.enumerated() {
            // Two days back: a window lasts a day at most, and ends later where clocks are set back.
            let today = CivilDate(seconds: rule.zone.local(seconds))
            var ofRule = 0
            for day in -2...Self.dayCountMax where ofRule < count {
                let date = today.advanced(byDays: day)
                guard rule.comes(on: date, holidays: holidays) else { continue }
                let window = rule.window(on: date)
                guard now < window.ends else { continue }
                found.append((window, index))
                ofRule += 1
            }
        }
        found.sort { left, right in
            (left.window.begins, left.rule) < (right.window.begins, right.rule)
        }
        return found.prefix(count).map(\.window)
    }

    /// The windows of this moment, in the order in which they began.
    public func open(at now: WallTime) -> [Window] {
        next(rules.count * 2, from: now).filter { $0.contains(now) }
    }

    /// What prices are multiplied by now: the lowest factor of the windows that are open; 1 where none is.
    public func priceFactor(at now: WallTime) -> Double {
        open(at: now).map(\.priceFactor).min() ?? 1
    }
}
