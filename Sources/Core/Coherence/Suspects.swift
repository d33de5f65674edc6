/// Entries of which was heard that the shared cache's copy has changed: to be looked at, a few at a time.
///
/// Also what this process writes is heard of, and mostly that is all there was: so a change throws nothing out, it makes
/// one small look. Messages are not counted against writes, as a server tells several changes of a name as one.
public struct Suspects: Sendable {
    public struct Settings: Sendable {
        /// From the first suspect to the look at it.
        public var pause = Duration.milliseconds(20)
        /// How many are looked at in one round trip.
        public var batchMax = 64
        /// How many may wait.
        public var countMax = 4_096

        public init() {}
    }

    private let settings: Settings
    private var waiting: [UInt64] = []
    private var known: Set<UInt64> = []
    private var dueAt = Instant.never

    public init(_ settings: Settings = Settings()) { self.settings = settings }

    public var count: Int { waiting.count }
    /// When to `take`; `never` where nothing waits.
    public var next: Instant { dueAt }

    public enum AddAction: Hashable, Sendable {
        /// Is waiting already, or waits with others.
        case none
        /// The first: wake whoever looks, for `next`.
        case wake
        /// Too many to look at one by one: all that waited is dropped here, and everything in memory is suspect.
        case overflow
    }

    public mutating func add(_ name: UInt64, at now: Instant) -> AddAction {
        guard known.insert(name).inserted else { return .none }
        guard waiting.count < settings.countMax else {
            removeAll()
            return .overflow
        }
        waiting.append(name)
        guard dueAt == .never else { return .none }
        dueAt = now.advanced(by: settings.pause)
        return .wake
    }

    /// The next to look at, oldest first; empty before it is time. One that is heard of again from here on is looked at
    /// again.
    public mutating func take(at now: Instant) -> [UInt64] {
        guard now >= dueAt else { return [] }
        let batch = Array(waiting.prefix(settings.batchMax))
        waiting.removeFirst(batch.count)
        known.subtract(batch)
        dueAt = waiting.isEmpty ? .never : now.advanced(by: settings.pause)
        return batch
    }

    public mutating func removeAll() {
        waiting = []
        known = []
        dueAt = .never
    }
}
