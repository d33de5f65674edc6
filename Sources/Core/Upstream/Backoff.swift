/// How long to wait before another try: exponential, with full jitter (Brooker, AWS, 2015).
public struct Backoff: Hashable, Sendable {
    public var waitMin: Duration
    public var waitMax: Duration
    private var failureCount = 0

    public init(waitMin: Duration = .milliseconds(50), waitMax: Duration = .seconds(5)) {
        self.waitMin = waitMin
        self.waitMax = waitMax
    }

    /// Another try has failed: how long to wait for the next one.
    ///
    /// - Parameter jitter: a random number in 0..<1.
    public mutating func failed(jitter: Double) -> Duration {
        let ceiling = min(waitMax, waitMin * (1 << min(failureCount, 20)))
        failureCount += 1
        return .nanoseconds(Int64(Double(ceiling.nanoseconds) * jitter))
    }

    public mutating func succeeded() { failureCount = 0 }
}
