/// Several inputs on their way to one upstream call: who is in it, and what the call's end means for each.
///
///                   full, window, room            its call is made
///     gathering ──────────────────────▶ called ────────────────────▶ gone ────▶ over
///         │ joins, leaves                  │ leaves                    │  ▲
///         └── the last one left: over      └── the last one left: over └──┘ one input was refused by name:
///                                                                           the others go without it, once
///
/// Who leaves before the call is made is taken out; after that its part of the answer is for nobody. The call is given
/// up when all have left.
public struct EmbeddingBatch: Sendable {
    /// How large a batch may become, and how long it may wait for that: `batch` of a route.
    public struct Limits: Hashable, Sendable {
        /// Inputs in one call.
        public var sizeMax: Int
        /// How long the first of them waits for others.
        public var window: Duration
        /// Model tokens in one call, estimated at four bytes each. The default stays below the 300,000 that OpenAI takes
        /// in one call even where each byte is a token.
        public var tokensMax: Int

        public init(sizeMax: Int = 32, window: Duration = .milliseconds(5), tokensMax: Int = 75_000) {
            self.sizeMax = sizeMax
            self.window = window
            self.tokensMax = tokensMax
        }
    }

    /// What one input takes of a call.
    public struct Size: Hashable, Sendable {
        /// The text as it is spelled in the body, quotes included, in bytes.
        public let textSize: Int
        /// The body without its input, in bytes.
        public let restSize: Int

        public init(textSize: Int, restSize: Int) {
            self.textSize = textSize
            self.restSize = restSize
        }

        /// Model tokens: a quarter of the bytes, rounded up.
        var tokenCount: Int { max(1, (textSize + 1) / 4) }
    }

    /// A flight's place. In the order of joining.
    public struct Member: Hashable, Sendable {
        public let number: Int
    }

    private enum Phase { case gathering, called, gone }

    private let limits: Limits
    private let bodySizeMax: Int
    private var phase = Phase.gathering
    /// In the order in which they joined, which is the order of the inputs.
    public private(set) var members: [Member] = []
    private var left: Set<Member> = []
    private var isLast = false
    // Of all that have joined: one that has left again makes the batch go earlier, never too large.
    private var textSize = 0
    private var restSize = 0
    private var tokenCount = 0

    /// - Parameter bodySizeMax: of the call's body, in bytes (`body_size_max`).
    public init(_ limits: Limits, bodySizeMax: Int) {
        self.limits = limits
        self.bodySizeMax = bodySizeMax
    }

    public var isFull: Bool { members.count >= limits.sizeMax }
    /// Nobody joins any more, and the call is not made yet.
    public var isCalled: Bool { phase == .called }

    /// Takes another one in. False: there is no room for it; the first one always has room. O(1).
    public mutating func join(_ member: Member, _ size: Size) -> Bool {
        // A comma each, and two brackets.
        let texts = textSize + size.textSize + 1
        let rest = max(restSize, size.restSize)
        let tokens = tokenCount + size.tokenCount
        guard phase == .gathering, !isFull else { return false }
        guard members.isEmpty || (texts + rest + 2 <= bodySizeMax && tokens <= limits.tokensMax) else { return false }
        members.append(member)
        (textSize, restSize, tokenCount) = (texts, rest, tokens)
        return true
    }

    public enum LeaveAction: Hashable, Sendable {
        /// Its input is not asked for.
        case takenOut
        /// Its input is asked for with the others'.
        case stays
        /// Nobody is left: the batch is over, and so is its call if it was made.
        case over
    }

    /// Nobody waits for this one any more. O(members).
    public mutating func leave(_ member: Member) -> LeaveAction {
        guard phase == .gone else {
            members.removeAll { $0 == member }
            return members.isEmpty ? .over : .takenOut
        }
        left.insert(member)
        return members.allSatisfy(left.contains) ? .over : .stays
    }

    /// Nobody joins any more.
    public mutating func call() { phase = .called }

    /// The call is made now, for these, in the order of the inputs.
    public mutating func go() -> [Member] {
        members.removeAll(where: left.contains)
        phase = .gone
        return members
    }

    public struct RefuseAction: Hashable, Sendable {
        /// The one that was refused.
        public let refused: Member
        /// The others go without it: `go` again.
        public let goesAgain: Bool
        /// They do not, as they did already. Nothing is known against them.
        public let givenUp: [Member]
    }

    /// The upstream has refused the call because of the input at this place. Nil: there is none.
    public mutating func refuse(at index: Int) -> RefuseAction? {
        guard phase == .gone, members.indices.contains(index) else { return nil }
        let refused = members.remove(at: index)
        defer { isLast = true }
        return RefuseAction(refused: refused, goesAgain: !isLast, givenUp: isLast ? members : [])
    }
}
