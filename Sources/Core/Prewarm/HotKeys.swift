/// What is asked for most: a bounded sketch of all requests, with what is known of each key's answer.
///
/// Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in data streams",
/// ICDT 2005) over exponentially decayed counts (`Decay`). It watches `keyCountMax` keys; a key that is not watched
/// takes the place of the one with the smallest count, and inherits that count as its error. So, with W the decayed
/// number of all requests:
///
/// - count - error <= truth <= count, for each key that is listed;
/// - error <= W / keyCountMax;
/// - every key whose truth is above W / keyCountMax is listed.
///
/// Callers are noted while a key is watched, up to `callerCountMax` of them: how many differ is a lower bound, which is
/// what keeps one caller from making keys hot. A request costs a look-up and O(log keyCountMax).
public struct HotKeys: Sendable {
    public struct Settings: Hashable, Sendable {
        /// How many keys are watched; each takes some 300 bytes.
        public var keyCountMax = 4_096
        /// After which a request counts half.
        public var halfLife = Duration.seconds(24 * 3_600)
        /// How many callers of a key are told apart.
        public var callerCountMax = 8

        public init() {}
    }

    /// What is known of an answer, on this process's own clock.
    public struct Answered: Hashable, Sendable {
        public var facts: HotKey.Facts
        /// `facts.freshFor` is from here.
        public var at: Instant

        public init(_ facts: HotKey.Facts, at: Instant) {
            self.facts = facts
            self.at = at
        }
    }

    private struct Watched {
        let key: RequestKey
        var score: Double
        let error: Double
        var askedAt: Instant
        var callers: [UInt64]
        var answered: Answered?
        var heapPlace: Int
    }

    public let settings: Settings
    private let startedAt: Instant
    private var decay: Decay
    private var total = 0.0
    private var watched: [Watched] = []
    private var places: [RequestKey: Int] = [:]
    /// Places in `watched`, the smallest score first.
    private var heap: [Int] = []

    public init(_ settings: Settings = Settings(), at now: Instant) {
        precondition(settings.keyCountMax > 0, "at least one key")
        self.settings = settings
        startedAt = now
        decay = Decay(halfLife: settings.halfLife, landmark: now)
    }

    /// How many keys are watched; at most `keyCountMax`.
    public var keyCount: Int { watched.count }

    /// Somebody asks for this key.
    ///
    /// - Parameter caller: a digest of who it is.
    public mutating func asked(_ key: RequestKey, by caller: UInt64, at now: Instant) {
        if let scale = decay.rebase(at: now) { rescale(by: scale) }
        let weight = decay.weight(at: now)
        total += weight
        if let place = places[key] {
            watched[place].score += weight
            watched[place].askedAt = max(watched[place].askedAt, now)
            if watched[place].callers.count < settings.callerCountMax, !watched[place].callers.contains(caller) {
                watched[place].callers.append(caller)
            }
            sink(watched[place].heapPlace)
        } else if watched.count < settings.keyCountMax {
            let place = watched.count
            watched.append(newcomer(key, by: caller, at: now, over: 0, weight: weight, heapPlace: place))
            places[key] = place
            heap.append(place)
            rise(place)
        } else {
            let place = heap[0]
            places[watched[place].key] = nil
            places[key] = place
            watched[place] = newcomer(
                key, by: caller, at: now, over: watched[place].score, weight: weight, heapPlace: 0)
            sink(0)
        }
    }

    /// An answer to this key has been seen. Of no interest where the key is not watched.
    public mutating func answered(_ key: RequestKey, _ answered: Answered) {
        guard let place = places[key] else { return }
        watched[place].answered = answered
    }

    /// What is hot now. O(keys · log keys).
    public func summary(at now: Instant) -> HotKeySummary {
        let weight = decay.weight(at: now)
        let keys = watched.map { one in
            var facts = one.answered?.facts
            if let answered = one.answered { facts?.freshFor = answered.facts.freshFor - answered.at.duration(to: now) }
            return HotKey(
                key: one.key, count: one.score / weight, error: one.error / weight,
                idle: one.askedAt.duration(to: now), callers: one.callers, facts: facts)
        }
        let isFull = watched.count == settings.keyCountMax
        return HotKeySummary(
            keys: keys.sorted(by: HotKey.isBefore), total: total / weight,
            floor: isFull ? watched[heap[0]].score / weight : 0, keyCountMax: settings.keyCountMax,
            callerCountMax: settings.callerCountMax, span: decay.span(since: startedAt, at: now))
    }

    private func newcomer(
        _ key: RequestKey, by caller: UInt64, at now: Instant, over error: Double, weight: Double, heapPlace: Int
    ) -> Watched {
        Watched(
            key: key, score: error + weight, error: error, askedAt: now, callers: [caller], answered: nil,
            heapPlace: heapPlace)
    }

    private mutating func rescale(by scale: Double) {
        total *= scale
        for place in watched.indices {
            let one = watched[place]
            watched[place] = Watched(
                key: one.key, score: one.score * scale, error: one.error * scale, askedAt: one.askedAt,
                callers: one.callers, answered: one.answered, heapPlace: one.heapPlace)
        }
    }

    // A binary heap (Williams, 1964) whose elements know where they stand.

    private mutating func rise(_ start: Int) {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard watched[heap[place]].score < watched[heap[parent]].score else { return }
            exchange(place, parent)
            place = parent
        }
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while true {
            let left = 2 * place + 1
            guard left < heap.count else { return }
            let right = left + 1
            let isRightSmaller = right < heap.count && watched[heap[right]].score < watched[heap[left]].score
            let child = isRightSmaller ? right : left
            guard watched[heap[child]].score < watched[heap[place]].score else { return }
            exchange(place, child)
            place = child
        }
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        heap.swapAt(one, other)
        watched[heap[one]].heapPlace = one
        watched[heap[other]].heapPlace = other
    }
}
