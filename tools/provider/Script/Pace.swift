import NIOCore

/// When the steps of an answer are due, counted from the call's arrival.
///
///     arrival ── silent_ms, with signs of life ──▶ ── first_token_ms ──▶ step 0 ── token_ms ──▶ step 1 …
struct Pace: Sendable {
    /// Until when the caller gets signs of life only.
    let silence: TimeAmount
    private let firstStep: TimeAmount
    private let stepGap: TimeAmount
    private let keepAliveGap: TimeAmount
    private var keepAliveCount: Int64 = 0

    init(_ settings: Settings) {
        silence = .milliseconds(Int64(settings.silentMs))
        firstStep = silence + .milliseconds(Int64(settings.firstTokenMs))
        stepGap = .milliseconds(Int64(settings.tokenMs))
        keepAliveGap = .milliseconds(Int64(settings.keepAliveMs))
    }

    func due(step: Int) -> TimeAmount {
        firstStep + stepGap * step
    }

    /// The next sign of life, if there is one before the silence ends.
    var nextKeepAlive: TimeAmount? {
        let next = keepAliveGap * Int(keepAliveCount + 1)
        return keepAliveGap > .zero && next < silence ? next : nil
    }

    /// How many signs of life are due and were not taken before.
    mutating func takeKeepAlives(at elapsed: TimeAmount) -> Int {
        var count = 0
        while let next = nextKeepAlive, next <= elapsed {
            keepAliveCount += 1
            count += 1
        }
        return count
    }
}
