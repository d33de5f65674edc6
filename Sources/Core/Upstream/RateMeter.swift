/// How many a second there were lately, counted over halves of a second. O(1), without a list of points in time.
struct RateMeter: Hashable, Sendable {
    static let window = Duration.milliseconds(500)
    /// A first count is not divided by less: two at once are not thousands a second.
    static let windowMin = Duration.milliseconds(100)

    private var startedAt: Instant?
    private var count = 0.0
    private var before: Double?

    mutating func count(at now: Instant) {
        guard let startedAt else {
            startedAt = now
            count = 1
            return
        }
        let elapsed = startedAt.duration(to: now)
        if elapsed >= Self.window {
            // Whatever was counted before a pause says nothing about now.
            before = elapsed < Self.window * 2 ? count / elapsed.seconds : 0
            self.startedAt = now
            count = 0
        }
        count += 1
    }

    /// Units a second.
    func rate(at now: Instant) -> Double {
        guard let startedAt else { return 0 }
        let elapsed = startedAt.duration(to: now)
        if let before, elapsed < Self.window / 2 { return before }
        return count / max(elapsed, Self.windowMin).seconds
    }
}
