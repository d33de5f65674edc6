/// How long things take where pods share their calls. Names are those of the config keys under `lease`.
///
/// What follows from the lease's length is computed from it, so that no two of them can contradict each other.
public struct LeaseSettings: Hashable, Sendable {
    /// How long a leading pod may be silent before it is in danger of being taken for dead.
    public var duration: Duration
    /// How much time the shared cache has, from the first question on, before a flight goes without it.
    public var stageTimeout: Duration
    /// For how long chunks are collected into one entry.
    public var publishInterval: Duration
    /// How many bytes of chunks may wait to be published, beyond what was there when the first pod followed.
    public var publishQueueSizeMax: Int
    /// How many bytes of chunks one entry holds, unless a single chunk is larger.
    public var publishEntrySizeMax: Int
    /// How often a flight that has followed in vain asks for the lease again.
    public var reacquiresMax: Int
    /// How many attempts in a row a flight lives to see fail, over the whole fleet, before the failure is the answer.
    public var attemptsMax: Int
    /// The same where it is the upstream that is in trouble: a second pod's try is enough.
    public var troubledAttemptsMax: Int
    /// How long after a lease has gone the end of its stream may still arrive.
    public var endWait: Duration
    /// How long a flight that came too late for a stream's beginning waits for its end.
    public var lateEndWait: Duration
    /// How often a pod says that it still follows.
    public var interestInterval: Duration
    /// When a caller may try again whose request has outlived too many pods.
    public var poisonedRetryAfter: Duration

    public init(
        duration: Duration = .seconds(3), stageTimeout: Duration = .milliseconds(50),
        publishInterval: Duration = .milliseconds(20), publishQueueSizeMax: Int = 256 << 10,
        publishEntrySizeMax: Int = 64 << 10, reacquiresMax: Int = 3, attemptsMax: Int = 3,
        troubledAttemptsMax: Int = 2, endWait: Duration = .milliseconds(100), lateEndWait: Duration = .seconds(2),
        interestInterval: Duration = .seconds(5), poisonedRetryAfter: Duration = .seconds(60)
    ) {
        self.duration = duration
        self.stageTimeout = stageTimeout
        self.publishInterval = publishInterval
        self.publishQueueSizeMax = publishQueueSizeMax
        self.publishEntrySizeMax = publishEntrySizeMax
        self.reacquiresMax = reacquiresMax
        self.attemptsMax = attemptsMax
        self.troubledAttemptsMax = troubledAttemptsMax
        self.endWait = endWait
        self.lateEndWait = lateEndWait
        self.interestInterval = interestInterval
        self.poisonedRetryAfter = poisonedRetryAfter
    }

    /// How often a leading pod says that it goes on: twice in vain, and the third time is still in time.
    public var renewInterval: Duration { duration / 3 }
    /// How old the question for a lease may be when the upstream is called on its strength.
    public var callWithin: Duration { duration * 4 / 5 }
    /// How long a lease is seen unchanged, by the looker's own clock, before its pod is taken for dead.
    public var deadAfter: Duration { duration * 3 / 2 }
}
