import SamovarCore

/// What the engine needs to hear of other pods before the same upstreams. Redis in the daemon, a dictionary in tests.
///
/// Every call is one round trip and returns within the store's own timeout.
public protocol FleetStore: Sendable {
    /// What this process is called there.
    var pod: PodID { get }
    /// Leaves this pod's word for `life`, and reads those of all others that live, in one step: of two pods that do so,
    /// the later one hears the earlier one.
    func exchange(_ word: FleetWord, life: Duration) async -> FleetReply
    /// This pod wants nothing more.
    func withdrawWord() async
}

public enum FleetReply: Hashable, Sendable {
    case heard([PodID: FleetWord])
    /// The word was not taken: there are so many pods already.
    case full(podCount: Int)
    /// Nobody answers, or it is not known whether the word was taken.
    case unavailable
}
