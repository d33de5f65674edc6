/// What was seen of a key's lease: who leads, and how often the lease was renewed.
///
/// A sight that stays the same for long enough, by the clock of the one who looks, is a dead leading pod's. (Amazon's
/// DynamoDB lock client judges by an unchanged record version in the same way.)
public struct LeaseSight: Hashable, Sendable {
    public let attempt: AttemptID
    public let heartbeat: UInt64
    /// Whose it is: where to say that somebody follows.
    public let pod: PodID

    public init(attempt: AttemptID, heartbeat: UInt64, pod: PodID) {
        self.attempt = attempt
        self.heartbeat = heartbeat
        self.pod = pod
    }
}
