import SamovarCore

/// For which keys no refresh is begun for a while: the last one came to nothing.
///
/// Without it an answer that is served although it has expired would be asked for again by each of its hits, one after
/// the other, for as long as its upstream is down. Bounded in keys; one that is forgotten costs a call.
final class Refreshes: Sendable {
    /// `refresh_retry_after`.
    static let retryAfter = Duration.seconds(1)
    private static let countMax = 10_000

    private let until = Lock(BoundedCache<RequestKey, Instant, LRUPolicy>(weightMax: countMax))

    func mayBegin(_ key: RequestKey, at now: Instant) -> Bool {
        until.withLock { $0.peek(key).map { now >= $0 } ?? true }
    }

    func failed(_ key: RequestKey, at now: Instant) {
        until.withLock { _ = $0.set(key, now.advanced(by: Self.retryAfter), weight: 1) }
    }
}
