import Glibc

/// A point in time by which something must have happened.
struct Deadline {
    private let nanoseconds: UInt64

    init(within length: Duration) {
        let (seconds, attoseconds) = length.components
        nanoseconds = Self.now + UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    var hasPassed: Bool { Self.now >= nanoseconds }

    /// For `poll`: never negative, so that it never means "for ever".
    var milliseconds: Int32 {
        let now = Self.now
        return now >= nanoseconds ? 0 : Int32(clamping: (nanoseconds - now) / 1_000_000 + 1)
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension Duration {
    /// Long enough for a busy machine: what takes longer never comes.
    static let patience = Duration.seconds(30)
}

/// Whether it has come true in time. Looks every few milliseconds.
func eventually(within length: Duration = .patience, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = Deadline(within: length)
    while true {
        if try condition() { return true }
        if deadline.hasPassed { return false }
        usleep(3_000)
    }
}
