/// What one process has of an upstream whose limits it shares with others, and how much it wants.
struct FleetStanding: Hashable, Sendable {
    /// Of the whole, in 0...1; nil: the limits are this process's alone.
    var part: Double?
    /// It is about to hear how much it may take: nothing goes before.
    var isAwaiting = false
    /// What the others have found out, this process's part of it: requests a second.
    var learnedRate: Double?
    /// What may go at once of it, as time at that rate.
    private static let learnedBurstTime = 0.1
    /// How many wanted to go since that was last looked at.
    var askedCount = 0
    private var mean = 0.0
    private var lookedAt: Instant?

    /// After so long two thirds of the moving mean are new.
    private static let meanTime = Duration.milliseconds(350)

    /// Requests a second that it would send.
    ///
    /// - Parameter waiting: how many wait.
    mutating func demand(waiting: Int, at now: Instant) -> Double {
        let elapsed = max(.milliseconds(1), lookedAt?.duration(to: now) ?? .seconds(1)).seconds
        let weight = elapsed / (elapsed + Self.meanTime.seconds / 2)
        mean += (Double(askedCount) / elapsed - mean) * weight
        askedCount = 0
        lookedAt = now
        return mean + Double(waiting)
    }

    /// Without limits there is nothing to wait for.
    func isAwaited(_ limits: UpstreamLimits) -> Bool {
        isAwaiting
            && (limits.requestsPerSecond != nil || limits.tokensPerMinute != nil || limits.concurrencyMax > 0)
    }

    /// What of these budgets is this process's.
    func part(of pace: Pace.Settings) -> Pace.Settings {
        guard let part else { return pace }
        var own = pace
        if let rate = pace.requestsPerSecond {
            own.requestsPerSecond = rate * part
            own.burst = max(1, (pace.burst ?? rate) * part)
        } else {
            own.requestsPerSecond = learnedRate
            own.burst = learnedRate.map { max(1, $0 * Self.learnedBurstTime) }
        }
        own.tokensPerMinute = pace.tokensPerMinute.map { $0 * part }
        return own
    }
}

extension UpstreamGate {
    /// Attempts at once: what was learned, and this process's part of what is configured. At least 1.
    var concurrencyLimit: Int {
        guard let part = fleet.part, limits.concurrencyMax > 0 else { return concurrency.limit }
        return min(concurrency.limit, max(1, Int(Double(limits.concurrencyMax) * part)))
    }

    /// Takes another part; what was learned and who waits stay.
    mutating func share(_ part: FleetPart, at now: Instant) {
        fleet.isAwaiting = false
        fleet.part = part.part
        fleet.learnedRate = part.learnedRate
        pace.resize(fleet.part(of: limits.pace), isSpent: part.isSpent, at: now)
    }

    /// The limits are its own again.
    mutating func unshare(at now: Instant) {
        guard fleet.part != nil || fleet.isAwaiting else { return }
        fleet = FleetStanding()
        pace.resize(limits.pace, at: now)
    }
}
