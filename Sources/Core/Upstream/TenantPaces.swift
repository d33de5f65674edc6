/// How fast each tenant may ask: `admission.tenant`. Without limits nobody is counted.
///
/// Bounded by those who have asked of late: whose buckets have drained is forgotten.
struct TenantPaces: Sendable {
    private struct Buckets: Sendable {
        var requests: TokenBucket?
        var tokens: TokenBucket?
    }

    private var limits: AdmissionSettings.TenantLimits
    private var buckets: [Tenant: Buckets] = [:]
    private var forgetAbove = 256

    init(_ limits: AdmissionSettings.TenantLimits) { self.limits = limits }

    var isUnlimited: Bool { limits == AdmissionSettings.TenantLimits() }

    mutating func configure(_ limits: AdmissionSettings.TenantLimits, at now: Instant) {
        guard limits != self.limits else { return }
        self.limits = limits
        buckets.removeAll()
    }

    /// Whether it may send that much now; if not, how long it takes. O(1).
    func canSend(_ tenant: Tenant, tokens: Int, at now: Instant) -> TokenBucket.Verdict {
        guard !isUnlimited, let buckets = buckets[tenant] else { return .granted }
        let requests = buckets.requests?.canTake(1, at: now) ?? .granted
        let tokens = buckets.tokens?.canTake(Double(tokens), at: now) ?? .granted
        guard case .denied(let first) = requests else { return tokens }
        guard case .denied(let second) = tokens else { return requests }
        return .denied(retryAfter: max(first, second))
    }

    /// O(1), O(tenants) once in a while.
    mutating func took(_ tenant: Tenant, tokens: Int, at now: Instant) {
        guard !isUnlimited else { return }
        if buckets.count >= forgetAbove { forgetIdle(at: now) }
        var own = buckets[tenant] ?? new(at: now)
        own.requests?.charge(1, at: now)
        own.tokens?.charge(Double(tokens), at: now)
        buckets[tenant] = own
    }

    mutating func settle(_ tenant: Tenant, estimate: Int, actual: Int, at now: Instant) {
        buckets[tenant]?.tokens?.settle(estimate: Double(estimate), actual: Double(actual), at: now)
    }

    private func new(at now: Instant) -> Buckets {
        Buckets(
            requests: limits.requestsPerSecond.map { rate in
                TokenBucket(rate: rate, burst: limits.burst.map(Double.init) ?? max(1, rate), at: now)
            },
            tokens: limits.tokensPerMinute.map { TokenBucket(rate: Double($0) / 60, burst: Double($0), at: now) })
    }

    private mutating func forgetIdle(at now: Instant) {
        buckets = buckets.filter { _, own in
            let isIdle = [own.requests, own.tokens].allSatisfy { $0.map { $0.room(at: now) >= $0.burst } ?? true }
            return !isIdle
        }
        forgetAbove = max(256, 2 * buckets.count)
    }
}
