import Glibc

/// Which of the rows of a `Tally` is this thread's own.
///
/// A thread takes a lane when it first counts, and gives it back when it ends. Lanes are few; threads that find none
/// share lane 0. A look costs about a nanosecond.
@usableFromInline
enum Lane {
    /// Of the threads that find no lane of their own left.
    @usableFromInline static var shared: Int { @inlinable get { 0 } }

    /// Lane 0, and two for each processor: one for an event loop's thread, one for a pool's.
    @usableFromInline static let count = 1 + max(2, 2 * sysconf(Int32(_SC_NPROCESSORS_ONLN)))

    @usableFromInline static var current: Int {
        @inlinable
        @inline(__always)
        get {
            // A thread's value is its lane + 1; 0 is a thread that has not asked yet.
            let known = Int(bitPattern: pthread_getspecific(key))
            return known == 0 ? take() : known - 1
        }
    }

    private static let free = Lock(Array((1..<count).reversed()))

    @usableFromInline static let key: pthread_key_t = {
        var key = pthread_key_t()
        let failure = pthread_key_create(&key) { value in
            let lane = Int(bitPattern: value) - 1
            // Whoever takes it next sees, by way of this lock, all that was counted.
            if lane != Lane.shared { Lane.free.withLock { $0.append(lane) } }
        }
        precondition(failure == 0, "the process has run out of thread-specific keys")
        return key
    }()

    @usableFromInline
    @inline(never)
    static func take() -> Int {
        let lane = free.withLock { $0.popLast() } ?? shared
        pthread_setspecific(key, UnsafeRawPointer(bitPattern: lane + 1))
        return lane
    }
}
