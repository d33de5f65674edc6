import Testing

@testable import SamovarCore

/// Rules of 2026, as the time zone database has them.
private enum Zones {
    static let berlin = ZoneTable(
        name: "Europe/Berlin", offset: 3_600,
        changes: [.init(at: utc("2026-03-29", 1), offset: 7_200), .init(at: utc("2026-10-25", 1), offset: 3_600)])
    static let newYork = ZoneTable(
        name: "America/New_York", offset: -18_000,
        changes: [.init(at: utc("2026-03-08", 7), offset: -14_400), .init(at: utc("2026-11-01", 6), offset: -18_000)])
    static let shanghai = ZoneTable(name: "Asia/Shanghai", offset: 28_800)
    /// Clocks there change by half an hour.
    static let lordHowe = ZoneTable(
        name: "Australia/Lord_Howe", offset: 39_600,
        changes: [
            .init(at: utc("2026-04-04", 15), offset: 37_800), .init(at: utc("2026-10-03", 15, 30), offset: 39_600),
        ])
    static let all = [berlin, newYork, shanghai, lordHowe, .utc]

    /// Seconds since 1970.
    static func utc(_ date: String, _ hour: Int, _ minute: Int = 0) -> Int64 {
        Int64((CivilDate(date)?.dayNumber ?? 0) * 86_400 + hour * 3_600 + minute * 60)
    }
}

private func wall(_ date: String, _ hour: Int, _ minute: Int = 0) -> WallTime {
    WallTime(milliseconds: Zones.utc(date, hour, minute) * 1_000)
}

@Suite("The calendar")
struct CivilDateTests {
    @Test("counts every day of four hundred years, one after the other")
    func everyDay() throws {
        var (year, month, day) = (1_900, 1, 1)
        let first = try #require(CivilDate(year: year, month: month, day: day))
        #expect(first.weekday == .mon)
        var wrong = 0
        for offset in 0..<146_097 {
            let date = first.advanced(byDays: offset)
            let parts = date.parts
            if parts != (year, month, day) || date.weekday != Weekday.allCases[offset % 7]
                || CivilDate(year: year, month: month, day: day) != date || CivilDate(date.description) != date
            {
                wrong += 1
            }
            let isLeap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0
            let length = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
            day += 1
            if day > length { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        #expect(wrong == 0)
        #expect(CivilDate(seconds: 0).description == "1970-01-01")
        #expect(CivilDate(seconds: -1).description == "1969-12-31")
    }

    @Test(
        "takes no other text and no day that there is not",
        arguments: [
            "2026-02-29", "2026-13-01", "2026-00-10", "2026-1-01", "26-01-01", "2026-01-01 ", "2026/01/01", "",
            "+026-01-01",
        ])
    func refused(text: String) {
        #expect(CivilDate(text) == nil)
    }
}

@Suite("A time zone's table")
struct ZoneTableTests {
    @Test("every minute of a year is shown at the instants that it means, and at no others", arguments: Zones.all)
    func everyMinute(zone: ZoneTable) {
        let (first, last) = (Zones.utc("2026-01-01", 0), Zones.utc("2027-01-01", 0))
        var shownAt: [Int64: [Int64]] = [:]
        for instant in stride(from: first - 86_400, to: last + 86_400, by: 60) {
            shownAt[zone.local(instant), default: []].append(instant)
        }
        var wrong = 0
        for local in stride(from: first, to: last, by: 60) {
            switch zone.meaning(ofLocal: local) {
            case .once(let instant): if shownAt[local] != [instant] { wrong += 1 }
            case .twice(let one, let two): if shownAt[local] != [one, two] || one >= two { wrong += 1 }
            case .never(let jumpAt):
                let isOver = zone.local(jumpAt - 1) < local && local < zone.local(jumpAt)
                if shownAt[local] != nil || !isOver { wrong += 1 }
            }
        }
        #expect(wrong == 0)
    }
}

@Suite("Windows")
struct WindowTests {
    private static func rule(
        _ begins: (Int, Int), _ ends: (Int, Int), in zone: ZoneTable, on days: WindowRule.Days = .all,
        name: String = "night", factor: Double = 1
    ) -> WindowRule {
        WindowRule(
            name: name, days: days, begins: begins.0 * 60 + begins.1, ends: ends.0 * 60 + ends.1, zone: zone,
            priceFactor: factor)
    }

    /// The one window that begins on this day: when, in UTC, and for how many minutes.
    private static func window(_ rule: WindowRule, on date: String) throws -> (begins: WallTime, minutes: Int64) {
        let window = rule.window(on: try #require(CivilDate(date)))
        #expect(window.id == "night@\(date)")
        return (window.begins, window.length.milliseconds / 60_000)
    }

    @Test("an ordinary window is where its zone's clocks say, over midnight too")
    func ordinary() throws {
        let shanghai = try Self.window(Self.rule((1, 0), (9, 30), in: Zones.shanghai), on: "2026-11-21")
        #expect(shanghai == (wall("2026-11-20", 17), 510))
        let berlin = try Self.window(Self.rule((22, 0), (6, 0), in: Zones.berlin), on: "2026-07-01")
        #expect(berlin == (wall("2026-07-01", 20), 480))
        let all = try Self.window(Self.rule((0, 0), (24, 0), in: .utc), on: "2026-07-01")
        #expect(all == (wall("2026-07-01", 0), 1_440))
    }

    @Test("a night in which clocks change is an hour longer or shorter, or half an hour")
    func nights() throws {
        let night = Self.rule((22, 0), (6, 0), in: Zones.berlin)
        #expect(try Self.window(night, on: "2026-03-28") == (wall("2026-03-28", 21), 420))
        #expect(try Self.window(night, on: "2026-10-24") == (wall("2026-10-24", 20), 540))
        let newYork = Self.rule((23, 0), (5, 0), in: Zones.newYork)
        #expect(try Self.window(newYork, on: "2026-03-07") == (wall("2026-03-08", 4), 300))
        #expect(try Self.window(newYork, on: "2026-10-31") == (wall("2026-11-01", 3), 420))
        let lordHowe = Self.rule((23, 0), (5, 0), in: Zones.lordHowe)
        #expect(try Self.window(lordHowe, on: "2026-04-04") == (wall("2026-04-04", 12), 390))
        #expect(try Self.window(lordHowe, on: "2026-10-03") == (wall("2026-10-03", 12, 30), 330))
    }

    @Test("times that clocks jump over are the jump, and a window wholly within it keeps its length")
    func jumpedOver() throws {
        let begins = Self.rule((2, 30), (4, 0), in: Zones.berlin)
        #expect(try Self.window(begins, on: "2026-03-29") == (wall("2026-03-29", 1), 60))
        let ends = Self.rule((1, 0), (2, 30), in: Zones.berlin)
        #expect(try Self.window(ends, on: "2026-03-29") == (wall("2026-03-29", 0), 60))
        let within = Self.rule((2, 10), (2, 50), in: Zones.berlin)
        #expect(try Self.window(within, on: "2026-03-29") == (wall("2026-03-29", 1), 40))
        let halfHour = Self.rule((2, 5), (2, 20), in: Zones.lordHowe)
        #expect(try Self.window(halfHour, on: "2026-10-04") == (wall("2026-10-03", 15, 30), 15))
    }

    @Test("times that clocks show twice are meant the first time")
    func shownTwice() throws {
        let within = Self.rule((2, 10), (2, 50), in: Zones.berlin)
        #expect(try Self.window(within, on: "2026-10-25") == (wall("2026-10-25", 0, 10), 40))
        let begins = Self.rule((2, 30), (4, 0), in: Zones.berlin)
        #expect(try Self.window(begins, on: "2026-10-25") == (wall("2026-10-25", 0, 30), 150))
        let newYork = Self.rule((0, 30), (1, 30), in: Zones.newYork)
        #expect(try Self.window(newYork, on: "2026-11-01") == (wall("2026-11-01", 4, 30), 60))
        let lordHowe = Self.rule((1, 40), (1, 50), in: Zones.lordHowe)
        #expect(try Self.window(lordHowe, on: "2026-04-05") == (wall("2026-04-04", 14, 40), 10))
    }

    @Test("comes exactly once a day through a whole year, whatever clocks do, and no clock reading finds a second")
    func onceADay() {
        for zone in Zones.all {
            for (begins, ends) in [((2, 10), (2, 50)), ((22, 0), (6, 0)), ((0, 0), (24, 0)), ((1, 30), (3, 0))] {
                let rule = Self.rule(begins, ends, in: zone)
                let calendar = WindowCalendar(rules: [rule])
                var seen: Set<String> = []
                var windows: Set<Window> = []
                var wrong = 0
                // From every hour of the year the same windows are seen ahead, and never one that is over.
                for hour in stride(from: Zones.utc("2026-01-01", 0), to: Zones.utc("2026-12-31", 0), by: 3_600) {
                    let now = WallTime(milliseconds: hour * 1_000)
                    let next = calendar.next(2, from: now)
                    if next.count != 2 || next.contains(where: { $0.ends <= now }) { wrong += 1 }
                    if next.count == 2, next[0].begins > next[1].begins { wrong += 1 }
                    windows.formUnion(next)
                    seen.formUnion(next.map(\.id))
                }
                #expect(wrong == 0)
                #expect(windows.count == seen.count)
                #expect((364...368).contains(seen.count), "\(zone.name) \(begins) \(seen.count)")
            }
        }
    }

    /// A provider's bill: peak from 1 to 4 and from 6 to 10 UTC on working days, half price at all other times.
    private static let billing: WindowCalendar = {
        let working = WindowRule.Days(weekdays: [.mon, .tue, .wed, .thu, .fri], holidays: false)
        let free = WindowRule.Days(weekdays: [.sat, .sun], holidays: true)
        return WindowCalendar(
            rules: [
                rule((0, 0), (1, 0), in: .utc, on: working, name: "early", factor: 0.5),
                rule((4, 0), (6, 0), in: .utc, on: working, name: "noon", factor: 0.5),
                rule((10, 0), (24, 0), in: .utc, on: working, name: "evening", factor: 0.5),
                rule((0, 0), (24, 0), in: .utc, on: free, name: "weekend", factor: 0.5),
            ], holidays: [CivilDate("2026-10-01")].compactMap { $0 }.reduce(into: []) { $0.insert($1) })
    }()

    @Test("several windows a day, weekdays and holidays make up a provider's bill")
    func factors() {
        // A Thursday that is a holiday, then a Friday, then a weekend.
        let peaks = (0..<24 * 4).filter { hour in
            Self.billing.priceFactor(
                at: WallTime(milliseconds: (Zones.utc("2026-10-01", 0) + Int64(hour) * 3_600) * 1_000))
                == 1
        }
        #expect(peaks == [25, 26, 27, 30, 31, 32, 33])
        let ids = Self.billing.next(4, from: wall("2026-10-01", 23)).map(\.id)
        #expect(ids == ["weekend@2026-10-01", "early@2026-10-02", "noon@2026-10-02", "evening@2026-10-02"])
    }

    @Test("a clock that jumps into a window, back before it and in again finds the same window")
    func clockJumps() {
        let times = [wall("2026-10-02", 3), wall("2026-10-02", 5), wall("2026-10-02", 3, 59), wall("2026-10-02", 4)]
        let ids = times.map { Self.billing.next(1, from: $0).map(\.id) }
        #expect(ids.allSatisfy { $0 == ["noon@2026-10-02"] })
        #expect(times.map { Self.billing.open(at: $0).count } == [0, 1, 0, 1])
    }

    @Test("a rule that never comes is asked for in vain, and one for holidays alone is found a year ahead")
    func rare() {
        let never = WindowRule.Days(weekdays: [], holidays: false)
        let holidays = WindowRule.Days(weekdays: [], holidays: true)
        let calendar = WindowCalendar(
            rules: [
                Self.rule((1, 0), (2, 0), in: .utc, on: never, name: "never"),
                Self.rule((1, 0), (2, 0), in: .utc, on: holidays, name: "feast"),
            ], holidays: Set([CivilDate("2027-10-01")].compactMap { $0 }))
        #expect(calendar.next(5, from: wall("2026-11-01", 0)).map(\.id) == ["feast@2027-10-01"])
        #expect(WindowCalendar(rules: []).priceFactor(at: wall("2026-11-01", 0)) == 1)
    }
}
