import SamovarCore

/// How a pod says that it follows.
struct Interest: Sendable {
    let pod: PodID
    let keyName: KeyName

    func call(_ names: RequestNames, _ attempt: AttemptID, ledBy leader: PodID) -> ScriptCall {
        LeaseScripts.follow.call(
            keys: [names.followers(attempt)],
            [
                pod.hexadecimal, LeaseLimits.interestLife.argument, keyName.pokes(of: leader),
                Array(attempt.hexadecimal.utf8),
            ])
    }

    /// What the script answers.
    static func count(_ replies: [RESPValue]) -> Int64? {
        guard case .integer(let count) = replies[0] else { return nil }
        return count
    }
}
