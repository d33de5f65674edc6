// Unsafe pointers, because the kernel writes its events into memory.

import CEpoll
import Glibc

/// Waits for many sockets at once, to the nanosecond where the kernel can.
struct LoadPoll: ~Copyable {
    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private static let eventMax: Int32 = 256

    init() throws(CommandFailure) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw CommandFailure("epoll: \(SystemError(number: errno))") }
        events = .allocate(capacity: Int(Self.eventMax))
    }

    deinit {
        _ = close(descriptor)
        events.deallocate()
    }

    /// - Parameter token: what the events of this socket are told with.
    func add(_ socket: Int32, token: UInt64, wantsWrite: Bool) {
        var event = Self.event(token, wantsWrite)
        _ = epoll_ctl(descriptor, EPOLL_CTL_ADD, socket, &event)
    }

    func change(_ socket: Int32, token: UInt64, wantsWrite: Bool) {
        var event = Self.event(token, wantsWrite)
        _ = epoll_ctl(descriptor, EPOLL_CTL_MOD, socket, &event)
    }

    private static func event(_ token: UInt64, _ wantsWrite: Bool) -> epoll_event {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | (wantsWrite ? EPOLLOUT.rawValue : 0)
        event.data.u64 = token
        return event
    }

    /// Returns how many sockets are ready, after so many nanoseconds at the latest.
    func wait(nanoseconds: UInt64) -> Int {
        var length = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        let count = epoll_pwait2(descriptor, events, Self.eventMax, &length, nil)
        if count < 0, errno == ENOSYS {
            // Before Linux 5.11: whole milliseconds, rounded down, and the rest is spent awake.
            return Int(max(0, epoll_wait(descriptor, events, Self.eventMax, Int32(nanoseconds / 1_000_000))))
        }
        return Int(max(0, count))
    }

    /// - Parameter index: below what `wait` returned.
    func ready(_ index: Int) -> (token: UInt64, canWrite: Bool) {
        (events[index].data.u64, events[index].events & EPOLLOUT.rawValue != 0)
    }
}
