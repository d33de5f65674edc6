import SamovarCore
import Testing

@Suite("What an attempt's end means")
struct AttemptResultTests {
    private static func refused(_ status: Int, _ words: String = "") -> Failure {
        .refused(.init(status: status, contentType: nil, body: Array(words.utf8), retryAfter: nil))
    }

    @Test("is the caller's own affair for every other 4xx, which is never tried again")
    func callers() {
        let special: Set = [402, 408, 409, 425, 429]
        for status in 400...499 where !special.contains(status) {
            #expect(AttemptResult(Self.refused(status)) == AttemptResult(health: .neutral), "\(status)")
        }
    }

    @Test("is the upstream's failure for every 5xx but those that say it cannot do that at all")
    func upstreams() {
        for status in 500...599 where status != 501 && status != 505 {
            let result = AttemptResult(Self.refused(status))
            #expect(result.health == .failure && result.again == .anywhere, "\(status)")
            #expect(result.overload == (status == 503 || status == 529 ? .capacity : nil), "\(status)")
        }
        for status in [501, 505] {
            #expect(AttemptResult(Self.refused(status)) == AttemptResult(health: .neutral))
        }
    }

    @Test("is a matter of pace for 429, unless the quota is used up: then of the credential, as with 402")
    func credentials() {
        let busy = AttemptResult(Self.refused(429, #"{"error":{"code":"rate_limit_exceeded"}}"#))
        let refusal = RateFeedback(isRefusal: true)
        #expect(busy == AttemptResult(health: .neutral, overload: .rate, again: .anywhere, rate: refusal))
        let ofCredential = AttemptResult(health: .failure, again: .elsewhere, isOfCredential: true)
        #expect(AttemptResult(Self.refused(402)) == ofCredential)
        #expect(AttemptResult(Self.refused(429, #"{"error":{"code":"insufficient_quota"}}"#)) == ofCredential)
        // Only so much of it is read.
        let late = String(repeating: " ", count: 5_000) + "insufficient_quota"
        #expect(AttemptResult(Self.refused(429, late)).isOfCredential == false)
    }

    @Test("counts silence: no first token, or keep-alives only, is a failure and an overload")
    func silence() {
        let firstToken = AttemptResult(.timedOut(.firstToken))
        let between = AttemptResult(.timedOut(.betweenTokens), timeToFirstToken: .seconds(1))
        let silentInAll = AttemptResult(.timedOut(.total))
        let longInAll = AttemptResult(.timedOut(.total), timeToFirstToken: .seconds(1))
        #expect(firstToken == AttemptResult(health: .failure, overload: .capacity, again: .anywhere))
        #expect(between.health == .failure && between.overload == .capacity)
        #expect(silentInAll == AttemptResult(health: .failure, overload: .capacity))
        #expect(longInAll.health == .neutral && longInAll.again == .never)
    }

    @Test("blames nobody for what was our own doing")
    func ours() {
        let own: [Failure] = [
            .tooLarge(limit: "l"), .limited(limit: "l", retryAfter: .seconds(1)), .lagged, .notCached, .deadline,
            .draining,
        ]
        for failure in own { #expect(AttemptResult(failure) == .abandoned) }
        for failure in [Failure.cut, .malformed(reason: "r"), .unreachable(reason: "r")] {
            #expect(AttemptResult(failure) == AttemptResult(health: .failure, again: .anywhere))
        }
    }

    @Test("reads an error under status 200 by the words that providers use")
    func erred() {
        func health(_ words: String) -> AttemptResult { AttemptResult(.erred(body: Array(words.utf8))) }
        #expect(health(#"{"type":"invalid_request_error"}"#) == AttemptResult(health: .neutral))
        #expect(health(#"{"type":"overloaded_error"}"#).overload == .capacity)
        #expect(health(#"{"code":"rate_limit_exceeded"}"#).overload == .rate)
        #expect(health(#"{"code":"insufficient_quota"}"#).isOfCredential)
        #expect(health("?") == AttemptResult(health: .failure, again: .anywhere))
    }

    @Test("is slow only beyond the configured time, and only where there is one")
    func slow() {
        func health(_ time: Duration?, _ after: Duration?) -> AttemptResult.Health {
            AttemptResult.answered(timeToFirstToken: time, slowAfter: after).health
        }
        #expect(health(.seconds(2), .seconds(2)) == .success)
        #expect(health(.milliseconds(2_001), .seconds(2)) == .slow)
        #expect(health(.seconds(900), nil) == .success)
        #expect(health(nil, .seconds(2)) == .success)
    }

    @Test("carries what the upstream said about its limits and how long to wait")
    func carries() {
        let rate = RateFeedback(isRefusal: true, retryAfter: .seconds(7))
        let refusal = Failure.Refusal(
            status: 429, contentType: nil, body: [], retryAfter: .seconds(7), rate: rate)
        let result = AttemptResult(.refused(refusal))
        #expect(result.retryAfter == .seconds(7) && result.rate == rate)
        // A used-up quota is no pace, and an error under status 200 may well be one.
        let quota = Failure.Refusal(
            status: 429, contentType: nil, body: Array("insufficient_quota".utf8), retryAfter: nil, rate: rate)
        #expect(AttemptResult(.refused(quota)).rate == nil)
        let erred = AttemptResult(.erred(body: Array("rate_limit".utf8)), rate: RateFeedback(retryAfter: .seconds(1)))
        #expect(erred.rate == RateFeedback(isRefusal: true, retryAfter: .seconds(1)))
    }
}
