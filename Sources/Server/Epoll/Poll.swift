// Unsafe pointers, because the kernel writes events into memory that is kept from wait to wait.

import CEpoll
import Glibc

/// An epoll instance: who has something to say.
///
/// What is watched goes by a tag of 64 bits, which comes back with each event.
struct Poll: ~Copyable {
    struct Interest: OptionSet {
        let rawValue: UInt32

        static let readable = Interest(rawValue: UInt32(EPOLLIN.rawValue))
        static let writable = Interest(rawValue: UInt32(EPOLLOUT.rawValue))
        /// Of several loops that wait for one listener, one is woken.
        static let exclusive = Interest(rawValue: UInt32(EPOLLEXCLUSIVE.rawValue))
        /// Errors and hang-ups, which are always told.
        static let broken = Interest(rawValue: UInt32(EPOLLERR.rawValue | EPOLLHUP.rawValue))
    }

    struct Event {
        let tag: UInt64
        let interest: Interest
    }

    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private static let eventMax = 256

    /// - Throws: where the process has no descriptor left.
    init() throws(SocketError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw SocketError(number: errno) }
        events = .allocate(capacity: Self.eventMax)
        events.initialize(repeating: epoll_event(), count: Self.eventMax)
    }

    deinit {
        events.deallocate()
        _ = Glibc.close(descriptor)
    }

    func add(_ descriptor: Int32, _ interest: Interest, tag: UInt64) {
        control(EPOLL_CTL_ADD, descriptor, interest, tag)
    }

    func change(_ descriptor: Int32, _ interest: Interest, tag: UInt64) {
        control(EPOLL_CTL_MOD, descriptor, interest, tag)
    }

    func remove(_ descriptor: Int32) { control(EPOLL_CTL_DEL, descriptor, [], 0) }

    private func control(_ operation: Int32, _ descriptor: Int32, _ interest: Interest, _ tag: UInt64) {
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = tag
        _ = epoll_ctl(self.descriptor, operation, descriptor, &event)
    }

    /// Waits for events, in milliseconds; 0 does not wait, -1 waits for ever. Returns how many there are.
    func wait(milliseconds: Int32) -> Int {
        // Interrupted by a signal: whoever waits looks at the time anyway.
        Int(max(0, epoll_wait(descriptor, events, Int32(Self.eventMax), milliseconds)))
    }

    /// One of the events that the last wait brought.
    func event(_ index: Int) -> Event {
        Event(tag: events[index].data.u64, interest: Interest(rawValue: events[index].events))
    }
}
