/// What the dispatcher shows of itself.
extension Dispatcher {
    /// One upstream, as it stands.
    public struct Status: Hashable, Sendable {
        public let upstream: String
        /// Flights that wait, by class.
        public let waiting: [RequestClass: Int]
        /// Attempts under way.
        public let permitCount: Int
        public let concurrencyLimit: Int
        /// Nil: not limited.
        public let requestsPerSecond: Double?
        public let breaker: Breaker.State
        public let isEjected: Bool
        /// How much of its limits is this process's; nil: they are not shared.
        public let fleetPart: Double?
    }

    /// In the order of the configuration. O(upstreams).
    public func status(at now: Instant) -> [Status] {
        gates.map { gate in
            let counts = RequestClass.allCases.map { ($0, gate.queue.count(of: $0)) }
            return Status(
                upstream: gate.limits.name, waiting: Dictionary(uniqueKeysWithValues: counts),
                permitCount: gate.permitCount, concurrencyLimit: gate.concurrencyLimit,
                requestsPerSecond: gate.pace.requestsPerSecond(at: now), breaker: gate.breaker.state(at: now),
                isEjected: ejection.isEjected(gate.limits.name, at: now), fleetPart: gate.fleet.part)
        }
    }
}
