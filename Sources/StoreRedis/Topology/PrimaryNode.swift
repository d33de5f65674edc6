import SamovarCore

/// One primary, its connections, and what stands in front of it.
struct PrimaryNode: Sendable {
    let address: Endpoint.Address
    let client: RedisClient
    let gates: Gates
    /// For what reads much at once, so that nobody waits behind it. Nil as long as nothing does.
    var reader: RedisClient?
    /// Until when it is kept though no slot map holds it: another node has sent us there, so it may be about to get its
    /// first slot. Nil where a map holds it, or there is none.
    var guestUntil: Instant?

    static let guestLife = Duration.seconds(60)

    /// What a connection is used for.
    enum Use: Hashable, Sendable {
        case commands
        case reading
    }

    func client(for use: Use) -> RedisClient? { use == .commands ? client : reader }

    var clients: [RedisClient] { [client] + (reader.map { [$0] } ?? []) }
}
