/// How urgent a request is. An urgent one goes before all that are less so, however long those have waited.
///
/// The raw values are the words of configuration, header and metric.
public enum RequestClass: String, CaseIterable, Hashable, Comparable, Sendable {
    /// Somebody waits for it.
    case interactive
    /// A program waits for it, and can wait longer.
    case batch
    /// Nobody waits for it: it fills the cache for those who may come.
    case prewarm

    /// 0 is the most urgent.
    var rank: Int {
        switch self {
        case .interactive: 0
        case .batch: 1
        case .prewarm: 2
        }
    }

    /// More urgent is less, as it goes first.
    public static func < (left: RequestClass, right: RequestClass) -> Bool { left.rank < right.rank }

    /// What a caller may make of it: less urgent than its route's, never more.
    public func lowered(to asked: RequestClass?) -> RequestClass { asked.map { max(self, $0) } ?? self }
}
