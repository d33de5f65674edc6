import SamovarCore

/// One primary, its connections, and what stands in front of it.
struct PrimaryNode: Sendable {
    let address: Endpoint.Address
    let client: RedisClient
    let gates: Gates
    /// Until when it is kept though no slot map holds it: another node has sent us there, so it may be about to get its
    /// first slot. Nil where a map holds it, or there is none.
    var guestUntil: Instant?

    static let guestLife = Duration.seconds(60)
}
