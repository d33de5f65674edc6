import SamovarCore
import SamovarWire
import TestSupport
import Testing

@Suite("Rate-limit headers")
struct RateLimitHeadersTests {
    /// 27 January 2026, 15:00:00 UTC.
    private let now = WallTime(milliseconds: 1_769_526_000_000)

    private func read(_ headers: [String: String], status: Int = 200) -> RateFeedback? {
        RateLimitHeaders.feedback(status: status, now: now) { headers[$0] }
    }

    @Test("are read as OpenAI writes them")
    func openAI() {
        let feedback = read([
            "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "1s", "x-ratelimit-limit-tokens": "150000",
            "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s",
        ])
        #expect(
            feedback
                == RateFeedback(
                    requests: .init(limit: 60, remaining: 59, reset: .seconds(1)),
                    tokens: .init(limit: 150_000, remaining: 149_984, reset: .seconds(360))))
    }

    @Test("are read as Anthropic writes them, with points in time")
    func anthropic() {
        let feedback = read([
            "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-01-27T15:00:02Z", "anthropic-ratelimit-tokens-limit": "40000",
            "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": "2026-01-27T15:00:30.25+00:00",
        ])
        #expect(feedback?.requests == .init(limit: 50, remaining: 49, reset: .seconds(2)))
        #expect(feedback?.tokens == .init(limit: 40_000, remaining: 0, reset: .seconds(30)))
    }

    @Test("are read in the forms of the IETF's drafts and of other gateways")
    func drafts() {
        let expected = RateFeedback.Budget(limit: 100, remaining: 50, reset: .seconds(30))
        let forms: [[String: String]] = [
            ["ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "50", "ratelimit-reset": "30"],
            ["x-ratelimit-limit": "100", "x-ratelimit-remaining": "50", "x-ratelimit-reset": "1769526030"],
            ["x-ratelimit-limit": "100", "x-ratelimit-remaining": " 50 ", "x-ratelimit-reset": "1769526030000"],
            ["x-rate-limit-limit": "100", "x-rate-limit-remaining": "50", "x-rate-limit-reset": "30"],
            ["ratelimit": #""default";r=50;t=30"#, "ratelimit-policy": #""default";q=100;w=60"#],
            ["ratelimit": "limit=100, remaining=50, reset=30"],
        ]
        for form in forms { #expect(read(form)?.requests == expected, "\(form)") }
    }

    @Test(
        "give lengths in every unit",
        arguments: [
            ("20ms", Duration.milliseconds(20)), ("1h2m3.5s", .seconds(3_600)), ("2m3.5s", .milliseconds(123_500)),
            ("1d", .seconds(3_600)), ("500us", .microseconds(500)), ("0.25", .milliseconds(250)), ("12", .seconds(12)),
            ("1e9", nil), ("-5", nil), ("-5s", nil), ("0s", nil), ("0", nil), ("", nil), ("s", nil), ("5 m", nil),
            ("5x", nil), ("1..5s", nil), ("nan", nil), ("inf", nil), ("١s", nil), ("1769525000", nil),
            ("999999999", .seconds(3_600)), ("9999999999999999999", .seconds(3_600)),
            ("99999999999999999999999999", nil), ("2026-01-27T14:59:00Z", nil), ("2026-01-27T15:00:05", nil),
            ("2026-13-27T15:00:05Z", nil), ("-026-01-27T15:00:05Z", nil),
        ] as [(String, Duration?)])
    func lengths(text: String, expected: Duration?) {
        let feedback = read(["x-ratelimit-reset-requests": text])
        #expect(feedback?.requests.reset == expected)
    }

    @Test("say how long to stay away: milliseconds before seconds, a minute at most")
    func retryAfter() {
        #expect(read(["retry-after-ms": "1500", "retry-after": "2"], status: 429)?.retryAfter == .milliseconds(1_500))
        #expect(read(["retry-after-ms": "1e300", "retry-after": "2"], status: 429)?.retryAfter == .seconds(2))
        #expect(read(["retry-after-ms": "-1", "retry-after": "2"], status: 429)?.retryAfter == .seconds(2))
        #expect(read(["retry-after-ms": "999999999999"], status: 429)?.retryAfter == .seconds(60))
        #expect(read(["retry-after": "1000000000"], status: 429)?.retryAfter == .seconds(60))
        #expect(read(["retry-after": "Tue, 27 Jan 2026 15:00:09 GMT"], status: 503)?.retryAfter == .seconds(9))
        #expect(read(["retry-after": "Tue, 27 Jan 2026 14:00:00 GMT"], status: 503)?.retryAfter == .zero)
    }

    @Test("are nothing where nothing is said, and a refusal by its status alone")
    func nothing() {
        #expect(read([:]) == nil)
        #expect(read(["x-ratelimit-limit-requests": "0"]) == nil)
        #expect(read(["x-ratelimit-limit-requests": "-60", "x-ratelimit-remaining-requests": "-1"]) == nil)
        #expect(read([:], status: 429) == RateFeedback(isRefusal: true))
        #expect(read([:], status: 503) == nil)
    }

    @Test("never trap, whatever stands in them, and give nothing out of bounds", arguments: 0..<200)
    func noise(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let names = [
            "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
            "x-ratelimit-reset-tokens", "retry-after", "retry-after-ms", "ratelimit", "ratelimit-policy",
            "anthropic-ratelimit-tokens-reset",
        ]
        let pieces = [
            "0", "1", "9", "99999999999", ".", "-", "e", "s", "m", "ms", "h", ":", "T", "Z", " ", ";r=", ";t=", "q=",
            ",", "µ", "é", "2026-01-27", "15:00:00", "inf", "nan",
        ]
        for _ in 0..<50 {
            var headers: [String: String] = [:]
            for name in names {
                let count = Int.random(in: 0..<6, using: &random)
                headers[name] = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            }
            guard let feedback = read(headers, status: Bool.random(using: &random) ? 429 : 200) else { continue }
            for budget in [feedback.requests, feedback.tokens] {
                if let limit = budget.limit { #expect(limit > 0 && limit.isFinite) }
                if let remaining = budget.remaining { #expect(remaining >= 0 && remaining.isFinite) }
                if let reset = budget.reset { #expect(reset > .zero && reset <= .seconds(3_600)) }
            }
            if let wait = feedback.retryAfter { #expect(wait >= .zero && wait <= .seconds(60)) }
        }
    }
}
