import Foundation
import SamovarCore
import Testing

@testable import samovar

@Suite("Time zones out of the system's database")
struct SystemZoneTests {
    private static func seconds(_ text: String) -> Int64 {
        Int64(ISO8601DateFormatter().date(from: text)?.timeIntervalSince1970 ?? 0)
    }

    private static let newYear = WallTime(milliseconds: seconds("2026-01-01T00:00:00Z") * 1_000)
    private static let year = Duration.seconds(365 * 86_400)

    @Test(
        "become the tables that they are known to be",
        arguments: [
            ("Europe/Berlin", 3_600, [("2026-03-29T01:00:00Z", 7_200), ("2026-10-25T01:00:00Z", 3_600)]),
            ("America/New_York", -18_000, [("2026-03-08T07:00:00Z", -14_400), ("2026-11-01T06:00:00Z", -18_000)]),
            ("Australia/Lord_Howe", 39_600, [("2026-04-04T15:00:00Z", 37_800), ("2026-10-03T15:30:00Z", 39_600)]),
            ("Asia/Shanghai", 28_800, []), ("UTC", 0, []),
        ] as [(String, Int, [(String, Int)])])
    func known(name: String, offset: Int, changes: [(String, Int)]) throws {
        let table = try ZoneTable(named: name, from: Self.newYear, reach: Self.year)
        let expected = ZoneTable(
            name: name, offset: offset, changes: changes.map { .init(at: Self.seconds($0.0), offset: $0.1) })
        #expect(table == expected)
    }

    @Test("say the same as the system does, every hour of three years")
    func everyHour() throws {
        for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"] {
            let table = try ZoneTable(named: name, from: Self.newYear)
            let zone = try #require(TimeZone(identifier: name))
            let first = Self.newYear.milliseconds / 1_000
            let wrong = stride(from: first, to: first + 3 * 365 * 86_400, by: 3_600).count { instant in
                table.offset(at: instant) != zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(instant)))
            }
            #expect(wrong == 0, "\(name)")
        }
    }

    @Test(
        "that there are not are refused by name, with the nearest that there is",
        arguments: [
            ("Europe/Berln", "there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
            ("Mars/Phobos", "there is no time zone 'Mars/Phobos'"), ("", "there is no time zone ''"),
            ("CST", "there is no time zone 'CST'"),
        ])
    func unknown(name: String, message: String) {
        let error = #expect(throws: UnknownZone.self) { try ZoneTable(named: name, from: Self.newYear) }
        #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
    }
}
