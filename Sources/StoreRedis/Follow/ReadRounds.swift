import SamovarCore
import SamovarEngine

/// When which of the followed streams is read: rounds, as far apart as what comes makes worth while.
///
///     round ── every stream (at most `streamMax` of them) ──▶ round ── … ──▶ nothing is followed: silence
///             two entries or more: half the wait · one: the same · none: half as much again
///
/// So the rounds take on the pace at which the leading pods publish, between `waitMin` and `waitMax`.
struct ReadRounds: Sendable {
    static let waitMin = Duration.milliseconds(5)
    static let waitStart = Duration.milliseconds(20)
    static let waitMax = Duration.milliseconds(50)
    /// How many streams are read in one round; the others come in the next.
    static let streamMax = 64
    /// How often each stream's lease is looked at.
    static let sightEvery = Duration.milliseconds(500)
    /// How many reads of a stream may fail in a row.
    static let failureMax = 3

    private struct Stream: Sendable {
        var isRegistered = false
        var looksAt: Instant
        var failureCount = 0
        var failedAt: Instant?
    }

    private var streams: [Following: Stream] = [:]
    /// Whose turn it is next: the same order in every run.
    private var order: [Following] = []
    private var wait = waitStart
    private var nextAt = Instant.zero
    private var isReading = false
    private var entryCountMax = 0

    var isEmpty: Bool { order.isEmpty }

    /// What is done for one stream in a round.
    struct Read: Hashable, Sendable {
        let following: Following
        /// Tell the leading pod first.
        let registers: Bool
        /// Look at the lease too.
        let looks: Bool
    }

    enum Turn: Hashable, Sendable {
        /// Nothing to do until something is followed.
        case idle
        case wait(until: Instant)
        /// `ended` must follow.
        case read([Read])
    }

    /// Somebody follows from now on: its first round is due at once.
    mutating func follow(_ following: Following, at now: Instant) {
        streams[following] = Stream(looksAt: now.advanced(by: Self.sightEvery))
        order.append(following)
        wait = Self.waitStart
        nextAt = now
    }

    /// Nothing more is read of it. Idempotent. O(streams).
    mutating func unfollow(_ following: Following) {
        guard streams.removeValue(forKey: following) != nil else { return }
        order.removeAll { $0 == following }
    }

    /// What to do now. O(streams).
    mutating func turn(at now: Instant) -> Turn {
        guard !isReading, !order.isEmpty else { return .idle }
        guard now >= nextAt else { return .wait(until: nextAt) }
        isReading = true
        entryCountMax = 0
        let chosen = Array(order.prefix(Self.streamMax))
        order = Array(order.dropFirst(chosen.count)) + chosen
        return .read(chosen.compactMap { read($0, at: now) })
    }

    private mutating func read(_ following: Following, at now: Instant) -> Read? {
        guard var stream = streams[following] else { return nil }
        defer { streams[following] = stream }
        let looks = now >= stream.looksAt
        if looks { stream.looksAt = now.advanced(by: Self.sightEvery) }
        return Read(following: following, registers: !stream.isRegistered, looks: looks)
    }

    /// The leading pod has been told.
    mutating func registered(_ following: Following) {
        streams[following]?.isRegistered = true
    }

    /// A read brought this many entries.
    mutating func read(_ following: Following, entryCount: Int) {
        streams[following]?.failureCount = 0
        streams[following]?.failedAt = nil
        entryCountMax = max(entryCountMax, entryCount)
    }

    /// A read failed. Returns whether that was once too often.
    ///
    /// - Parameter countsAfter: how long after the last failure this one counts as another. More than nothing where
    ///   nothing was asked, and so no time has passed in waiting.
    mutating func failed(_ following: Following, at now: Instant, countsAfter: Duration) -> Bool {
        guard var stream = streams[following] else { return false }
        if let failedAt = stream.failedAt, failedAt.duration(to: now) < countsAfter { return false }
        stream.failureCount += 1
        stream.failedAt = now
        streams[following] = stream
        return stream.failureCount >= Self.failureMax
    }

    /// All reads of the round are done.
    mutating func ended(at now: Instant) {
        isReading = false
        switch entryCountMax {
        case 0: wait = min(Self.waitMax, wait * 3 / 2)
        case 1: break
        default: wait = max(Self.waitMin, wait / 2)
        }
        // Somebody who came meanwhile is not kept waiting: nor are those who were left out.
        let isDue = streams.values.contains { !$0.isRegistered && $0.failureCount == 0 }
        nextAt = isDue ? now : now.advanced(by: order.count > Self.streamMax ? Self.waitMin : wait)
    }
}
