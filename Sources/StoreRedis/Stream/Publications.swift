import SamovarCore
import SamovarEngine

/// What this process publishes: for each attempt its place in Redis, and how far it is.
///
/// All entries of one attempt go over one connection, as the order in which two connections are served is anybody's.
/// Bounded by the attempts under way: each is committed, aborted or withdrawn.
final class Publications: Sendable {
    private struct Publication {
        /// Nil: it was broken before it began.
        var place: RedisClient.Place?
        var nextIndex: UInt32 = 0
        /// An entry may be missing: nothing more may follow it.
        var isBroken = false
    }

    private let state = Lock<[AttemptID: Publication]>([:])

    /// Where the next entries go, and the index of the first of them.
    struct Turn: Sendable {
        let place: RedisClient.Place
        let index: UInt32
    }

    /// The next `count` entries are about to be sent; nil where they may not be.
    ///
    /// - Parameter place: where an attempt's first ones go; nil where nothing is live.
    func begin(_ attempt: AttemptID, count: Int, at place: @autoclosure () -> RedisClient.Place?) -> Turn? {
        state.withLock { publications in
            var publication = publications[attempt] ?? Publication(place: place())
            guard !publication.isBroken, let place = publication.place else { return nil }
            let turn = Turn(place: place, index: publication.nextIndex)
            publication.nextIndex += UInt32(count)
            publications[attempt] = publication
            return turn
        }
    }

    func broke(_ attempt: AttemptID) {
        state.withLock { $0[attempt, default: Publication()].isBroken = true }
    }

    /// The attempt is over.
    func forget(_ attempt: AttemptID) {
        state.withLock { _ = $0.removeValue(forKey: attempt) }
    }

    /// The entry that ends an attempt is about to be sent: where, and its index. Nil: it does not matter where.
    func end(_ attempt: AttemptID) -> (place: RedisClient.Place?, index: UInt32) {
        state.withLock { publications in
            defer { publications[attempt]?.nextIndex += 1 }
            return (publications[attempt]?.place, publications[attempt]?.nextIndex ?? 0)
        }
    }
}
