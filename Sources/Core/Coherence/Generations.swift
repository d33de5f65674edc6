/// Under which generation of each of its scopes an answer was made.
///
/// A generation is a number that only grows: the time of an invalidation, in milliseconds since 1970, or 0 before the
/// first. An answer is good for those who know of no later generation of any of its scopes.
public struct Generations: Hashable, Sendable {
    public struct Mark: Hashable, Sendable {
        /// `Scope.id`; of no meaning where there is no mark.
        public let scope: UInt64
        public let number: UInt64

        public init(scope: UInt64, number: UInt64) {
            self.scope = scope
            self.number = number
        }
    }

    /// Tenant, namespace, model.
    public static let markCountMax = 3
    /// In place, as every answer has some: the first `count` are meant.
    private var first = Mark(scope: 0, number: 0)
    private var second = Mark(scope: 0, number: 0)
    private var third = Mark(scope: 0, number: 0)
    public private(set) var count = 0

    /// Of no scope: good for everybody.
    public init() {}

    /// - Precondition: at most `markCountMax`.
    public init(_ marks: [Mark]) {
        precondition(marks.count <= Self.markCountMax, "an answer has at most three scopes")
        for mark in marks {
            switch count {
            case 0: first = mark
            case 1: second = mark
            default: third = mark
            }
            count += 1
        }
    }

    public var marks: [Mark] { Array([first, second, third].prefix(count)) }

    /// Whether it was made before this generation of this scope. False for scopes that are not its own. O(1).
    public func isBefore(_ number: UInt64, of scope: UInt64) -> Bool {
        (count > 0 && first.scope == scope && first.number < number)
            || (count > 1 && second.scope == scope && second.number < number)
            || (count > 2 && third.scope == scope && third.number < number)
    }
}
