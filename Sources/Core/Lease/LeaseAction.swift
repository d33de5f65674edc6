extension LeaseMachine {
    /// What the driver is to do, one after the other, in the order in which they are given.
    ///
    /// Each says what it is answered with. What is answered with nothing needs no waiting for.
    public enum Action: Sendable {
        /// Ask for the lease; then `replied`.
        case acquire(needed: Duration?)
        /// Take it from a pod that seems dead; then `replied`.
        case steal(LeaseSight, needed: Duration?)
        /// Say that the attempt goes on; then `renewed`. Other actions do not wait for it.
        case renew
        /// Append to the attempt's stream; then `published`.
        case publish([PublishedEntry])
        /// Give the lease back, with the answer where it is to be stored; then `committed`.
        case commit(stores: Bool, end: PublishedEntry?)
        /// Give the lease back without an answer.
        case abort(PublishedEntry?)
        /// Give the lease back while the call goes on: nobody is to begin to follow it; those who do read on.
        case release
        /// Put the answer into the shared cache though no lease was had for it; then `wasSet`.
        case set
        /// Listen for pods that want to follow: `interested`.
        case announce
        /// Listen no more, for this attempt.
        case withdraw(AttemptID)

        /// Read what another pod publishes: `heard`, until `unfollow`.
        case follow(LeaseSight)
        /// Say once more that this pod follows.
        case keepFollowing
        case unfollow

        /// Make ready to call the upstream; right before the call, `calls`.
        case call(Standing)
        /// Nobody wants it any more; then `ended`, as for every other end of a call.
        case cancelUpstream

        /// Something stored that came along, and is not the answer: good for the memory cache, and to stand in.
        case keep(StoredAnswer)
        /// Land the flight with a stored answer.
        case hit(StoredAnswer)
        /// The answer that another pod makes has this form.
        case begin(PublishedForm)
        /// Append to the flight's log.
        case deliver([Chunk])
        /// Land the flight: all of the answer was delivered.
        case complete(usage: Usage?, isStored: Bool)
        /// Land the flight with this.
        case fail(Failure)
    }

    /// On what strength the upstream is called.
    public enum Standing: Hashable, Sendable {
        /// With the lease: no other pod calls for the same answer.
        case leads
        /// Without it: another pod may call too.
        case alone(LoneReason)
    }

    /// Why a flight calls though it has no lease. The raw values are the metric's label.
    public enum LoneReason: String, CaseIterable, Hashable, Sendable {
        /// Redis did not answer.
        case unavailable
        /// What another pod published cannot be read here.
        case unreadable
        /// Its beginning was gone, and its end was not near.
        case trimmed
        /// The caller wants nothing that began before it asked.
        case newer
        /// What was stored or made elsewhere did not do, as often as it was asked for.
        case exhausted
        /// The key was invalidated before the call: what the flight brings is for those who joined before.
        case invalidated
    }
}
