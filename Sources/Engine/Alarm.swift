import Synchronization

/// Rings once, and says so to whoever looks.
final class Alarm: Sendable {
    private let rang = Atomic(false)

    func ring() { rang.store(true, ordering: .releasing) }

    var hasRung: Bool { rang.load(ordering: .acquiring) }
}
