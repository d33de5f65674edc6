import SamovarCore

/// What a provider's headers say about how fast it may be asked, in the forms that are in use:
///
///     retry-after-ms: 1500                                 retry-after: 7 | Sun, 06 Nov 1994 08:49:37 GMT
///     x-ratelimit-limit-requests: 60                       also -remaining-, -reset-; -tokens; without a suffix
///     x-ratelimit-reset-requests: 6m0s | 20ms | 1.5s | 12 | 1700000000
///     anthropic-ratelimit-requests-limit: 50               also -remaining, -reset (RFC 3339); -tokens-
///     ratelimit-limit: 100, 100;w=60                       ratelimit-remaining, ratelimit-reset (seconds)
///     ratelimit: "default";r=50;t=30                       ratelimit-policy: "default";q=100;w=10
///
/// Nonsense is left out: negative numbers, limits of zero, dates in the past. No length is longer than an hour.
public enum RateLimitHeaders {
    /// Lengths beyond this are cut to it.
    static let resetMax = Duration.seconds(3_600)
    /// A number of seconds from which on it is a point in time (2001).
    private static let epochMin = 1e9

    /// Reads them. O(headers); nil where they say nothing.
    ///
    /// - Parameters:
    ///   - status: of the reply; 429 is a refusal.
    ///   - header: the value of the first field of that name, which is in lower case.
    ///   - now: the time of day, for dates.
    public static func feedback(status: Int, now: WallTime, header: (String) -> String?) -> RateFeedback? {
        var feedback = RateFeedback(isRefusal: status == 429, retryAfter: retryAfter(now: now, header: header))
        feedback.requests = budget("requests", now: now, header: header)
        feedback.tokens = budget("tokens", now: now, header: header)
        if feedback.requests.isEmpty { feedback.requests = plainBudget(now: now, header: header) }
        return feedback.isEmpty ? nil : feedback
    }

    private static func retryAfter(now: WallTime, header: (String) -> String?) -> Duration? {
        if let text = header("retry-after-ms"), let number = number(text), number > 0 {
            return min(.milliseconds(Int64(min(number, 1e9))), RetryAfter.waitMax)
        }
        return header("retry-after").flatMap { RetryAfter.duration($0, now: now) }
    }

    private static func budget(_ unit: String, now: WallTime, header: (String) -> String?) -> RateFeedback.Budget {
        let open = RateFeedback.Budget(
            limit: header("x-ratelimit-limit-\(unit)").flatMap(limit),
            remaining: header("x-ratelimit-remaining-\(unit)").flatMap(number),
            reset: header("x-ratelimit-reset-\(unit)").flatMap { reset($0, now: now) })
        guard open.isEmpty else { return open }
        return RateFeedback.Budget(
            limit: header("anthropic-ratelimit-\(unit)-limit").flatMap(limit),
            remaining: header("anthropic-ratelimit-\(unit)-remaining").flatMap(number),
            reset: header("anthropic-ratelimit-\(unit)-reset").flatMap { reset($0, now: now) })
    }

    /// Without a unit: requests.
    private static func plainBudget(now: WallTime, header: (String) -> String?) -> RateFeedback.Budget {
        for prefix in ["ratelimit-", "x-ratelimit-", "x-rate-limit-"] {
            let budget = RateFeedback.Budget(
                limit: header(prefix + "limit").flatMap(limit), remaining: header(prefix + "remaining").flatMap(number),
                reset: header(prefix + "reset").flatMap { reset($0, now: now) })
            if !budget.isEmpty { return budget }
        }
        // The later drafts of the IETF put all of it into one structured field.
        guard let state = header("ratelimit") else { return RateFeedback.Budget() }
        return RateFeedback.Budget(
            limit: (parameter("q", of: header("ratelimit-policy") ?? "") ?? parameter("limit", of: state)).flatMap(
                limit),
            remaining: (parameter("r", of: state) ?? parameter("remaining", of: state)).flatMap(number),
            reset: (parameter("t", of: state) ?? parameter("reset", of: state)).flatMap { reset($0, now: now) })
    }

    // MARK: Values

    /// A positive number: the first of a list (`100, 100;w=60`).
    private static func limit(_ text: String) -> Double? {
        number(String(text.prefix { $0 != "," && $0 != ";" })).flatMap { $0 > 0 ? $0 : nil }
    }

    /// A number that is not negative, in digits with at most one point.
    private static func number(_ text: String) -> Double? {
        let trimmed = text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
        guard !trimmed.isEmpty, trimmed.count <= 20, trimmed.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") })
        else { return nil }
        return Double(String(trimmed)).flatMap { $0.isFinite ? $0 : nil }
    }

    /// Until a budget is full again: a length, or a point in time ahead.
    private static func reset(_ text: String, now: WallTime) -> Duration? {
        guard let length = length(text, now: now), length > .zero else { return nil }
        return min(length, resetMax)
    }

    private static func length(_ text: String, now: WallTime) -> Duration? {
        if let number = number(text) {
            guard number >= epochMin else { return duration(number) }
            // Seconds since 1970; some write milliseconds.
            let milliseconds = number >= epochMin * 1_000 ? number : number * 1_000
            return now.duration(to: WallTime(milliseconds: Int64(min(milliseconds, 9e15))))
        }
        return units(text) ?? InternetDate.wallTime(text).map { now.duration(to: $0) }
    }

    /// Go's form, as OpenAI writes it: `6m0s`, `20ms`, `1h2m3.5s`.
    private static func units(_ text: String) -> Duration? {
        let seconds: [Substring: Double] = [
            "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6,
        ]
        var rest = text[...]
        var sum = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isNumber || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { !$0.isNumber && $0 != "." }
            rest = rest.dropFirst(unit.count)
            guard let number = number(String(digits)), let factor = seconds[unit] else { return nil }
            sum += number * factor
        }
        return text.isEmpty ? nil : duration(sum)
    }

    private static func duration(_ seconds: Double) -> Duration {
        .nanoseconds(Int64((min(seconds, resetMax.seconds) * 1e9).rounded()))
    }

    /// The value of a parameter: `r` of `"default";r=50;t=30`.
    private static func parameter(_ name: String, of text: String) -> String? {
        for part in text.split(whereSeparator: { $0 == ";" || $0 == "," }) {
            let pair = part.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
            if pair.count == 2, pair[0] == name { return String(pair[1]) }
        }
        return nil
    }
}
