/// How often each address has shown a wrong token within the second: who guesses is not heard for the rest of it.
///
/// Bounded: beyond `addressesMax` addresses within one second, those that come later share one count. O(1).
public struct FailedTokens: Sendable {
    /// `token_failures_max`: after as many within one second an address must wait for the next.
    public static let failuresMax = 5
    public static let addressesMax = 1_024

    private var second = Int64.min
    private var counts: [String: Int] = [:]
    private var othersCount = 0

    public init() {}

    /// Whether a peer of this address may show a token now.
    public func admits(_ address: String, at now: Instant) -> Bool {
        guard Self.second(of: now) == second else { return true }
        if let count = counts[address] { return count < Self.failuresMax }
        return counts.count < Self.addressesMax || othersCount < Self.failuresMax
    }

    /// A peer of this address has shown a wrong token, or none.
    public mutating func failed(_ address: String, at now: Instant) {
        turn(to: now)
        if counts[address] != nil || counts.count < Self.addressesMax {
            counts[address, default: 0] += 1
        } else {
            othersCount += 1
        }
    }

    private mutating func turn(to now: Instant) {
        let current = Self.second(of: now)
        guard current != second else { return }
        second = current
        counts.removeAll(keepingCapacity: true)
        othersCount = 0
    }

    private static func second(of now: Instant) -> Int64 { now.nanoseconds / 1_000_000_000 }
}
