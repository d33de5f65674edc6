/// One connection of a load: what is in flight on it, and what has not been sent or read to its end.
///
///     closed ──▶ dialing ──▶ greeting ──▶ open ──▶ leaving
///       ▲            │           │          │         │
///       └────────────┴───────────┴──────────┴─────────┘
final class LoadConnection<Reader: ReplyReader> {
    enum Phase: Equatable {
        /// Not to be dialed before.
        case closed(until: UInt64)
        case dialing(since: UInt64)
        /// Connected; the server has yet to say that it takes requests.
        case greeting(since: UInt64)
        case open
        /// No new requests.
        case leaving
    }

    /// A place for one request in flight.
    struct Slot {
        var isBusy = false
        var plannedAt: UInt64 = 0
        var sentAt: UInt64 = 0
        var id: UInt64 = 0
        var request = RequestDraw.Drawn(key: 0, isStream: false)
    }

    /// Its place among the loop's connections.
    let index: Int
    var phase = Phase.closed(until: 0)
    var descriptor: Int32 = -1
    /// Counts the sockets that this was, so that a late event of one is not taken for the next one's.
    var generation: UInt32 = 0
    var reader: Reader
    var slots: [Slot]
    /// Slots that are not busy.
    var free: [Int]
    /// Received and not yet read: the beginning of something.
    var carry: [UInt8] = []
    /// To be sent, of which so much has been.
    var output: [UInt8] = []
    var sentCount = 0
    var wantsWrite = false
    /// Replies that have come since it was dialed.
    var repliedCount = 0

    init(_ index: Int, _ reader: Reader, slotCount: Int) {
        self.index = index
        self.reader = reader
        slots = [Slot](repeating: Slot(), count: slotCount)
        free = Array((0..<slotCount).reversed())
    }

    var canTake: Bool { phase == .open && !free.isEmpty }
    /// What the events of this socket are told with.
    var token: UInt64 { UInt64(index) | UInt64(generation) << 32 }
    var inFlight: Int { slots.count - free.count }

    /// Ready to be dialed again.
    func reset(_ reader: Reader, until instant: UInt64) {
        phase = .closed(until: instant)
        descriptor = -1
        generation &+= 1
        self.reader = reader
        for slot in slots.indices { slots[slot].isBusy = false }
        free = Array(slots.indices.reversed())
        carry.removeAll(keepingCapacity: true)
        output.removeAll(keepingCapacity: true)
        sentCount = 0
        wantsWrite = false
        repliedCount = 0
    }
}
