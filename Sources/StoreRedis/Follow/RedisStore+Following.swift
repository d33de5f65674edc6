import SamovarCore
import SamovarEngine

/// Following what another pod's attempt gets.
extension RedisStore {
    public func follow(
        _ key: RequestKey, _ sight: LeaseSight, receive: @escaping @Sendable (FollowNews) -> Void
    ) -> Following {
        reader.follow(key, sight, receive: receive)
    }

    public func keepFollowing(_ following: Following) async {
        guard let (call, name) = reader.call(for: following) else { return }
        let deadline = clock.now.advanced(by: settings.timeout)
        let _: (Int64, RedisClient.Exchange)? = await primaries.gates(at: name).pass {
            await primaries.run(call, at: name, deadline: deadline)
        } read: { replies in
            Interest.count(replies)
        }
    }

    public func unfollow(_ following: Following) {
        reader.unfollow(following)
    }

    // MARK: The other side

    public func announce(_ attempt: AttemptID, interested: @escaping @Sendable () -> Void) {
        startListening()
        pokes.expect(attempt, interested)
    }

    public func withdraw(_ attempt: AttemptID) {
        pokes.forget(attempt)
        publications.forget(attempt)
    }

    /// The first lease opens the connections that leases need.
    func startListening() {
        reader.start()
        news.start()
    }
}
