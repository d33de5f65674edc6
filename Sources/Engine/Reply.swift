import SamovarCore

/// What a caller gets: a stored answer, a whole one, a live one, or the reason why not.
public enum Reply: Sendable {
    case stored(StoredAnswer, Provenance)
    case whole(WholeAnswer, Provenance)
    case live(LiveAnswer, Provenance)
    /// The route's own words, in place of an answer.
    case fixed(String, Provenance)
    /// A follower shares the leader's failure: what it is told to wait is spread, so that not all come back at once.
    case failed(Failure, isFollower: Bool)
}

/// An answer that has just become whole.
public struct WholeAnswer: Sendable {
    public let form: Form
    public let usageAsked: Bool
    public let chunks: [Chunk]
    /// The model that was asked.
    public let model: String
}

/// A stream that is still coming: the log so far, then each chunk as it comes.
///
/// For one reader; leaving `Pipeline.serve`'s closure is leaving the flight.
public struct LiveAnswer: Sendable, AsyncSequence, AsyncIteratorProtocol {
    /// Whether usage was asked for on behalf of those who did not.
    public let usageAsked: Bool
    let flight: SharedFlight
    let follower: Flight<SharedFlight.Waiter>.Follower
    private var index = 0

    init(usageAsked: Bool, flight: SharedFlight, follower: Flight<SharedFlight.Waiter>.Follower) {
        self.usageAsked = usageAsked
        self.flight = flight
        self.follower = follower
    }

    /// The model that was asked.
    public var model: String { flight.request.model }

    public func makeAsyncIterator() -> LiveAnswer { self }

    /// The next chunk; nil at the clean end, and when this task is cancelled.
    public mutating func next() async throws(Failure) -> Chunk? {
        switch await flight.next(at: index, for: follower) {
        case .deliver(let chunk):
            index += 1
            return chunk
        case .end(.complete), .wait: return nil
        case .end(.failed(let failure)): throw failure
        }
    }
}
