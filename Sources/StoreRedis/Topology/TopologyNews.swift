import Logging
import SamovarEngine

/// What about the way to the primaries is worth a line in the log: each trouble once, until it is over.
final class TopologyNews: Sendable {
    private let told = Lock<String?>(nil)
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    /// Nobody tells who they are.
    ///
    /// - Parameters:
    ///   - needsOperator: whether it is told though there is trouble already.
    ///   - isLost: whether no primary is known at all.
    func failed(_ reason: String, needsOperator: Bool, isLost: Bool) {
        let isNews = told.withLock { told in
            guard told == nil || (needsOperator && told != reason) else { return false }
            told = reason
            return true
        }
        guard isNews else { return }
        if isLost {
            logger.warning("redis: no primary found yet, going on without it: \(reason)")
        } else {
            logger.warning("redis: nobody says who is primary, going on with what was known: \(reason)")
        }
    }

    func found() {
        told.withLock { $0 = nil }
    }

    func changed(_ primaries: [Endpoint.Address]) {
        let names = primaries.map(\.description).joined(separator: ", ")
        logger.notice("redis: \(primaries.count == 1 ? "primary is" : "\(primaries.count) primaries are") now \(names)")
    }
}
