/// A time zone's rules for some years, as a value: from which instant on clocks there show what.
///
/// Made by whoever can read a time zone database. Before the first change and after the last the offsets there hold
/// for ever, so a table must reach beyond what it is asked about. Seconds are since 1970 without leap seconds.
public struct ZoneTable: Hashable, Sendable {
    /// From this instant on, local time is UTC and `offset` seconds.
    public struct Change: Hashable, Sendable {
        public var at: Int64
        public var offset: Int

        public init(at: Int64, offset: Int) {
            self.at = at
            self.offset = offset
        }
    }

    /// As the database calls it: `Europe/Berlin`.
    public let name: String
    /// Before the first change.
    public let offset: Int
    /// Strictly in order of time.
    public let changes: [Change]

    /// - Precondition: changes are in order.
    public init(name: String, offset: Int, changes: [Change] = []) {
        precondition(zip(changes, changes.dropFirst()).allSatisfy { $0.at < $1.at }, "changes are in order")
        self.name = name
        self.offset = offset
        self.changes = changes
    }

    public static let utc = ZoneTable(name: "UTC", offset: 0)

    /// How far local time is ahead of UTC at this instant, in seconds. O(log changes).
    public func offset(at seconds: Int64) -> Int {
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].at <= seconds { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? offset : changes[low - 1].offset
    }

    /// What a clock there shows at this instant, as seconds since 1970 there.
    public func local(_ seconds: Int64) -> Int64 { seconds + Int64(offset(at: seconds)) }

    /// When a clock there shows a local time.
    public enum Meaning: Hashable, Sendable {
        case once(Int64)
        /// Clocks are set back over it: the first time. (RFC 5545, 3.3.5, also takes the first.)
        case twice(first: Int64, second: Int64)
        /// Clocks are set forward over it: never; they jump at this instant.
        case never(jumpAt: Int64)
    }

    /// - Parameter local: seconds since 1970 on a clock there. O(changes).
    public func meaning(ofLocal local: Int64) -> Meaning {
        var found: [Int64] = []
        var jumpAt: Int64?
        for index in 0...changes.count {
            let begins = index == 0 ? Int64.min : changes[index - 1].at
            let ends = index == changes.count ? Int64.max : changes[index].at
            let current = index == 0 ? offset : changes[index - 1].offset
            let instant = local - Int64(current)
            if instant >= begins, instant < ends { found.append(instant) }
            // Not yet there before the change, and already past it after.
            if index < changes.count, instant >= ends, local - Int64(changes[index].offset) < ends { jumpAt = ends }
        }
        switch found.count {
        case 0: return .never(jumpAt: jumpAt ?? local - Int64(offset))
        case 1: return .once(found[0])
        default: return .twice(first: found[0], second: found[1])
        }
    }

    /// The first instant at which a clock there shows this local time, or would but for a jump over it.
    func first(ofLocal local: Int64) -> Int64 {
        switch meaning(ofLocal: local) {
        case .once(let instant), .twice(let instant, _), .never(let instant): instant
        }
    }
}
