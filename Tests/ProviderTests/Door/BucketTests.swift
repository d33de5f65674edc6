import NIOCore
import Testing

@testable import provider

@Suite("how fast it may be asked")
struct BucketTests {
    private let noon = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test("the burst at once, then one every interval")
    func burst() {
        var bucket = Bucket(perSecond: 2, burst: 3)

        let atOnce = (0..<4).map { _ in bucket.take(at: noon) }
        let later = bucket.take(at: noon + .milliseconds(500))
        let tooSoon = bucket.take(at: noon + .milliseconds(600))

        #expect(atOnce.prefix(3) == [.granted(remaining: 2), .granted(remaining: 1), .granted(remaining: 0)])
        #expect(atOnce.last == .denied(retryAfter: .milliseconds(500)))
        #expect(later == .granted(remaining: 0))
        #expect(tooSoon == .denied(retryAfter: .milliseconds(400)))
    }

    @Test("a burst not told is one second's worth, at least one")
    func defaultBurst() {
        var ten = Bucket(perSecond: 10, burst: nil)
        var slow = Bucket(perSecond: 0.1, burst: nil)

        #expect(ten.take(at: noon) == .granted(remaining: 9))
        #expect(slow.take(at: noon) == .granted(remaining: 0))
        #expect(slow.take(at: noon) == .denied(retryAfter: .seconds(10)))
    }

    @Test("the slowest rate with the longest burst overflows nothing")
    func extremes() {
        var bucket = Bucket(perSecond: .leastNonzeroMagnitude, burst: 1_000_000)

        #expect(bucket.take(at: noon) == .granted(remaining: 999_999))
    }
}
