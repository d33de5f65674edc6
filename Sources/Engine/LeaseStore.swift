import SamovarCore

/// What the engine needs from a second cache through which pods share their calls. Redis in the daemon, a model of it
/// in the simulator.
///
/// Every call is one round trip and returns within the store's own timeout; a store that is down says `unavailable`.
/// Which call to make when is `Core/Lease`'s business: nothing here retries, but for an `acquire` or a `steal` whose
/// reply got lost, which is asked once more under the same attempt on another connection.
public protocol LeaseStore: Store {
    /// What this process is called, in leases and to the pods that follow it.
    var pod: PodID { get }

    /// Takes the lease of a key, unless somebody has it or a good answer is there.
    ///
    /// - Parameter needed: how much of its fresh life an answer must have left, to be one. Nil: no answer will do, the
    ///   lease is wanted whatever is there (`no-cache`).
    func acquire(_ key: RequestKey, for attempt: AttemptID, needed: Duration?) async -> LeaseReply
    /// Takes it from a leading pod that seems dead, if nothing has changed since `seen`.
    func steal(_ key: RequestKey, seen: LeaseSight, for attempt: AttemptID, needed: Duration?) async -> LeaseReply
    /// Says that the attempt goes on.
    func renew(_ key: RequestKey, for attempt: AttemptID) async -> RenewReply
    /// Stores the answer and gives the lease back, if it is still this attempt's.
    ///
    /// - Parameter answer: nil where it is not to be stored: then the lease is given back, and followers are told.
    func commit(_ key: RequestKey, for attempt: AttemptID, _ answer: Answer?, end: PublishedEntry?) async -> CommitReply
    /// Gives the lease back without an answer, if it is still this attempt's.
    func abort(_ key: RequestKey, for attempt: AttemptID, _ entry: PublishedEntry?) async
    /// Gives the lease back, if it is still this attempt's: nobody is to begin to follow it. The attempt goes on for
    /// those who do.
    func release(_ key: RequestKey, by attempt: AttemptID) async

    /// Appends to the attempt's stream, in the order of the calls. False: it may not have been, and nothing more may be.
    func publish(_ key: RequestKey, _ attempt: AttemptID, _ entries: [PublishedEntry]) async -> Bool
    /// Runs `interested` at most once, when the first other pod wants to follow this attempt. Returns at once.
    func announce(_ attempt: AttemptID, interested: @escaping @Sendable () -> Void)
    /// The attempt is over: nobody is expected any more.
    func withdraw(_ attempt: AttemptID)

    /// Tells the leading pod that this one follows, and reads what it publishes, in order, until `unfollow`.
    ///
    /// `receive` is called from one place at a time. All that a process follows is read over one connection.
    func follow(
        _ key: RequestKey, _ sight: LeaseSight, receive: @escaping @Sendable (FollowNews) -> Void
    ) -> Following
    /// Says once more that this pod follows; interest that is not repeated ends by itself.
    func keepFollowing(_ following: Following) async
    func unfollow(_ following: Following)

    /// Stores an answer that was made without a lease, unless the key was invalidated not long ago: nothing else would
    /// tell whether it was begun before that.
    func setUnmarked(_ key: RequestKey, _ answer: Answer) async

    /// Makes the answer under the key unusable, and whatever is under way for it.
    func purge(_ key: RequestKey) async -> Bool
}

/// A stream that is being followed.
public struct Following: Hashable, Sendable {
    public let number: UInt64

    public init(number: UInt64) {
        self.number = number
    }
}
