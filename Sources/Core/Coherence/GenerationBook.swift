/// What this process knows of generations: of the scopes that it has asked for, the highest number it has learned.
///
/// Never goes back: a server that has forgotten, or a failover that has lost the last write, does not make an old answer
/// good again; the process that knows better says so (`LearnAction.raisesTo`). Bounded: one scope too many makes it
/// forget all, after which nothing may be believed that was checked against it.
public struct GenerationBook: Sendable {
    /// More scopes than a process has in use at once.
    public static let scopeCountMax = 16_384

    private var numbers: [UInt64: (scope: Scope, number: UInt64?)] = [:]
    private let scopeCountMax: Int

    public init(scopeCountMax: Int = GenerationBook.scopeCountMax) {
        self.scopeCountMax = scopeCountMax
    }

    public var count: Int { numbers.count }
    /// All that are in use, known or asked for. O(count).
    public var scopes: [Scope] { numbers.values.map(\.scope) }

    public enum NoteAction: Hashable, Sendable {
        /// All are known: what a flight that begins now is made under.
        case known(Generations)
        /// Ask for these. `hasForgotten`: what was known is not any more.
        case ask([Scope], hasForgotten: Bool)
    }

    /// A flight begins, whose answer will belong to these scopes. O(scopes).
    ///
    /// A scope counts as asked for from here on, so that what is heard of it while the question is under way is not
    /// taken for a stranger's.
    public mutating func note(_ scopes: [Scope]) -> NoteAction {
        let missing = scopes.filter { numbers[$0.id]?.number == nil }
        guard !missing.isEmpty else { return .known(generations(of: scopes)) }
        let new = missing.filter { numbers[$0.id] == nil }
        let hasForgotten = numbers.count + new.count > scopeCountMax
        if hasForgotten { numbers.removeAll(keepingCapacity: true) }
        let asked = hasForgotten ? scopes : missing
        for scope in asked where numbers[scope.id] == nil { numbers[scope.id] = (scope, nil) }
        return .ask(asked, hasForgotten: hasForgotten)
    }

    /// What is known of these; 0 where nothing is. O(scopes).
    public func generations(of scopes: [Scope]) -> Generations {
        Generations(scopes.map { Generations.Mark(scope: $0.id, number: numbers[$0.id]?.number ?? 0) })
    }

    public struct LearnAction: Hashable, Sendable {
        /// What is older of this scope is not to be used any more. Nil: nothing new.
        public let invalidatesBefore: UInt64?
        /// The one who told it knows less: tell him this number.
        public let raisesTo: UInt64?
    }

    /// Somebody says what a scope's generation is; 0: he knows of none. O(1).
    public mutating func learned(_ scope: Scope, _ number: UInt64) -> LearnAction {
        let known = numbers[scope.id]?.number
        if known == nil, numbers[scope.id] == nil, numbers.count >= scopeCountMax {
            // No room for a stranger: those who ask for it later learn it then.
            return LearnAction(invalidatesBefore: number > 0 ? number : nil, raisesTo: nil)
        }
        numbers[scope.id] = (scope, max(known ?? 0, number))
        if let known, number < known { return LearnAction(invalidatesBefore: nil, raisesTo: known) }
        return LearnAction(invalidatesBefore: number > (known ?? 0) ? number : nil, raisesTo: nil)
    }

    /// Whether nothing is known against an answer that was made under these. O(1).
    public func allows(_ generations: Generations) -> Bool {
        generations.marks.allSatisfy { $0.number >= (numbers[$0.scope]?.number ?? 0) }
    }
}
