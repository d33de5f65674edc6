/// What a leading pod publishes of its attempt, and when.
///
///                 first follower                 the attempt has ended, all is handed over
///     quiet ─────────────────────▶ open ──────────────────────────────────────────────────▶ (end entry)
///                                    │  more than `publish_queue_size_max` waits, or the store took no entry
///                                    └──────────────────────────▶ closed
///
/// Most answers have no remote follower and cost nothing here. With the first one, all chunks so far go out in one go,
/// then what comes is collected for `publish_interval`. One call of the store is under way at a time, so that what is
/// published stays in order; what waits behind it is bounded, and callers here never wait for it. O(1) a chunk.
public struct Publication: Sendable {
    private enum Phase {
        case quiet
        case open
        /// Too much waits: to be told to those who follow.
        case overflown
        case closed
    }

    private let settings: LeaseSettings
    private var phase = Phase.quiet
    private var form: PublishedForm?
    /// Not handed over yet.
    private var pending: [Chunk] = []
    /// How many were handed over.
    private var handedCount = 0
    /// Bytes that came after opening and are not known to be published.
    private var waitingSize = 0
    /// How many of these are under way; nil while no call is.
    private var busySize: Int?
    private var dueAt = Instant.never

    public init(_ settings: LeaseSettings) { self.settings = settings }

    /// How many chunks there have been.
    public var count: Int { handedCount + pending.count }
    /// Whether somebody may be reading who is to be told the end.
    public var isOpen: Bool { if case .open = phase { true } else { false } }
    /// Whether a call of the store is under way.
    public var isBusy: Bool { busySize != nil }

    /// The upstream sent another chunk.
    public mutating func append(_ chunk: Chunk, _ form: PublishedForm, at now: Instant) {
        self.form = form
        switch phase {
        case .quiet: pending.append(chunk)
        case .open:
            if pending.isEmpty { dueAt = now.advanced(by: settings.publishInterval) }
            pending.append(chunk)
            waitingSize += chunk.bytes.count
            if waitingSize > settings.publishQueueSizeMax { close(telling: true) }
        // Nothing more goes out, but the count stays right.
        case .overflown, .closed: handedCount += 1
        }
    }

    /// Somebody follows. Idempotent.
    public mutating func open(at now: Instant) {
        guard case .quiet = phase else { return }
        phase = .open
        dueAt = now
    }

    /// When there will be something to hand over.
    public var next: Instant {
        switch phase {
        case .open where !isBusy && !pending.isEmpty: dueAt
        case .overflown where !isBusy: dueAt
        default: .never
        }
    }

    /// What is to be published now, if anything: then the store is called, and `published` says how that went.
    ///
    /// - Parameter isLast: the attempt has ended, so nothing is waited for.
    public mutating func take(at now: Instant, isLast: Bool = false) -> [PublishedEntry] {
        guard !isBusy else { return [] }
        switch phase {
        case .open where !pending.isEmpty && (isLast || now >= dueAt):
            busySize = waitingSize
            defer { pending = [] }
            return entries()
        case .overflown:
            busySize = 0
            phase = .closed
            return [.failed(.limited(limit: "publish_queue_size_max", retryAfter: .zero), isRetryable: true)]
        default: return []
        }
    }

    /// The store has taken what was handed over, or may not have.
    public mutating func published(_ isTaken: Bool, at now: Instant) {
        waitingSize = max(0, waitingSize - (busySize.take() ?? 0))
        // What may be missing cannot be made good: an entry sent twice is as bad as one that is not there.
        if !isTaken { close(telling: false) }
    }

    private mutating func close(telling: Bool) {
        phase = telling ? .overflown : .closed
        handedCount += pending.count
        pending = []
        waitingSize = 0
        dueAt = .zero
    }

    /// What is pending, in pieces of `publish_entry_size_max`.
    private mutating func entries() -> [PublishedEntry] {
        guard let form else { return [] }
        var entries: [PublishedEntry] = []
        var piece: [Chunk] = []
        var size = 0
        func flush(_ handedCount: inout Int) {
            entries.append(.chunks(first: handedCount, form, piece))
            handedCount += piece.count
            piece = []
            size = 0
        }
        for chunk in pending {
            if !piece.isEmpty, size + chunk.bytes.count > settings.publishEntrySizeMax { flush(&handedCount) }
            piece.append(chunk)
            size += chunk.bytes.count
        }
        if !piece.isEmpty { flush(&handedCount) }
        return entries
    }
}
