/// Which part of each upstream's limits this pod may use: one budget for the whole fleet.
///
///     every `interval`:  wishes ─▶ word ──▶ store: own word in, all others' out, in one step ──▶ heard ─▶ parts
///                                              no answer ──────────────────────────────────────▶ missed ─▶ parts
///
/// Every pod divides alike (`MaxMinShares`), from words that it hears at a time of its own. What keeps the parts from
/// adding up to more than one is the claim in each word: never less than the part in use. A pod lowers its part as soon
/// as it sees that it is too much. It raises it only to what no other word claims, after a word of its own has claimed
/// it: one interval after it saw the division, or with the word that brings its own new demand. As the store takes words
/// one after the other, of two that claim the same the second sees the first.
///
/// **Bound.** The parts in use never add up to more than 1 as long as each pod's word stays in the store: as long as none
/// goes without an answer for `life` (12 intervals). A pod that is cut off from the store alone keeps its part for
/// `keep`, and then has 1 / pods last seen: the sum is then 1 and the parts of those cut off, at most. Where the
/// store is gone for all, the sum stays as it is: those who have more than 1 / pods lower to that after `keep`, the others
/// raise to it 3 intervals later. A store that forgets has every word again after an interval; only who comes in that time
/// may be given what others use. Integer limits are at least 1 for each pod: of `concurrency_max` and `burst` there
/// may be one more for each pod.
///
/// A pod that begins has nothing for its first moments (`firstWait`), and the whole if nobody answers by then. All
/// operations are O(pods × upstreams × log pods).
public struct FleetShare: Sendable {
    public struct Settings: Hashable, Sendable {
        /// `share_interval`: how often pods speak.
        public var interval: Duration
        /// `share_keep`: how long a part outlives the store.
        public var keep: Duration

        public init(interval: Duration = .milliseconds(250), keep: Duration = .seconds(10)) {
            self.interval = interval
            self.keep = keep
        }
    }

    /// What is to be done now.
    public struct Action: Sendable {
        /// Of all upstreams of which was wished.
        public var parts: [FleetPart]
        /// When to speak next.
        public var speakAt: Instant
    }

    /// How many pods can be in one fleet: `pods_max`. Others stay outside, as if the store were gone.
    public static let podsMax = 1_000
    /// How many intervals a word lives.
    static let lifeIntervals = 12
    /// How much later than others lose a part another gains it, without the store.
    static let gainIntervals = 3
    /// Beyond so many pods they speak less often, in proportion, so that what the store has to tell stays bounded.
    static let podsAtFullPace = 100
    /// How long a pod that begins waits for its first answer before it takes the whole.
    public static let firstWait = Duration.milliseconds(500)
    private static let firstInterval = Duration.milliseconds(50)
    /// A part that is given up by this much is told at once: somebody waits for it.
    private static let hurryAbove = 0.02
    /// Openings whose ends are closer than this are one.
    private static let sameOpening = Duration.milliseconds(750)

    private struct Own: Hashable {
        var part = 0.0
        var claim = 0.0
        /// Whether anything was given yet.
        var hasBegun = false
        /// The latest opening that was heeded ends then.
        var heededUntil = Instant.zero
    }

    private var settings: Settings
    private let pod: PodID
    private var number: UInt64 = 0
    private var wishes: [FleetWish] = []
    private var own: [String: Own] = [:]
    private var others: [(pod: PodID, word: FleetWord)] = []
    private let startedAt: Instant
    /// The latest word that was answered was sent then.
    private var heardAt: Instant?
    private var hasHurried = false

    /// - Parameter startedAt: when this pod began.
    public init(_ settings: Settings = Settings(), pod: PodID, startedAt: Instant) {
        self.settings = settings
        self.pod = pod
        self.startedAt = startedAt
    }

    public mutating func configure(_ settings: Settings) { self.settings = settings }

    /// Pods that were heard of last, this one included.
    public var podCount: Int { others.count + 1 }

    /// How often words are exchanged now.
    public var interval: Duration {
        settings.interval * max(1, (podCount + Self.podsAtFullPace - 1) / Self.podsAtFullPace)
    }

    /// How long a word of this pod stays in the store.
    public var life: Duration { interval * Self.lifeIntervals }

    // MARK: Events

    /// What to tell now.
    public mutating func word(_ wishes: [FleetWish]) -> FleetWord {
        self.wishes = wishes
        number += 1
        let names = Set(wishes.map(\.upstream))
        own = own.filter { names.contains($0.key) }
        let upstreams = wishes.map { wish in
            var standing = own[wish.upstream] ?? Own()
            standing.claim = min(1, max(standing.part, target(of: wish)))
            own[wish.upstream] = standing
            return FleetWord.Upstream(
                name: wish.upstream, demand: wish.demand, claim: standing.claim, openFor: wish.openFor,
                learnedRate: wish.learnedRate)
        }
        return FleetWord(number: number, upstreams: upstreams)
    }

    /// The store has taken the word; it has these of the others.
    ///
    /// - Parameter sentAt: when the word was sent. An answer that was as long on its way as half a word's life is none.
    public mutating func heard(_ words: [PodID: FleetWord], sentAt: Instant, at now: Instant) -> Action {
        guard sentAt.duration(to: now) * 2 < life else { return missed(at: now) }
        let isFirst = heardAt == nil
        heardAt = max(heardAt ?? sentAt, sentAt)
        // All pods add up in the same order.
        others = words.filter { $0.key != pod }.map { ($0.key, $0.value) }.sorted { $0.0.number < $1.0.number }
        var given = 0.0
        let parts = wishes.map { wish in
            var standing = own[wish.upstream] ?? Own()
            let before = standing.part
            standing.part = part(of: wish, standing)
            if standing.hasBegun { given = max(given, before - standing.part) }
            let isSpent = isFirst && !standing.hasBegun && !otherWords(of: wish).isEmpty
            standing.hasBegun = true
            let openFor = opening(of: wish, &standing, at: now)
            own[wish.upstream] = standing
            return FleetPart(
                upstream: wish.upstream, part: standing.part, isSpent: isSpent,
                learnedRate: learnedElsewhere(wish).map { $0 * standing.part }, openFor: openFor)
        }
        // Twice an interval at most.
        hasHurried = given > Self.hurryAbove && !hasHurried
        return Action(parts: parts, speakAt: hasHurried ? now : now.advanced(by: interval))
    }

    /// The store did not answer, or takes no more pods.
    ///
    /// - Parameter podCount: how many pods it has; nil: it did not say.
    public mutating func missed(podCount: Int? = nil, at now: Instant) -> Action {
        hasHurried = false
        let podCount = max(podCount.map { $0 + 1 } ?? 0, self.podCount)
        let next: (Double) -> Double
        var pause = interval
        if let heardAt {
            // Who gets more waits until all who get less must have seen it too.
            let silence = heardAt.duration(to: now)
            let (mayLose, mayGain) = (
                silence >= settings.keep, silence >= settings.keep + interval * Self.gainIntervals
            )
            let equal = 1 / Double(podCount)
            next = { mayGain || (mayLose && $0 > equal) ? equal : $0 }
        } else if podCount > 1 || startedAt.duration(to: now) >= Self.firstWait {
            next = { _ in 1 / Double(podCount) }
        } else {
            next = { $0 }
            pause = min(interval, Self.firstInterval)
        }
        let parts = wishes.compactMap { wish -> FleetPart? in
            var standing = own[wish.upstream] ?? Own()
            standing.part = next(standing.part)
            if standing.part > 0 { standing.hasBegun = true }
            own[wish.upstream] = standing
            guard standing.hasBegun else { return nil }
            return FleetPart(upstream: wish.upstream, part: standing.part)
        }
        return Action(parts: parts, speakAt: now.advanced(by: pause))
    }

    // MARK: Parts

    /// What the others say of this upstream.
    private func otherWords(of wish: FleetWish) -> [FleetWord.Upstream] {
        others.compactMap { other in other.word.upstreams.first { $0.name == wish.upstream } }
    }

    /// What it would have if everybody knew what it knows.
    private func target(of wish: FleetWish) -> Double {
        var demands: [Double] = []
        var place = 0
        var learned = wish.learnedRate ?? 0
        for other in others {
            guard let said = other.word.upstreams.first(where: { $0.name == wish.upstream }) else { continue }
            if other.pod.number < pod.number { place += 1 }
            demands.append(said.demand)
            learned += said.learnedRate ?? 0
        }
        guard !demands.isEmpty else { return 1 }
        demands.insert(wish.demand, at: place)
        let capacity = wish.requestsPerSecond ?? (learned > 0 ? learned : nil)
        return MaxMinShares.divide(demands, capacity: capacity)[place]
    }

    private func part(of wish: FleetWish, _ standing: Own) -> Double {
        let target = target(of: wish)
        guard target > standing.part else { return target }
        let free = 1 - otherWords(of: wish).reduce(0) { $0 + $1.claim }
        return max(standing.part, min(target, standing.claim, free))
    }

    /// What all pods have found out together, where this one has found out nothing itself.
    private func learnedElsewhere(_ wish: FleetWish) -> Double? {
        guard wish.requestsPerSecond == nil, wish.learnedRate == nil else { return nil }
        let sum = otherWords(of: wish).reduce(0) { $0 + ($1.learnedRate ?? 0) }
        return sum > 0 ? sum : nil
    }

    /// For how long another pod's breaker is open, where that is news.
    private func opening(of wish: FleetWish, _ standing: inout Own, at now: Instant) -> Duration? {
        guard let longest = otherWords(of: wish).compactMap(\.openFor).max(), longest > .zero else { return nil }
        let until = now.advanced(by: longest)
        guard until > standing.heededUntil.advanced(by: Self.sameOpening) else { return nil }
        standing.heededUntil = until
        return longest
    }
}
