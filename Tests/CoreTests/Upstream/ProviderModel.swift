import SamovarCore
import TestSupport

/// A provider in virtual time: so many requests a second, a burst, so many at once, and how long each takes.
///
/// Written without our bucket: it counts what it let in.
struct ProviderModel {
    var rate = 50.0
    var burst = 500.0
    var concurrencyMax = 64
    var timeToFirstToken = Duration.milliseconds(300)
    var timeToRefusal = Duration.milliseconds(2)
    /// Sent with each refusal.
    var retryAfter: Duration?
    /// Ways differ in length by up to this.
    var jitter = Duration.milliseconds(4)
    var isDown = false
    private var left: Double
    private var filledAt = Instant.zero
    private(set) var inflight = 0

    init(rate: Double = 50, burst: Double = 500) {
        self.rate = rate
        self.burst = burst
        left = burst
    }

    mutating func arrives(at now: Instant) -> Bool {
        left = min(burst, left + max(.zero, filledAt.duration(to: now)).seconds * rate)
        filledAt = max(filledAt, now)
        guard !isDown, left >= 1, inflight < concurrencyMax else { return false }
        left -= 1
        inflight += 1
        return true
    }

    /// Others have used its burst up.
    mutating func empty() { left = 0 }

    mutating func leaves() { inflight -= 1 }
}

/// One that always has something to send, or so many a second, and asks its machines before each.
struct SenderModel {
    struct Counts {
        var sent = 0
        var accepted = 0
        var refused = 0

        var refusedShare: Double { sent == 0 ? 0 : Double(refused) / Double(sent) }
    }

    private enum Event {
        case arrival(Pace.Sending)
        case reply(Pace.Sending, accepted: Bool)
    }

    var provider: ProviderModel
    var pace: Pace
    var limit: ConcurrencyLimit
    private var random: SeededGenerator
    private(set) var now = Instant.zero
    private(set) var inflight = 0
    /// In the order of their times; few enough for a plain list.
    private var events: [(at: Instant, event: Event)] = []

    init(_ provider: ProviderModel, pace: Pace.Settings, limit: ConcurrencyLimit.Settings = .init(), seed: UInt64) {
        self.provider = provider
        self.pace = Pace(pace, at: .zero)
        self.limit = ConcurrencyLimit(limit)
        random = SeededGenerator(seed: seed)
    }

    /// Lets time pass, with this many requests a second offered, or as many as may go.
    mutating func run(for time: Duration, offered: Double? = nil) -> Counts {
        var counts = Counts()
        let end = now.advanced(by: time)
        let start = now
        var offeredCount = 0.0
        while now < end {
            var wakeAt = end
            while inflight < limit.limit {
                if let offered {
                    let due = start.advanced(by: .nanoseconds(Int64(offeredCount / offered * 1e9)))
                    guard due <= now else {
                        wakeAt = min(wakeAt, due)
                        break
                    }
                }
                if case .denied(let wait) = pace.canSend(tokens: 100, at: now) {
                    wakeAt = min(wakeAt, now.advanced(by: wait))
                    break
                }
                offeredCount += 1
                counts.sent += 1
                inflight += 1
                schedule(.arrival(pace.took(tokens: 100, at: now)), in: noise())
            }
            now = min(wakeAt, events.first?.at ?? end)
            while let (at, event) = events.first, at <= now {
                events.removeFirst()
                happens(event, &counts)
            }
        }
        return counts
    }

    private mutating func happens(_ event: Event, _ counts: inout Counts) {
        switch event {
        case .arrival(let sending):
            let accepted = provider.arrives(at: now)
            let time = accepted ? provider.timeToFirstToken : provider.timeToRefusal
            schedule(.reply(sending, accepted: accepted), in: time + noise())
        case .reply(let sending, let accepted):
            inflight -= 1
            if accepted {
                provider.leaves()
                counts.accepted += 1
                pace.report(RateFeedback(), for: sending, at: now)
                limit.sample(
                    .answered(sending.at.duration(to: now)), sentAt: sending.at, inflight: inflight + 1, at: now)
            } else {
                counts.refused += 1
                pace.report(RateFeedback(isRefusal: true, retryAfter: provider.retryAfter), for: sending, at: now)
                limit.sample(.refused, sentAt: sending.at, inflight: inflight + 1, at: now)
            }
        }
    }

    private mutating func noise() -> Duration {
        .nanoseconds(Int64.random(in: 0...max(0, provider.jitter.nanoseconds), using: &random))
    }

    private mutating func schedule(_ event: Event, in time: Duration) {
        let at = now.advanced(by: time)
        let place = events.firstIndex { $0.at > at } ?? events.count
        events.insert((at, event), at: place)
    }
}
