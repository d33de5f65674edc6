import TestSupport
import Testing

@testable import SamovarCore

@Suite("The profile of a week")
struct ProfileTests {
    /// 2026-01-05, a Monday, at 0 UTC.
    private static let monday = Int64(CivilDate("2026-01-05")?.dayNumber ?? 0) * 86_400

    private static func wall(_ seconds: Int64) -> WallTime { WallTime(milliseconds: (monday + seconds) * 1_000) }

    /// Offices in `zone`: many requests from 9 to 17 on working days, some till 22, hardly any at night.
    private static func requests(_ local: Int64) -> Int {
        let (hour, day) = (Int(local / 3_600 % 24), CivilDate(seconds: local).weekday)
        if hour < 6 { return 10 }
        let works = day != .sat && day != .sun
        return works && (9..<17).contains(hour) ? 1_000 : 200
    }

    /// Tells so many weeks in slices of ten minutes.
    private static func profile(
        weeks: Int, zone: ZoneTable = .utc, noise: Double = 0, seed: UInt64 = 0,
        isWatched: (Int64) -> Bool = { _ in true }
    ) -> Profile {
        var random = SeededGenerator(seed: seed)
        var profile = Profile(zone: zone)
        var carried = 0.0
        for slice in stride(from: Int64(0), to: Int64(weeks) * 7 * 86_400, by: 600) {
            let factor = 1 + Double.random(in: -1...1, using: &random) * noise
            carried += Double(requests(zone.local(monday + slice))) / 6 * factor
            let count = Int(carried)
            carried -= Double(count)
            guard isWatched(slice) else { continue }
            profile.saw(count, from: wall(slice), to: wall(slice + 600))
        }
        return profile
    }

    @Test("expects of each hour what came in it, and is not wrong about weeks that are alike")
    func steady() throws {
        let profile = Self.profile(weeks: 4)
        let noon = try #require(profile.expected(.wed, hour: 12))
        #expect(abs(noon.count - 1_000) < 2 && noon.weekCount == 4)
        #expect(abs((profile.expected(.sat, hour: 12)?.count ?? 0) - 200) < 2)
        #expect(abs((profile.expected(.tue, hour: 3)?.count ?? 0) - 10) < 1)
        #expect(try #require(profile.error) < 0.01)
    }

    @Test("shows its error: more noise, more of it, and about as much as there is")
    func errors() throws {
        let errors = try [0.0, 0.2, 0.8].map { noise in
            try #require(Self.profile(weeks: 8, noise: noise, seed: 3).error)
        }
        #expect(errors[0] < errors[1] && errors[1] < errors[2] && errors[2] < 0.8)
        let (calm, wild) = (Self.profile(weeks: 8), Self.profile(weeks: 8, noise: 0.8, seed: 3))
        let deviations = [calm, wild].map { $0.expected(.wed, hour: 12)?.error ?? 0 }
        #expect(deviations[0] < deviations[1])
    }

    @Test("says nothing before it has seen an hour, and does not take a restart for a quiet one")
    func unwatched() {
        #expect(Profile(zone: .utc).expected(.mon, hour: 0) == nil)
        #expect(Profile(zone: .utc).error == nil && Profile(zone: .utc).quiet(from: Self.wall(0)).isEmpty)
        #expect(Profile(zone: .utc).rush(after: Self.wall(0)) == nil)
        // Down for half an hour at noon on the second Wednesday.
        let down = Int64(9 * 24 + 12) * 3_600
        let profile = Self.profile(weeks: 3) { slice in !(down..<down + 1_800).contains(slice) }
        #expect(profile.expected(.wed, hour: 12)?.weekCount == 2)
        #expect(abs((profile.expected(.wed, hour: 12)?.count ?? 0) - 1_000) < 2)
    }

    @Test("proposes the nights, in order, on the clocks of its zone")
    func quiet() {
        let shanghai = ZoneTable(name: "Asia/Shanghai", offset: 28_800)
        let profile = Self.profile(weeks: 3, zone: shanghai)
        // Three weeks on, at 20:00 there on a Monday.
        let now = Self.wall(21 * 86_400 + 12 * 3_600)
        let nights = profile.quiet(from: now)
        #expect(nights.count == 7)
        #expect(nights.first?.begins == Self.wall(21 * 86_400 + 16 * 3_600))
        #expect(nights.allSatisfy { $0.begins.duration(to: $0.ends) == .seconds(6 * 3_600) && abs($0.count - 60) < 6 })
    }

    @Test("foresees the next rush: today's when it is to come, the next working day's when it has begun")
    func rush() throws {
        let profile = Self.profile(weeks: 3)
        let start: Int64 = 21 * 86_400
        func rush(_ day: Int64, _ hour: Int64) -> Profile.Stretch? {
            profile.rush(after: Self.wall(start + day * 86_400 + hour * 3_600 + 60))
        }
        let first = try #require(rush(0, 3))
        #expect(first.begins == Self.wall(start + 9 * 3_600) && first.ends == Self.wall(start + 17 * 3_600))
        #expect(abs(first.count - 8_000) < 20)
        #expect(rush(0, 12)?.begins == Self.wall(start + 33 * 3_600))
        #expect(rush(0, 18)?.begins == Self.wall(start + 33 * 3_600))
        #expect(rush(4, 12)?.begins == Self.wall(start + (7 * 24 + 9) * 3_600))
        #expect(profile.busyness(of: first) > 2)
    }

    @Test("follows clocks that change: the same hour of people's days, not of the sun's")
    func clocksChange() {
        let berlin = ZoneTable(
            name: "Europe/Berlin", offset: 3_600,
            changes: [.init(at: Self.monday + 21 * 86_400 + 1_800, offset: 7_200)])
        let profile = Self.profile(weeks: 6, zone: berlin)
        #expect(abs((profile.expected(.wed, hour: 9)?.count ?? 0) - 1_000) < 2)
        #expect(abs((profile.expected(.wed, hour: 8)?.count ?? 0) - 200) < 2)
    }

    @Test("passes over slices of a clock that has jumped")
    func jumps() {
        var profile = Self.profile(weeks: 2)
        let before = profile
        profile.saw(1_000_000, from: Self.wall(0), to: Self.wall(600))
        profile.saw(1_000_000, from: Self.wall(99 * 86_400), to: Self.wall(0))
        profile.saw(1_000_000, from: Self.wall(0), to: Self.wall(99 * 86_400))
        #expect(profile == before)
    }

    @Test("a slice over the hour belongs to both in its parts")
    func split() {
        var profile = Profile(zone: .utc)
        profile.saw(3_000, from: Self.wall(0), to: Self.wall(3_000))
        profile.saw(1_000, from: Self.wall(3_000), to: Self.wall(4_000))
        profile.saw(2_600, from: Self.wall(4_000), to: Self.wall(6_600))
        profile.saw(1_200, from: Self.wall(6_600), to: Self.wall(7_800))
        #expect(profile.expected(.mon, hour: 0)?.count == 3_600)
        #expect(abs((profile.expected(.mon, hour: 1)?.count ?? 0) - 3_600) < 0.001)
    }
}
