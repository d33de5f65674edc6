/// Divides a route's callers between arms, each with a share, so that two models can be compared side by side.
///
///     0 ───────────── first ───────────── 90 ─ second ─ 95 ─ third ─ 100
///                      ▲
///             SHA-256(route, id), as a part of 100
///
/// The same id gets the same arm in every process and after every restart: nothing is remembered. Arms lie side by side
/// in the order in which they are written, so moving a border moves the ids between its old place and its new one, and no
/// others.
public struct Split: Hashable, Sendable {
    /// Of what the id is made.
    public enum Identity: String, CaseIterable, Hashable, Sendable {
        /// The body's `user`.
        case user
        /// The body's `safety_identifier`.
        case safetyIdentifier = "safety_identifier"
        /// The request's `Samovar-Split-Id`.
        case header
    }

    public struct Arm: Hashable, Sendable {
        public var name: String
        /// Of 100.
        public var share: Int
        /// The model that is asked in place of the caller's; nil: that one.
        public var model: String?
        /// Who is asked in place of the route's upstreams; empty: those.
        public var upstreams: [String]

        public init(name: String, share: Int, model: String? = nil, upstreams: [String] = []) {
            self.name = name
            self.share = share
            self.model = model
            self.upstreams = upstreams
        }
    }

    public var by: Identity
    public var arms: [Arm]

    public static let shareSum = 100

    /// - Precondition: at least one arm; shares are not negative and add up to 100.
    public init(by: Identity, arms: [Arm]) {
        precondition(
            !arms.isEmpty && arms.allSatisfy { $0.share >= 0 } && arms.reduce(0) { $0 + $1.share } == Self.shareSum,
            "the shares of a split add up to 100")
        self.by = by
        self.arms = arms
    }

    /// The place of the arm for this id. Without one it is the first. O(arms), and one SHA-256.
    public func arm(of id: [UInt8], route: String) -> Int {
        guard !id.isEmpty else { return 0 }
        let digest = Digest256(of: Array("samovar split\0\(route)\0".utf8) + id)
        // The high word of a product is the part of 2^64, without a bias that would count.
        let place = Int(digest.words.0.multipliedFullWidth(by: UInt64(Self.shareSum)).high)
        var end = 0
        for (index, arm) in arms.enumerated() {
            end += arm.share
            if place < end { return index }
        }
        return arms.count - 1
    }
}

/// An arm by its names: what its figures are kept under.
public final class SplitArm: Hashable, Sendable {
    public let route: String
    public let name: String

    init(route: String, name: String) {
        self.route = route
        self.name = name
    }

    public static func == (left: SplitArm, right: SplitArm) -> Bool {
        left === right || (left.route == right.route && left.name == right.name)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(route)
        hasher.combine(name)
    }
}
