/// How fast a provider lets itself be asked, learned from its refusals. Nothing is limited until the first.
///
///     rate
///      │          refused                                  ╱
///      │ ────────╮                                        ╱     beyond what was last too much: ever faster
///      │         │            ╭───────────────────────────      near it: carefully
///      │         │       ╭────
///      │         ╰──────                                        cut to 0.7 of what was really sent
///      └─────────┴────────────────┬─────────────────────▶
///                              growth time
///
/// The curve is CUBIC's (Ha, Rhee, Xu, "CUBIC: a new TCP-friendly high-speed TCP variant", 2008), as in the adaptive
/// retry mode of the AWS SDKs, but drawn to the scale of the rate, so that one provider of one request a second is
/// approached as carefully as one of a thousand. Between two refusals a provider lets in exactly what its budget
/// gave in that time: that, rather than the rate that was reached, is what the curve is drawn around. It grows only on
/// acceptance and while the rate is in use. What was sent before a cut and refused after it is part of the same event.
/// Without any refusal for `forgetAfter` the limit is lifted. All operations are O(1).
public struct LearnedRate: Hashable, Sendable {
    public struct Settings: Hashable, Sendable {
        /// What is left of the rate after a refusal.
        public var cutTo: Double
        /// In which the rate grows back, at least; slow providers take as long as `requestsPerGrowth` need.
        public var growthTimeMin: Duration
        public var growthTimeMax: Duration
        public var requestsPerGrowth: Double
        public var forgetAfter: Duration

        public init(
            cutTo: Double = 0.7, growthTimeMin: Duration = .milliseconds(2_500), growthTimeMax: Duration = .seconds(30),
            requestsPerGrowth: Double = 30, forgetAfter: Duration = .seconds(60)
        ) {
            self.cutTo = cutTo
            self.growthTimeMin = growthTimeMin
            self.growthTimeMax = growthTimeMax
            self.requestsPerGrowth = requestsPerGrowth
            self.forgetAfter = forgetAfter
        }
    }

    /// However much is refused: one in twenty seconds goes, to see whether that is still so.
    public static let rateMin = 0.05
    /// And this part of what was once accepted.
    public static let floorShare = 0.02

    /// One request that went.
    public struct Sent: Hashable, Sendable {
        public let at: Instant
        /// How many went before it.
        public let number: Int
    }

    private struct Learned: Hashable {
        /// The rate after the cut.
        var floor: Double
        /// The rate that was too much, to be approached carefully.
        var anchor: Double
        var cutAt: Instant
        /// How many had gone by then.
        var sentBefore: Int
        /// How many had gone when the anchor was set. Until one that went later is let in nothing is known about what
        /// would be: refusals alone, as in an outage, do not move it.
        var anchoredBefore: Int
        var hasLetIn = false
        /// How long after it went the refusal was heard that led to the cut.
        var heardAfter: Duration
        /// How long it has grown.
        var grownFor = Duration.zero
        /// When growth was last looked at; nil before the first acceptance since the cut.
        var lookedAt: Instant?
        var bucket: TokenBucket
    }

    private let settings: Settings
    private var meter = RateMeter()
    private var learned: Learned?
    private var sentCount = 0

    public init(_ settings: Settings = Settings()) { self.settings = settings }

    /// Requests a second; nil: not limited.
    public func rate(at now: Instant) -> Double? {
        guard let learned, learned.cutAt.duration(to: now) < settings.forgetAfter else { return nil }
        return learned.bucket.rate
    }

    /// Whether one may go now.
    public func canSend(at now: Instant) -> TokenBucket.Verdict {
        guard let learned, rate(at: now) != nil else { return .granted }
        return learned.bucket.canTake(at: now)
    }

    /// One goes.
    public mutating func sent(at now: Instant) -> Sent {
        defer { sentCount += 1 }
        meter.count(at: now)
        learned?.bucket.charge(1, at: now)
        return Sent(at: now, number: sentCount)
    }

    /// It was refused. Returns whether that was news.
    @discardableResult
    public mutating func refused(_ sent: Sent, at now: Instant) -> Bool {
        guard let known = learned, rate(at: now) != nil else {
            let reached = meter.rate(at: now)
            cut(to: reached * settings.cutTo, anchor: reached, by: sent, at: now)
            return true
        }
        guard sent.number >= known.sentBefore else { return false }
        let reached = min(known.bucket.rate, meter.rate(at: now))
        // Where nothing was let in meanwhile nothing was learned about what would be.
        guard known.hasLetIn else {
            cut(to: reached * settings.cutTo, anchor: known.anchor, by: sent, at: now)
            learned?.anchoredBefore = known.anchoredBefore
            return true
        }
        let anchor = letIn(before: sent, since: known) ?? max(reached, known.anchor * settings.cutTo)
        cut(to: min(reached, anchor) * settings.cutTo, anchor: anchor, by: sent, at: now)
        return true
    }

    /// It was let in.
    public mutating func accepted(_ sent: Sent, at now: Instant) {
        guard var known = learned else { return }
        guard rate(at: now) != nil else {
            learned = nil
            return
        }
        defer { learned = known }
        if sent.number >= known.anchoredBefore { known.hasLetIn = true }
        // Whatever went before the cut says nothing about the rate since.
        guard sent.number >= known.sentBefore else { return }
        let since = known.lookedAt?.duration(to: now) ?? .zero
        known.lookedAt = max(known.lookedAt ?? now, now)
        guard meter.rate(at: now) >= known.bucket.rate * Self.inUse else { return }
        known.grownFor += max(.zero, min(since, .seconds(1)))
        setRate(grown(known), of: &known, at: now)
    }

    /// How many a second were let in from the cut to this one, which was the first that was not. Nil where the time
    /// or the number is too small to say.
    private func letIn(before sent: Sent, since known: Learned) -> Double? {
        let time = known.cutAt.duration(to: sent.at)
        let count = sent.number - known.sentBefore
        guard time >= RateMeter.window, count >= Self.letInMin else { return nil }
        return Double(count) / time.seconds
    }

    private static let letInMin = 2
    /// How much longer growth takes for each second that a refusal takes to be heard.
    private static let carePerSecond = 2.0 / 3
    /// The rate is in use where at least this part of it is sent.
    private static let inUse = 0.7
    /// What may go at once, as time at the learned rate.
    private static let burstTime = 0.1

    private mutating func cut(to rate: Double, anchor: Double, by sent: Sent, at now: Instant) {
        let anchor = max(anchor, Self.rateMin)
        let floor = max(rate, anchor * Self.floorShare, Self.rateMin)
        var bucket = learned?.bucket ?? TokenBucket(rate: floor, burst: 1, at: now)
        bucket.configure(rate: floor, burst: floor * Self.burstTime, at: now)
        bucket.fill(at: now)
        learned = Learned(
            floor: floor, anchor: anchor, cutAt: now, sentBefore: sentCount, anchoredBefore: sentCount,
            heardAfter: max(.zero, sent.at.duration(to: now)), bucket: bucket)
    }

    private func setRate(_ rate: Double, of known: inout Learned, at now: Instant) {
        guard rate > known.bucket.rate else { return }
        known.bucket.configure(rate: rate, burst: rate * Self.burstTime, at: now)
    }

    /// The curve: `floor` at first, `anchor` after the growth time, and beyond.
    private func grown(_ known: Learned) -> Double {
        let time = min(
            max(settings.growthTimeMin.seconds, settings.requestsPerGrowth / known.anchor),
            settings.growthTimeMax.seconds)
        // Who refuses late is overrun by all that went meanwhile: it is approached, and passed, more slowly.
        let care = 1 + min(known.heardAfter.seconds, 1) * Self.carePerSecond
        let beyond = known.grownFor.seconds / (time * care) - 1
        // What was saved up during a pause is spent without a rush: a fifth slower beyond the anchor than before it.
        let step = beyond > 0 ? beyond / (1.25 * care) : beyond
        return known.anchor + max(0, known.anchor - known.floor) * step * step * step
    }
}
