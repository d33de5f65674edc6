/// How many calls each lane may have under way, of all that there may be; and where one goes that has no room left.
///
/// A call whose connection belongs to its own lane wakes nobody but its upstream. It leaves its lane only when the
/// lane's share is used up. Sums of shares never exceed the whole; lanes without a share lend from the others.
public struct LaneShares: Sendable {
    /// How many calls each lane may have under way. Lanes beyond these have no share.
    public let shares: [Int]
    private var callCounts: [Int]

    /// - Parameters:
    ///   - callsMax: of all lanes together, `connections_max`.
    ///   - laneCount: between how many they are shared.
    /// - Precondition: both positive.
    public init(callsMax: Int, laneCount: Int) {
        precondition(callsMax > 0 && laneCount > 0, "there is nothing to share")
        let sharerCount = min(callsMax, laneCount)
        shares = (0..<sharerCount).map { lane in
            callsMax / sharerCount + (lane < callsMax % sharerCount ? 1 : 0)
        }
        callCounts = Array(repeating: 0, count: sharerCount)
    }

    /// A call begins; returns the lane that makes it. To be given back when it has ended. O(1) where its own lane has
    /// room, O(lanes) otherwise.
    ///
    /// - Parameter lane: its own. Nil where it has none.
    public mutating func take(from lane: Int?) -> Int {
        let chosen = if let lane, lane < shares.count, room(lane) > 0 { lane } else { roomiest }
        callCounts[chosen] += 1
        return chosen
    }

    /// The call has ended.
    public mutating func giveBack(_ lane: Int) {
        precondition(callCounts[lane] > 0, "a call ends once")
        callCounts[lane] -= 1
    }

    /// Below zero where calls wait.
    private func room(_ lane: Int) -> Int { shares[lane] - callCounts[lane] }

    private var roomiest: Int {
        shares.indices.reduce(0) { room($1) > room($0) ? $1 : $0 }
    }
}
