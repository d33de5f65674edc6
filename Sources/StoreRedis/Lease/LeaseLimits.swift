import SamovarCore

/// How long and how much, in Redis. All the same in every process of a fleet.
enum LeaseLimits {
    /// How long a lease that nobody renews stays there: garbage collection only. Whether its pod is dead is judged by
    /// the clocks of those who wait.
    static let leaseLife = Duration.seconds(10)
    /// How long it is known that a key was invalidated: longer than any call that was under way then.
    static let markLife = Duration.seconds(900)
    /// How long a stream stays after its last entry.
    static let streamLife = Duration.seconds(60)
    /// How many entries a stream keeps, roughly.
    static let streamEntryMax = 4_096
    /// How long a pod counts as a follower that does not repeat that it is one.
    static let interestLife = Duration.seconds(15)
}
