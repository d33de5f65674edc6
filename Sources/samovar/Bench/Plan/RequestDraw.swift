/// Which requests ask for a stream.
enum RequestForms: Hashable, Sendable {
    /// So many of all, 0 to 1, at random.
    case share(Double)
    /// Each key's own: true for a stream.
    case ofKeys([Bool])

    /// The share of streams, if keys are asked for alike.
    var streamShare: Double {
        switch self {
        case .share(let share): share
        case .ofKeys(let forms): forms.isEmpty ? 0 : Double(forms.count { $0 }) / Double(forms.count)
        }
    }
}

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
    private let forms: RequestForms
    private var random: SeededGenerator

    /// Endless.
    init(_ keys: KeyDraw, forms: RequestForms, seed: UInt64, part: Int = 0) {
        self.keys = .drawn(keys)
        self.forms = forms
        random = SeededGenerator(seed: seed, stream: UInt64(part) << 8 | 3)
    }

    /// Each key of the range once; where forms are drawn, in the one that comes more often: an answer is kept for both.
    init(eachOf range: Range<UInt64>, forms: RequestForms) {
        keys = .once(range)
        if case .share(let share) = forms { self.forms = .share(share >= 0.5 ? 1 : 0) } else { self.forms = forms }
        random = SeededGenerator(seed: 0)
    }

    /// Nil after the last.
    mutating func next() -> Drawn? {
        let key: UInt64
        switch keys {
        case .drawn(var draw):
            key = draw.next()
            keys = .drawn(draw)
        case .once(let range):
            guard let first = range.first else { return nil }
            key = first
            keys = .once(range.dropFirst())
        }
        switch forms {
        case .share(let share): return Drawn(key: key, isStream: share > 0 && (share >= 1 || random.share() < share))
        case .ofKeys(let forms): return Drawn(key: key, isStream: forms[Int(key)])
        }
    }
}
