import Foundation
import SamovarCore

/// There is no time zone of that name.
struct UnknownZone: Error, Hashable, CustomStringConvertible {
    let name: String
    let description: String

    init(_ name: String) {
        self.name = name
        description = "there is no time zone '\(name)'\(NearestMatch.hint(name, among: ZoneTable.names))"
    }
}

extension ZoneTable {
    /// How far the tables that the daemon makes reach, from the day on which they are made.
    static let reach = Duration.seconds(3 * 366 * 86_400)

    /// What the system's time zone database knows, and the names that everyone uses.
    static let names = TimeZone.knownTimeZoneIdentifiers + ["UTC", "GMT"]

    /// The rules of a zone, as the system's time zone database has them, from a day before `now` on.
    init(named name: String, from now: WallTime, reach: Duration = ZoneTable.reach) throws(UnknownZone) {
        // Foundation also takes abbreviations such as CST, which mean a zone here and another there; and it lists only
        // one name of each zone, such as Asia/Calcutta for Asia/Kolkata.
        guard name.contains("/") || Self.names.contains(name), let zone = TimeZone(identifier: name) else {
            throw UnknownZone(name)
        }
        let start = Date(timeIntervalSince1970: Double(now.milliseconds / 1_000 - 86_400))
        let end = start.addingTimeInterval(reach.seconds)
        var changes: [Change] = []
        var date = start
        while let next = zone.nextDaylightSavingTimeTransition(after: date), next > date, next < end {
            changes.append(
                Change(at: Int64(next.timeIntervalSince1970.rounded()), offset: zone.secondsFromGMT(for: next)))
            date = next
        }
        self.init(name: name, offset: zone.secondsFromGMT(for: start), changes: changes)
    }
}
