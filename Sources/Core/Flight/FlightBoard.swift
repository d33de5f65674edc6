/// Which flights can be joined, and how many there may be.
///
/// Every flight is counted, also those that are on no board (`no-store`). How many a tenant may have follows the
/// dynamic threshold of Choudhury and Hahne ("Dynamic queue length thresholds for shared-memory packet switches",
/// IEEE/ACM ToN 6(2), 1998): at most `share` times what is still free. One tenant alone gets share/(share+1) of the
/// table, two that flood get equal parts, and a newcomer always finds room.
public struct FlightBoard<Flight: Sendable>: Sendable {
    /// How many flights there may be at once.
    public var flightsMax: Int
    private static var share: Int { 8 }

    private var listed: [RequestKey: (flight: Flight, number: Int)] = [:]
    private var countByTenant: [Tenant: Int] = [:]
    private var count = 0
    private var nextNumber = 0

    public init(flightsMax: Int = 4_096) {
        self.flightsMax = flightsMax
    }

    public var flightCount: Int { count }

    /// The flight for this key that a caller may join. O(1).
    public func flight(for key: RequestKey) -> Flight? {
        listed[key]?.flight
    }

    /// A flight that was let take off: hand it back in `remove`.
    public struct Ticket: Hashable, Sendable {
        /// In the order of take-off.
        public let number: Int
        let key: RequestKey?
        let tenant: Tenant
    }

    /// A new flight wants to take off. Nil when `flights_max` is reached, for all or for this tenant. O(1).
    ///
    /// - Parameter key: Nil for a flight on no board. A flight already listed under the key is no longer joined;
    ///   those who follow it stay.
    public mutating func takeOff(_ flight: Flight, key: RequestKey?, tenant: Tenant) -> Ticket? {
        let ofTenant = countByTenant[tenant, default: 0]
        guard count < flightsMax, ofTenant < max(1, Self.share * (flightsMax - count)) else { return nil }
        count += 1
        countByTenant[tenant] = ofTenant + 1
        nextNumber += 1
        if let key { listed[key] = (flight, nextNumber) }
        return Ticket(number: nextNumber, key: key, tenant: tenant)
    }

    /// Nobody may join any more, though the flight is still in the air. O(1).
    public mutating func unlist(_ ticket: Ticket) {
        // Another flight may have been listed under this key since.
        if let key = ticket.key, listed[key]?.number == ticket.number { listed[key] = nil }
    }

    /// The flight is over. O(1).
    public mutating func remove(_ ticket: Ticket) {
        unlist(ticket)
        count -= 1
        let ofTenant = countByTenant[ticket.tenant, default: 1] - 1
        countByTenant[ticket.tenant] = ofTenant > 0 ? ofTenant : nil
    }
}
