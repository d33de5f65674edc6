import Glibc

/// The clocks of a load, in nanoseconds. Read a few times for each request: nothing but the system's call.
enum LoadClock {
    @inline(__always)
    static var now: UInt64 { read(CLOCK_MONOTONIC) }

    /// Processor time of all threads of this process.
    static var ownProcessorTime: UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    @inline(__always)
    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
