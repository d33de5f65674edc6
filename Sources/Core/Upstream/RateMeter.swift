/// How many a second there were lately, without a list of points in time: over half a second where they are many, over
/// as long as five of them take where they are few. O(1).
struct RateMeter: Hashable, Sendable {
    static let window = Duration.milliseconds(500)
    static let windowMax = Duration.seconds(20)
    static let countMin = 5.0
    /// A count is not divided by less: two at once are not thousands a second.
    static let windowMin = Duration.milliseconds(100)

    private var startedAt: Instant?
    private var count = 0.0
    private var before = 0.0

    mutating func count(at now: Instant) {
        let startedAt = self.startedAt ?? now
        let elapsed = startedAt.duration(to: now)
        self.startedAt = startedAt
        if elapsed >= Self.windowMax || (elapsed >= Self.window && count >= Self.countMin) {
            before = count / elapsed.seconds
            self.startedAt = now
            count = 0
        }
        count += 1
    }

    /// Units a second.
    func rate(at now: Instant) -> Double {
        guard let startedAt else { return 0 }
        let elapsed = startedAt.duration(to: now)
        if count >= Self.countMin && elapsed >= Self.window / 2 { return count / elapsed.seconds }
        // Too short to say, but a rush after a quiet while is seen.
        return max(before, count / max(elapsed, Self.windowMin).seconds / 2)
    }
}
