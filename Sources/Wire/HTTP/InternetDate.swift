import SamovarCore

/// Points in time as headers write them: HTTP dates (RFC 9110, 5.6.7) and RFC 3339. Pure arithmetic, no calendar.
enum InternetDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// An HTTP date in its one current form: `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func httpDate(_ text: String) -> WallTime? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: String(parts[2])),
            let day = number(parts[1]), let year = number(parts[3])
        else { return nil }
        return wallTime(year, Int64(month + 1), day, clock: parts[4])
    }

    /// `2026-01-27T15:04:05Z`, with a fraction, which is left out, and in UTC alone.
    static func wallTime(_ text: String) -> WallTime? {
        guard text.utf8.count >= 20, text.utf8.count <= 35, text.hasSuffix("Z") || text.hasSuffix("+00:00") else {
            return nil
        }
        let halves = text.split(separator: "T", maxSplits: 1)
        guard halves.count == 2 else { return nil }
        let date = halves[0].split(separator: "-").compactMap(number)
        guard date.count == 3 else { return nil }
        return wallTime(date[0], date[1], date[2], clock: halves[1].prefix { $0 != "." && $0 != "Z" && $0 != "+" })
    }

    private static func wallTime(_ year: Int64, _ month: Int64, _ day: Int64, clock text: Substring) -> WallTime? {
        let clock = text.split(separator: ":").compactMap(number)
        guard (1970...9999).contains(year), (1...12).contains(month), (1...31).contains(day), clock.count == 3,
            (0...23).contains(clock[0]), (0...59).contains(clock[1]), (0...60).contains(clock[2])
        else { return nil }
        let seconds = days(year, month, day) * 86_400 + clock[0] * 3_600 + clock[1] * 60 + clock[2]
        return WallTime(milliseconds: seconds * 1_000)
    }

    private static func number(_ text: Substring) -> Int64? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(text) : nil
    }

    /// Days since 1970 of a Gregorian date (Hinnant, "chrono-compatible low-level date algorithms", 2013).
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
