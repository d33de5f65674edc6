import Synchronization

/// What a loop is to do: what to ask, when, and until when.
struct LoadWork: Sendable {
    var draw: RequestDraw
    /// An open loop's arrivals; nil: a closed loop, in which the next is sent when the last has been answered.
    var arrivals: ArrivalQueue?
    let startsAt: UInt64
    /// Nothing is sent for the first time from then on, but what was due before.
    let endsAt: UInt64
    /// What is counted.
    let window: Range<UInt64>
    let secondsMax: Int
    /// Gives up after so many failures in a row; nil: never.
    var failuresInARowMax: Int?
}

/// What all loops of a run look at: whether to stop; and what they tell of themselves while they run.
final class LoadFlags: Sendable {
    private let stop = Atomic(false)
    private let verifiedCount = Atomic(0)
    private let failedCount = Atomic(0)

    /// Ends the run as soon as the loops look, 100 ms at most.
    func stopNow() { stop.store(true, ordering: .relaxed) }
    var isStopped: Bool { stop.load(ordering: .relaxed) }

    /// For whoever watches: since the process began, warm-up included.
    var verified: Int { verifiedCount.load(ordering: .relaxed) }
    var failed: Int { failedCount.load(ordering: .relaxed) }

    func add(verified: Int, failed: Int) {
        if verified > 0 { verifiedCount.add(verified, ordering: .relaxed) }
        if failed > 0 { failedCount.add(failed, ordering: .relaxed) }
    }
}
