/// In what order upstreams are used: the next tier only when every one of the tier before is saturated or out.
///
/// The raw values are the words of the config key `tier`.
public enum Tier: String, CaseIterable, Comparable, Hashable, Sendable {
    case local
    case regional
    case burst

    public var order: Int {
        switch self {
        case .local: 0
        case .regional: 1
        case .burst: 2
        }
    }

    public static func < (left: Tier, right: Tier) -> Bool { left.order < right.order }
}
