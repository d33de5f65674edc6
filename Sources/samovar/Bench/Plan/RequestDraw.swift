/// What is asked next: a key, and whether its answer shall be a stream.
struct RequestDraw: Sendable {
    struct Drawn: Hashable, Sendable {
        let key: UInt64
        let isStream: Bool
    }

    private enum Keys: Sendable {
        case drawn(KeyDraw)
        /// Each of a range, once.
        case once(Range<UInt64>)
    }

    private var keys: Keys
    private let streamShare: Double
    private var random: SeededGenerator

    /// Endless.
    ///
    /// - Parameter streamShare: of all requests, 0 to 1.
    init(_ keys: KeyDraw, streamShare: Double, seed: UInt64, part: Int = 0) {
        self.keys = .drawn(keys)
        self.streamShare = streamShare
        random = SeededGenerator(seed: seed, stream: UInt64(part) << 8 | 3)
    }

    /// Each key of the range once, all in the form that is asked for more often: an answer is kept for both.
    init(eachOf range: Range<UInt64>, streamShare: Double) {
        keys = .once(range)
        self.streamShare = streamShare >= 0.5 ? 1 : 0
        random = SeededGenerator(seed: 0)
    }

    /// Nil after the last.
    mutating func next() -> Drawn? {
        let isStream = streamShare > 0 && (streamShare >= 1 || random.share() < streamShare)
        switch keys {
        case .drawn(var draw):
            let key = draw.next()
            keys = .drawn(draw)
            return Drawn(key: key, isStream: isStream)
        case .once(let range):
            guard let key = range.first else { return nil }
            keys = .once(range.dropFirst())
            return Drawn(key: key, isStream: isStream)
        }
    }
}
