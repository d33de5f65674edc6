// The only place that touches a lock primitive. Unsafe pointers are here because a pthread mutex must not move;
// that version is for ThreadSanitizer, which cannot see `Synchronization.Mutex` hand over a contended lock in the
// kernel and reports races that are none. Build with `-Xswiftc -DTSAN` for it.

import Synchronization

#if TSAN
    import Glibc

    /// Guards a state: one at a time. Never held across a suspension, a callback or a log line.
    public struct Lock<State: ~Copyable>: ~Copyable, @unchecked Sendable {
        @usableFromInline let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        @usableFromInline let state = UnsafeMutablePointer<State>.allocate(capacity: 1)

        @inlinable
        public init(_ initial: consuming sending State) {
            pthread_mutex_init(mutex, nil)
            state.initialize(to: initial)
        }

        @inlinable
        deinit {
            state.deinitialize(count: 1)
            state.deallocate()
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
        }

        @inlinable
        public borrowing func withLock<Result: ~Copyable, Failure: Error>(
            _ body: (inout sending State) throws(Failure) -> sending Result
        ) throws(Failure) -> sending Result {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return try body(&state.pointee)
        }
    }
#else
    /// Guards a state: one at a time. Never held across a suspension, a callback or a log line.
    public struct Lock<State: ~Copyable>: ~Copyable, Sendable {
        // Seen by other modules' optimisers: without it each of their locks is a call of an unspecialised function.
        @usableFromInline let mutex: Mutex<State>

        @inlinable
        public init(_ initial: consuming sending State) {
            mutex = Mutex(initial)
        }

        @inlinable
        public borrowing func withLock<Result: ~Copyable, Failure: Error>(
            _ body: (inout sending State) throws(Failure) -> sending Result
        ) throws(Failure) -> sending Result {
            try mutex.withLock(body)
        }
    }
#endif
