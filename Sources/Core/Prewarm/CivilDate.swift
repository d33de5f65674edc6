/// A day of the proleptic Gregorian calendar, without a time and without a zone.
public struct CivilDate: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Since 1970-01-01.
    public let dayNumber: Int

    public init(dayNumber: Int) {
        self.dayNumber = dayNumber
    }

    /// The day on which so many seconds since 1970 fall, by whatever clock counted them.
    init(seconds: Int64) {
        dayNumber = Int(seconds.flooredQuotient(by: 86_400))
    }

    /// nil where the calendar has no such day. Hinnant, "chrono-compatible low-level date algorithms" (2013).
    public init?(year: Int, month: Int, day: Int) {
        guard (1...9_999).contains(year), (1...12).contains(month), (1...31).contains(day) else { return nil }
        // Years begin in March, so that the odd day is the last.
        let marchYear = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = (marchYear / 400, marchYear % 400)
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        dayNumber = era * 146_097 + dayOfEra - 719_468
        let parts = parts
        guard parts.month == month, parts.day == day else { return nil }
    }

    /// `2026-11-21`, and nothing else.
    public init?(_ text: some StringProtocol) {
        let columns = text.split(separator: "-", omittingEmptySubsequences: false)
        guard columns.map(\.utf8.count) == [4, 2, 2],
            columns.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }), let year = Int(columns[0]),
            let month = Int(columns[1]), let day = Int(columns[2])
        else { return nil }
        self.init(year: year, month: month, day: day)
    }

    public var parts: (year: Int, month: Int, day: Int) {
        let shifted = dayNumber + 719_468
        let era = Int(Int64(shifted).flooredQuotient(by: 146_097))
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    public var weekday: Weekday { Weekday.allCases[(dayNumber % 7 + 10) % 7] }

    public func advanced(byDays days: Int) -> CivilDate { CivilDate(dayNumber: dayNumber + days) }

    public var description: String {
        let parts = parts
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(parts.year, 4))-\(padded(parts.month, 2))-\(padded(parts.day, 2))"
    }

    public static func < (left: CivilDate, right: CivilDate) -> Bool { left.dayNumber < right.dayNumber }
}

/// The days of the week, as a configuration calls them.
public enum Weekday: String, CaseIterable, Hashable, Sendable {
    case mon, tue, wed, thu, fri, sat, sun
}

extension Int64 {
    /// Rounded down, also below zero.
    func flooredQuotient(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
