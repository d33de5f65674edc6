import NIOCore

/// What has happened to one request and has not been read yet. One reader; the last event is read for ever.
///
/// Of a stream it holds a window at most: more is sent only for what was read.
struct Mailbox<Waiter> {
    private var events = CircularBuffer<ReplyEvent>()
    private var end: ReplyEvent?
    private var waiter: Waiter?

    var hasEnded: Bool { end != nil }

    /// The next event for a reader, who otherwise waits for `take`.
    mutating func next(_ waiter: Waiter) -> ReplyEvent? {
        precondition(self.waiter == nil, "one task reads a stream")
        if let event = events.popFirst() ?? end { return event }
        self.waiter = waiter
        return nil
    }

    /// An event happened. Returns who has waited for it. Nothing happens after an end.
    ///
    /// What a reader gave up or was too late for is not read any more.
    mutating func take(_ event: ReplyEvent) -> Waiter? {
        guard end == nil else { return nil }
        if event.isEnd { end = event }
        if case .failed(let failure) = event, failure.code == .cancelled || failure.code == .deadline { events = [] }
        defer { waiter = nil }
        guard let waiter else {
            if !event.isEnd { events.append(event) }
            return nil
        }
        return waiter
    }
}
