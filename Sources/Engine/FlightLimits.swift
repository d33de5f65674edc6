import SamovarCore

/// The bounds of a flight, as configured.
public struct FlightLimits: Hashable, Sendable {
    public var followersMax: Int
    public var answer: AnswerLimits
    public var followerLagMax: Int

    public init(
        followersMax: Int = 10_000, answer: AnswerLimits = AnswerLimits(), followerLagMax: Int = 256 << 10
    ) {
        self.followersMax = followersMax
        self.answer = answer
        self.followerLagMax = followerLagMax
    }

    var limits: Flight<SharedFlight.Waiter>.Limits {
        let sizeMax = max(answer.answerSizeMax, answer.streamSizeMax)
        return .init(followersMax: followersMax, answerSizeMax: sizeMax, followerLagMax: followerLagMax)
    }
}
